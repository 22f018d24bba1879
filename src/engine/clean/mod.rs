//! Removes the worktrees and branches of a finished run, but no unsaved work and not the journal.

mod branches;
pub mod kept;
mod worktrees;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::base::{fault, parallel};
use crate::engine::EngineError;
use crate::engine::clean::branches::{BranchOfRun, branches};
use crate::engine::clean::worktrees::{WorktreeOfRun, worktrees};
use crate::engine::kernel::context::Context;
use crate::engine::kernel::remote_refs;
use crate::engine::pool::give_back::{remove_or_give_back, returns};
use crate::engine::resolve::conflict_worktree::is_untouched;
use crate::engine::worktree::losses::Losses;
use crate::engine::worktree::remove::{lock_by_user, unsaved_work};
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::suggest;

/// The worktrees and branches of a run that can be removed, and those that stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CleanPlan {
    /// The worktrees to remove.
    pub worktrees: Vec<Worktree>,
    /// The branches to delete, with their tips.
    pub branches: Vec<(String, Oid)>,
    /// Names of kept items, with the reason.
    pub kept: Vec<(String, String)>,
    /// The tasks whose worktrees are kept.
    pub kept_tasks: BTreeSet<TaskNumber>,
    /// The folders of the worktrees that go back to the pool instead.
    pub returned: BTreeSet<PathBuf>,
    /// Losses that come with the removal of worktrees, by their folders.
    pub losses: BTreeMap<PathBuf, Losses>,
}

impl CleanPlan {
    /// Inspects every worktree and branch of a run. The worktrees of `forced` tasks are removed
    /// even with uncommitted work in them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        context: &Context,
        state: &RunState,
        forced: &[TaskNumber],
    ) -> Result<CleanPlan, EngineError> {
        let store = Store::open(&context.repo)?;
        let mut plan = CleanPlan::default();
        let found = worktrees(context, state);
        let mut used = Vec::new();
        let reasons = parallel::map(&found, |found| reason_to_keep(context, state, found));
        for (found, reason) in found.into_iter().zip(reasons) {
            // `git worktree remove --force` does not remove a locked one either.
            let locked = lock_by_user(&found.worktree);
            let is_forced =
                locked.is_none() && found.task.is_some_and(|task| forced.contains(&task));
            match reason? {
                Some(why) if !is_forced => {
                    let name = found.worktree.path.display().to_string();
                    plan.kept.push((name, why));
                    plan.kept_tasks
                        .extend(found.task.filter(|_| locked.is_none()));
                }
                _ => {
                    used.extend(found.was_used.then(|| found.worktree.clone()));
                    plan.worktrees.push(found.worktree);
                }
            }
        }
        let losses = parallel::map(&used, |worktree| losses(context, worktree));
        for (worktree, losses) in used.into_iter().zip(losses) {
            plan.losses.insert(worktree.path, losses);
        }
        let checks = context.place_of(context.integration_worktree());
        if let Some(checks) = plan.worktrees.iter().find(|one| one.path == checks) {
            let losses = Losses::of_checks(context, checks)?;
            plan.losses.insert(checks.path.clone(), losses);
        }
        let all = context.repo.worktrees();
        let returned = plan.worktrees.iter();
        let returned = returned.filter(|worktree| returns(context, worktree, &all));
        plan.returned = returned.map(|worktree| worktree.path.clone()).collect();
        let branches = branches(&store, context, state)?;
        plan.add_branches(branches, &context.repo.checkouts());
        Ok(plan)
    }

    /// Adds the branches that hold no unlanded work and are checked out only where it is removed.
    fn add_branches(&mut self, branches: Vec<BranchOfRun>, checkouts: &[(String, PathBuf)]) {
        let removed: HashSet<&Path> = self.worktrees.iter().map(|w| w.path.as_path()).collect();
        let in_use = checkouts.iter();
        let in_use = in_use.filter(|(_, place)| !removed.contains(place.as_path()));
        let in_use: HashMap<&str, &Path> = in_use
            .map(|(branch, place)| (branch.as_str(), place.as_path()))
            .collect();
        for branch in branches {
            let why = match in_use.get(branch.name.as_str()) {
                Some(place) => format!("checked out in {}", place.display()),
                None if branch.is_saved => {
                    self.branches.push((branch.name, branch.tip));
                    continue;
                }
                None => "has work that is not landed".to_owned(),
            };
            self.kept.push((branch.name, why));
        }
    }

    /// Removes the worktrees and branches, and empty folders above them. Returns how many worktrees were
    /// returned to the pool instead.
    ///
    /// # Errors
    /// When something cannot be removed; what was removed until then is gone.
    pub fn apply(&self, context: &Context) -> Result<usize, EngineError> {
        fault::point("cleaning", "before it begins");
        let all = context.repo.worktrees();
        let known = self.worktrees.iter();
        let known: Vec<PathBuf> = known
            .map(|one| context.repo.known_path(&one.path))
            .collect();
        let removed = parallel::map(&self.worktrees, |worktree| {
            if let Some(losses) = self.losses.get(&worktree.path) {
                losses.keep(context, worktree)?;
            }
            remove_or_give_back(context, worktree, &all)
        });
        fault::point("cleaning", "without worktrees");
        let mut returned = 0;
        for (path, removed) in known.iter().zip(removed) {
            returned += usize::from(removed?);
            // Only empty folders are removed: the run's, then the repository's.
            let parents = path.ancestors().skip(1).take(2);
            parents.for_each(|folder| drop(std::fs::remove_dir(folder)));
        }
        let store = Store::open(&context.repo)?;
        // What the references of other machines keep is in the journal.
        let remote = store.references(&remote_refs::of_run(&context.run))?;
        let branches = self.branches.iter();
        let branches = branches.map(|(branch, tip)| (branch_ref(branch), *tip));
        for (name, tip) in remote.into_iter().chain(branches) {
            match store.delete_reference(&name, tip) {
                Err(StoreError::Moved { .. }) => {}
                other => other?,
            }
        }
        Ok(returned)
    }
}

/// Finds what goes with a worktree; nothing in one that git cannot read any more, which goes only where the
/// user wants it.
fn losses(context: &Context, worktree: &Worktree) -> Losses {
    Losses::of(context, worktree).unwrap_or_default()
}

/// Returns the reason why a worktree must stay.
fn reason_to_keep(
    context: &Context,
    state: &RunState,
    found: &WorktreeOfRun,
) -> Result<Option<String>, EngineError> {
    if let Some(locked) = lock_by_user(&found.worktree) {
        return Ok(Some(locked));
    }
    if let Some(task) = found.task
        && state.task(task).open_resolution.is_some()
        && found.worktree.path == context.resolve_worktree(task)
    {
        return Ok(Some(format!(
            "the conflict of {task} is open (`{} --abort` gives up)",
            suggest::resolve(&state.run, task)
        )));
    }
    let is_untouched_conflict = || {
        let submodules = context.repo.submodules_in(&found.worktree);
        let has_none = submodules.is_ok_and(|found| found.is_empty());
        has_none
            && found.task.is_some_and(|task| {
                found.worktree.path == context.resolve_worktree(task)
                    && is_untouched(context, task, &found.worktree)
            })
    };
    if !found.was_used || is_untouched_conflict() {
        return Ok(None);
    }
    let store = Store::open(&context.repo)?;
    unsaved_work(context, &store, state, &found.worktree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str, is_saved: bool) -> BranchOfRun {
        BranchOfRun {
            name: name.to_owned(),
            tip: Oid::ZERO,
            is_saved,
        }
    }

    fn plan(checkouts: &[(&str, &str)]) -> CleanPlan {
        let checkouts: Vec<(String, PathBuf)> = checkouts
            .iter()
            .map(|(branch, place)| ((*branch).to_owned(), PathBuf::from(place)))
            .collect();
        let removed = Worktree {
            path: PathBuf::from("/w/api"),
            admin: PathBuf::from("/r/api"),
        };
        let mut plan = CleanPlan {
            worktrees: vec![removed],
            ..CleanPlan::default()
        };
        plan.add_branches(vec![branch("api", true), branch("docs", false)], &checkouts);
        plan
    }

    #[test]
    fn a_branch_goes_if_its_work_is_kept_and_no_other_checkout_has_it() {
        let plan = plan(&[("api", "/w/api")]);
        assert_eq!(plan.branches, [("api".to_owned(), Oid::ZERO)]);
        let why = "has work that is not landed".to_owned();
        assert_eq!(plan.kept, [("docs".to_owned(), why)]);
    }

    #[test]
    fn a_branch_that_another_checkout_has_stays() {
        let plan = plan(&[("api", "/mine"), ("docs", "/mine2")]);
        assert!(plan.branches.is_empty());
        let why = |place: &str| format!("checked out in {place}");
        assert_eq!(
            plan.kept,
            [
                ("api".to_owned(), why("/mine")),
                ("docs".to_owned(), why("/mine2"))
            ]
        );
    }
}
