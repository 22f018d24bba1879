//! Finds commits that were made by hand in the submodules of passed tasks' worktrees.
//!
//! The commits of a worker are carried into the submodule's store when its attempt ends. A commit or a
//! stash entry that the user makes later is in the worktree only, until the task's branch names it.

use std::path::PathBuf;

use crate::base::text::{plural, shell_path};
use crate::engine::EngineError;
use crate::engine::worktree::since_set_up::own_tips_since;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::Store;
use crate::git::submodules::Submodule;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::suggest;

/// Commits in a submodule that no store and no result has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmoduleCommits {
    task: TaskNumber,
    worktree: PathBuf,
    submodule: Submodule,
    commits: Vec<Oid>,
    /// `true` if one of them is checked out, so that the task's branch can name it.
    is_checked_out: bool,
}

impl SubmoduleCommits {
    /// Renders a warning that names them, with the commands that take or keep them.
    pub fn warning(&self, state: &RunState) -> String {
        let SubmoduleCommits {
            task,
            worktree,
            submodule,
            commits,
            is_checked_out,
        } = self;
        let tag = &state.plan.task(*task).tag;
        let (shown, count) = (submodule.shown(), plural(commits.len(), "commit"));
        let is = if commits.len() == 1 { "is" } else { "are" };
        let names: Vec<String> = commits.iter().map(|one| one.short().to_string()).collect();
        let names = names.join(" ");
        let place = shell_path(submodule.folder.as_ref().unwrap_or(&submodule.git_dir));
        let way_out = match (is_checked_out, &state.landed) {
            (true, None) => format!(
                "`git -C {worktree} commit -m MESSAGE -- {path}` and then `{take}` takes it",
                worktree = shell_path(worktree),
                path = shell_path(&submodule.path),
                take = suggest::take(&state.run, *task),
            ),
            _ => format!(
                "`git -C {place} push {} {}:refs/heads/NAME` keeps it",
                shell_path(&submodule.store),
                commits
                    .first()
                    .map(|one| one.short().to_string())
                    .unwrap_or_default(),
            ),
        };
        format!(
            "{task} [{tag}]: the submodule {shown} of its worktree has {count} that {is} nowhere else and \
             not in its result (`git -C {place} show {names}`); {way_out}"
        )
    }
}

/// Lists the commits, stash entries included, that were made by hand in the submodules of passed tasks.
/// A worktree without submodules costs a look at its folder.
///
/// # Errors
/// When git cannot read a submodule.
pub fn submodule_commits(
    store: &Store,
    state: &RunState,
) -> Result<Vec<SubmoduleCommits>, EngineError> {
    let mut found = Vec::new();
    for task in state.plan.tasks() {
        let of = state.task(task.number);
        let Some(attempt) = of.deciding_attempt().filter(|_| of.candidate().is_some()) else {
            continue;
        };
        let path = store.repo().resolve_portable_path(&attempt.worktree);
        if !path.join(".gitmodules").exists() {
            continue;
        }
        let worktree = store.repo().find_worktree(&path);
        // A worker may run in a locked one.
        let worktree = worktree.filter(|worktree| {
            let is_free = worktree.lock_reason().is_none() && !worktree.has_private_folder();
            is_free && worktree.verify().is_ok()
        });
        if let Some(worktree) = worktree {
            found.extend(in_worktree(store, task.number, &worktree)?);
        }
    }
    Ok(found)
}

fn in_worktree(
    store: &Store,
    task: TaskNumber,
    worktree: &Worktree,
) -> Result<Vec<SubmoduleCommits>, EngineError> {
    let start = StartingTree::read(worktree);
    let mut found = Vec::new();
    for submodule in store.repo().submodules_in(worktree)? {
        let own = own_tips_since(&submodule, start.as_ref())?;
        let commits = store.repo().not_in_store(&submodule, &own)?;
        if commits.is_empty() {
            continue;
        }
        let head = submodule.head()?;
        found.push(SubmoduleCommits {
            task,
            worktree: worktree.path.clone(),
            is_checked_out: head.is_some_and(|head| commits.contains(&head)),
            submodule,
            commits,
        });
    }
    Ok(found)
}
