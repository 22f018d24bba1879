//! Finds commits that were made by hand on a task, and that its result does not contain.
//!
//! A task's result is the commit that was judged. A commit that is made by hand later, on its branch
//! or on no branch in its worktree, is neither assembled nor landed, unless the user takes it.

use std::path::{Path, PathBuf};

use crate::base::text::{plural, shell_path};
use crate::engine::EngineError;
use crate::git::command::Git;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{GitError, Store};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::report::board::view::{BoardView, NewerRow};
use crate::report::suggest;

/// Commits of a task that were made by hand, and that its result does not contain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewerCommits {
    /// The task.
    pub task: TaskNumber,
    /// Its branch, without `refs/heads/`.
    pub branch: String,
    /// The last of them.
    pub tip: Oid,
    /// The number of the commits.
    pub count: usize,
    /// The result of the task, or what it left if it failed.
    pub since: Oid,
    /// The place where they were made.
    pub place: Place,
    /// The arguments with which git applies them to another branch.
    apply: String,
}

/// The place of commits that were made by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The branch of the task.
    Branch,
    /// The detached HEAD of this worktree.
    Worktree(PathBuf),
    /// The detached HEAD of this worktree, while the branch has other commits.
    Beside(PathBuf),
}

impl NewerCommits {
    /// Renders a warning that offers to take them. A run that has landed takes nothing any more, but
    /// git does anywhere.
    pub fn warning(&self, state: &RunState) -> String {
        let take = match (&self.place, &state.landed) {
            (_, Some(_)) => self.command(),
            (Place::Beside(place), None) => self.command_in(place),
            (_, None) => suggest::take(&state.run, self.task),
        };
        format!("{}; `{take}` takes {}", self.sentence(state), self.them())
    }

    /// Renders a warning before a landing without them.
    pub fn warning_before_landing(&self, state: &RunState) -> String {
        let command = self.command();
        format!("{} (once landed: `{command}`)", self.warning(state))
    }

    /// Renders a warning before a retry, which starts without them. They are kept then, and the attempt
    /// names the reference.
    pub fn warning_before_retry(&self, state: &RunState) -> String {
        let (command, them) = (self.command(), self.them());
        format!(
            "{}; the next attempt starts without {them}, and refs/dispatch/attempts/ keeps {them}: \
             `{command}` takes {them}",
            self.sentence(state)
        )
    }

    /// Returns the command with which git applies them to the branch that is checked out.
    pub fn command(&self) -> String {
        format!("git {}", self.apply)
    }

    fn command_in(&self, place: &Path) -> String {
        let (place, branch) = (shell_path(place), &self.branch);
        format!(
            "git -C {place} switch {branch} && git -C {place} {}",
            self.apply
        )
    }

    fn sentence(&self, state: &RunState) -> String {
        let commits = plural(self.count, "commit");
        let is = if self.count == 1 { "is" } else { "are" };
        let has = match &self.place {
            Place::Branch => format!("its branch {} has {commits}", self.branch),
            Place::Worktree(place) | Place::Beside(place) => {
                format!(
                    "its worktree {} has {commits} on no branch",
                    place.display()
                )
            }
        };
        let tag = &state.plan.task(self.task).tag;
        format!("{} [{tag}]: {has} that {is} not in its result", self.task)
    }

    fn them(&self) -> &'static str {
        if self.count == 1 { "it" } else { "them" }
    }
}

/// Lists commits that were made by hand on the branches of tasks, or in their worktrees on no branch,
/// and that their results do not contain; of a run that has landed, those that are not in the target.
///
/// # Errors
/// When the store or git cannot read them.
pub fn newer_commits(store: &Store, state: &RunState) -> Result<Vec<NewerCommits>, EngineError> {
    let target = state.landed.as_ref().map(|landed| &landed.target);
    let target = target.map(|target| store.reference(&branch_ref(target)));
    let target = target.transpose()?.flatten();
    let mut found = Vec::new();
    for task in state.plan.tasks() {
        let mut of_task = newer_commits_of(store, state, task.number)?;
        if let Some(target) = target {
            let git = store.repo().git();
            // Without an answer they are named once too often.
            of_task.retain(|newer| is_missing(&git, target, newer).unwrap_or(true));
        }
        found.append(&mut of_task);
    }
    Ok(found)
}

/// Lists the commits of one task that [`newer_commits`] finds, those on its branch first.
///
/// # Errors
/// When the store or git cannot read them.
pub fn newer_commits_of(
    store: &Store,
    state: &RunState,
    task: TaskNumber,
) -> Result<Vec<NewerCommits>, EngineError> {
    let of = state.task(task);
    let Some(attempt) = of.deciding_attempt() else {
        return Ok(Vec::new());
    };
    let branch = task_branch(&attempt.branch);
    let mut found = Vec::new();
    let mut newest = None;
    if let Some(candidate) = of.candidate() {
        let tip = store.reference(&branch_ref(&branch))?;
        newest = tip.filter(|tip| *tip != candidate);
        if let Some(tip) = newest {
            let above = store.commits_above(tip, Some(candidate))?;
            let count = above.len();
            newest = newest.filter(|_| count > 0);
            found.extend(newest.map(|tip| NewerCommits {
                task,
                branch: branch.clone(),
                tip,
                count,
                since: candidate,
                place: Place::Branch,
                apply: suggest::apply_commits(&above, candidate, tip),
            }));
        }
    }
    let Some(result) = of
        .candidate()
        .or_else(|| left_by(of.phase == TaskPhase::Failed, attempt))
    else {
        return Ok(found);
    };
    let path = store.repo().resolve_portable_path(&attempt.worktree);
    let Some((head, count)) = on_no_branch(store, &path, result)? else {
        return Ok(found);
    };
    let place = match newest {
        Some(tip) if !store.is_ancestor(tip, head)? => Place::Beside(path),
        _ => {
            found.clear();
            Place::Worktree(path)
        }
    };
    let above = store.commits_above(head, Some(result))?;
    found.push(NewerCommits {
        task,
        branch,
        tip: head,
        count,
        since: result,
        place,
        apply: suggest::apply_commits(&above, result, head),
    });
    Ok(found)
}

/// Returns the last commit of a failed attempt.
fn left_by(has_failed: bool, attempt: &Attempt) -> Option<Oid> {
    let outcome = attempt.outcome.as_ref().filter(|_| has_failed)?;
    outcome.kept.or(attempt.base)
}

/// Returns the detached HEAD of a worktree with the number of its commits that are neither in the
/// result nor on a branch; `None` if there are none.
fn on_no_branch(
    store: &Store,
    path: &Path,
    result: Oid,
) -> Result<Option<(Oid, usize)>, EngineError> {
    if !path.join(".git").exists() {
        return Ok(None);
    }
    let worktree = store.repo().find_worktree(path);
    let Some(Head::Detached(head)) = worktree.as_ref().and_then(Worktree::head) else {
        return Ok(None);
    };
    if head.is_zero() || store.is_ancestor(head, result)? {
        return Ok(None);
    }
    let (head_name, result) = (head.to_string(), format!("^{result}"));
    let count = store.repo().git().line(&[
        "rev-list",
        "--count",
        &head_name,
        &result,
        "--not",
        "--branches",
        "--tags",
        "--remotes",
    ])?;
    let count = count.trim().parse().unwrap_or(0);
    Ok((count > 0).then_some((head, count)))
}

/// Returns `true` unless a branch has these commits, or others with the same changes.
fn is_missing(git: &Git, target: Oid, newer: &NewerCommits) -> Result<bool, GitError> {
    let [target, tip, since] = [target, newer.tip, newer.since].map(|commit| commit.to_string());
    let compared = git.line(&["cherry", &target, &tip, &since])?;
    Ok(compared.lines().any(|line| line.starts_with('+')))
}

/// Adds the commits that [`newer_commits`] finds to the view of a run.
///
/// # Errors
/// When the store or git cannot read them.
pub fn note_newer_commits(
    store: &Store,
    state: &RunState,
    view: &mut BoardView,
) -> Result<(), EngineError> {
    for NewerCommits {
        task, tip, count, ..
    } in newer_commits(store, state)?
    {
        let rows = view.tasks.iter_mut();
        for row in rows.filter(|row| row.number == task) {
            row.newer_commits.get_or_insert(NewerRow { count, tip });
        }
    }
    Ok(())
}

/// Returns the branch of a task from that of an attempt, which may be the branch of a variant. No
/// task's name has a dot.
fn task_branch(attempt: &str) -> String {
    let (run, name) = attempt.rsplit_once('/').unwrap_or(("", attempt));
    let slug = name.split('.').next().unwrap_or(name);
    format!("{run}/{slug}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_of_a_variant_leads_to_that_of_its_task() {
        for attempt in ["my.prefix/p-7k3q/api", "my.prefix/p-7k3q/api.v2"] {
            assert_eq!(task_branch(attempt), "my.prefix/p-7k3q/api");
        }
    }
}
