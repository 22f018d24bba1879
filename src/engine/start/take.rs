//! Takes the commits that the user made on the branch of a passed task, as its new result.

use std::path::{Path, PathBuf};

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::candidates::newer_commits::{NewerCommits, Place, newer_commits_of};
use crate::engine::kernel::context::Context;
use crate::engine::start::retry::{RetryError, refuse_retry};
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::remove::unsaved_changes;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::run::RunState;

/// The reason for which the commits on a task's branch cannot be taken. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The result contains everything on the branch.
    #[error("{0} has no commit on its branch {1} that is not in its result")]
    NothingNewer(TaskNumber, String),
    /// The worktree has changes that are in no commit.
    #[error("the worktree of {0} {1}")]
    Uncommitted(TaskNumber, String, PathBuf),
    /// The branch is checked out in a worktree that does not belong to the run.
    #[error("the branch {1} of {0} is checked out in {place}", place = .2.display())]
    CheckedOut(TaskNumber, String, PathBuf),
    /// The worktree is at another commit than the tip of the branch.
    #[error("the worktree of {0} is not at the tip of its branch {1}")]
    Elsewhere(TaskNumber, String, PathBuf),
    /// The task cannot be judged again now.
    #[error(transparent)]
    Retry(RetryError),
    /// The engine failed.
    #[error(transparent)]
    Engine(Box<EngineError>),
}

impl<E: Into<EngineError>> From<E> for TakeError {
    fn from(error: E) -> TakeError {
        TakeError::Engine(Box::new(error.into()))
    }
}

impl TakeError {
    /// Suggests a remedy.
    pub fn hint(&self) -> Option<String> {
        match self {
            TakeError::NothingNewer(_, branch) => Some(format!(
                "commit on {branch} first; `git log {branch}` shows it"
            )),
            TakeError::Uncommitted(_, _, place) => Some(format!(
                "commit or discard them: `git -C {} status`",
                shell_path(place)
            )),
            TakeError::CheckedOut(_, _, place) => Some(format!(
                "leave it there first: `git -C {} switch --detach`",
                shell_path(place)
            )),
            TakeError::Elsewhere(_, branch, place) => Some(format!(
                "`git -C {} switch {branch}` takes it there",
                shell_path(place)
            )),
            TakeError::Retry(_) | TakeError::Engine(_) => None,
        }
    }
}

/// Returns the event with which the next attempt at a task offers the tip of its branch, instead of
/// starting a worker: its checks run, and it becomes the task's result if they pass.
///
/// # Errors
/// When there is nothing to take, or the task's worktree is not at that tip.
pub fn take(context: &Context, state: &RunState, task: TaskNumber) -> Result<Event, TakeError> {
    refuse_retry(state, &context.settings, task, None).map_err(TakeError::Retry)?;
    let store = Store::open(&context.repo)?;
    let newer = newer_commits_of(&store, state, task)?.into_iter().next();
    let newer = newer.ok_or_else(|| TakeError::NothingNewer(task, context.branch(task)))?;
    // Commits on no branch are in the worktree of the attempt with the result.
    let attempt = match newer.place {
        Place::Worktree(_) => state.task(task).deciding_attempt(),
        _ => state.task(task).shown_attempt(),
    };
    let path = attempt.map(|attempt| context.recorded_worktree(&attempt.worktree));
    let path = path.unwrap_or_else(|| context.worktree_path(task, 1));
    match context.repo.find_worktree(&path).filter(Worktree::exists) {
        Some(worktree) => {
            let number = attempt.map(|attempt| attempt.number);
            refuse_other_content(context, &store, &newer, &worktree, number)?;
        }
        None => check_out(context, &newer, &path)?,
    }
    let mut picked = None;
    if newer.place != Place::Branch {
        move_branch(context, &store, &newer, attempt)?;
        picked = attempt.map(|attempt| attempt.number);
    }
    Ok(Event::RetryRequested {
        task,
        extra_prompt: None,
        new_prompt: None,
        worker: None,
        continue_session: false,
        by_hand: Some(newer.tip),
        attempt: picked,
    })
}

/// Refuses a worktree with other files than the branch has. The commits in its submodules are carried
/// into their stores first, as those of a worker are.
fn refuse_other_content(
    context: &Context,
    store: &Store,
    newer: &NewerCommits,
    worktree: &Worktree,
    attempt: Option<AttemptNumber>,
) -> Result<(), TakeError> {
    let (task, branch, place) = (newer.task, &newer.branch, &worktree.path);
    let is_at_tip = match worktree.head() {
        Some(Head::Branch(found)) => found == *branch,
        Some(Head::Detached(found)) => found == newer.tip,
        None => false,
    };
    let mut places = context.repo.checkouts_of(branch).into_iter();
    if let Some(other) = places.find(|other| !is_at_tip && other != place) {
        return Err(TakeError::CheckedOut(task, branch.clone(), other));
    }
    if !is_at_tip {
        return Err(TakeError::Elsewhere(task, branch.clone(), place.clone()));
    }
    if let Some(attempt) = attempt {
        let references = context.nested_refs(task, attempt);
        context.repo.carry_all(worktree, &references)?;
    }
    match unsaved_changes(context, store, worktree)? {
        Some(what) => Err(TakeError::Uncommitted(task, what, place.clone())),
        None => Ok(()),
    }
}

/// Moves the branch to commits that were made in the worktree on no branch. The commits that it had
/// stay reachable.
fn move_branch(
    context: &Context,
    store: &Store,
    newer: &NewerCommits,
    attempt: Option<&Attempt>,
) -> Result<(), TakeError> {
    let (task, branch) = (newer.task, &newer.branch);
    if let Some(place) = context.repo.checkouts_of(branch).into_iter().next() {
        return Err(TakeError::CheckedOut(task, branch.clone(), place));
    }
    let name = branch_ref(branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    if !old.is_zero() && !store.is_ancestor(old, newer.tip)? {
        let number = attempt.map_or(1, |attempt| attempt.number);
        keep(store, &context.attempt_ref(task, number), old)?;
    }
    Ok(store.move_reference(&name, old, newer.tip, "dispatch: taken from its worktree")?)
}

/// Checks the branch out again where its worktree was removed.
fn check_out(context: &Context, newer: &NewerCommits, path: &Path) -> Result<(), TakeError> {
    if let Some(place) = context.repo.checkouts_of(&newer.branch).into_iter().next() {
        return Err(TakeError::CheckedOut(
            newer.task,
            newer.branch.clone(),
            place,
        ));
    }
    let reason = format!("dispatch {}/{}", context.run, context.slug(newer.task));
    let head = Head::Branch(newer.branch.clone());
    context.repo.add_worktree(path, &head, &reason)?;
    Ok(())
}
