//! What a process that takes a run up again finds in the world, compared with the journal; and what
//! it makes again before the loop goes on.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::publish::board_of;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::recovery::{Finding, Found};
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState};

/// Looks at everything the journal speaks of. Nothing is changed.
///
/// # Errors
/// When references or the records of an attempt cannot be read.
pub fn survey(context: &Context, state: &RunState) -> Result<Vec<Found>, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut found = Vec::new();
    for task in state.plan.tasks() {
        let now = state.task(task.number);
        let what = match (&now.phase, now.last_attempt()) {
            (TaskPhase::Running, Some(attempt)) => alive(context, task.number, attempt)?,
            _ => at_rest(now),
        };
        found.push(Found::of(task.number, what));
        if let Some(branch) = missing_branch(context, &store, state, task.number)? {
            found.push(Found {
                name: branch,
                ..Found::of(task.number, Finding::BranchGone)
            });
        }
    }
    found.extend(look_at_board(context, &store, state)?);
    Ok(found)
}

fn at_rest(task: &TaskState) -> Finding {
    let was_cut = || matches!(task.last_outcome(), Some(o) if o.end == End::Interrupted {});
    match task.phase {
        TaskPhase::Done => Finding::Done,
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => Finding::Failed,
        TaskPhase::RetryAt(_) => Finding::RetryDue,
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => Finding::GivenUp,
        TaskPhase::Queued if was_cut() => Finding::Interrupted,
        TaskPhase::Queued | TaskPhase::Running => Finding::Waiting,
    }
}

/// What became of an attempt of which the journal knows no end.
fn alive(context: &Context, task: TaskNumber, attempt: &Attempt) -> Result<Finding, EngineError> {
    let folder = worker_folder(context, task, attempt.number);
    let status = context.executor.status(&folder)?;
    let path = context.recorded_worktree(&attempt.worktree);
    let worktree = context.repo.find_worktree(&path);
    let is_there = worktree.as_ref().is_some_and(Worktree::exists);
    Ok(match status {
        JobStatus::Absent => Finding::NotStarted,
        _ if !is_there => Finding::WorktreeGone,
        JobStatus::Alive => Finding::Alive,
        JobStatus::Ended(_) => Finding::Ended,
        JobStatus::Lost => Finding::Lost,
    })
}

/// The branch of a task that offers a candidate, if nobody has it any more.
fn missing_branch(
    context: &Context,
    store: &Store,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<String>, EngineError> {
    let branch = context.branch(task);
    let is_wanted = state.task(task).candidate().is_some();
    let is_gone = is_wanted && store.reference(&branch_ref(&branch))?.is_none();
    Ok(is_gone.then_some(branch))
}

fn look_at_board(
    context: &Context,
    store: &Store,
    state: &RunState,
) -> Result<Option<Found>, EngineError> {
    let branch = context.integration_branch();
    let has_attempts = state.tasks.iter().any(|task| !task.attempts.is_empty());
    let tip = state.integration.as_ref().and_then(|found| found.tip);
    let what = match store.reference(&branch_ref(&branch))? {
        None if tip.is_some() => Finding::IntegrationGone,
        None if has_attempts => Finding::BoardGone,
        None => return Ok(None),
        Some(at) if board_of(context, store, state, at)? => return Ok(None),
        Some(_) => Finding::BoardBehind,
    };
    Ok(Some(Found::named(what, branch)))
}

/// Makes the references again that somebody deleted and whose commits the journal keeps. The board
/// is left to the loop, which publishes it anyway.
///
/// # Errors
/// When a reference cannot be made, or came back meanwhile.
pub fn make_again(context: &Context, state: &RunState, found: &[Found]) -> Result<(), EngineError> {
    let store = Store::open(&context.repo)?;
    fault::point("taking up", "before references are made again");
    for one in found {
        let commit = match (one.what, one.task) {
            (Finding::BranchGone, Some(task)) => state.task(task).candidate(),
            (Finding::IntegrationGone, _) => state.integration.as_ref().and_then(|i| i.tip),
            _ => None,
        };
        if let Some(commit) = commit {
            let why = "dispatch: made again from the journal";
            let zero = crate::merge::oid::Oid::ZERO;
            store.move_reference(&branch_ref(&one.name), zero, commit, why)?;
        }
    }
    Ok(())
}
