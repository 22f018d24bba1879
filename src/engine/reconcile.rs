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
use crate::model::recovery::{Finding, FindingKind};
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState};

/// Looks at everything the journal speaks of. Nothing is changed.
///
/// # Errors
/// When references or the records of an attempt cannot be read.
pub fn survey(context: &Context, state: &RunState) -> Result<Vec<Finding>, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut found = Vec::new();
    for task in state.plan.tasks() {
        let now = state.task(task.number);
        let what = match (&now.phase, now.last_attempt()) {
            (TaskPhase::Running, Some(attempt)) => alive(context, task.number, attempt)?,
            _ => at_rest(now),
        };
        found.push(Finding::of(task.number, what));
        if let Some(branch) = missing_branch(context, &store, state, task.number)? {
            found.push(Finding {
                name: branch,
                ..Finding::of(task.number, FindingKind::BranchGone)
            });
        }
    }
    found.extend(look_at_board(context, &store, state)?);
    Ok(found)
}

fn at_rest(task: &TaskState) -> FindingKind {
    let was_cut = || matches!(task.outcome(), Some(o) if o.end == End::Interrupted {});
    match task.phase {
        TaskPhase::Done => FindingKind::Done,
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => FindingKind::Failed,
        TaskPhase::RetryAt(_) => FindingKind::RetryDue,
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => FindingKind::GivenUp,
        TaskPhase::Queued if was_cut() => FindingKind::Interrupted,
        TaskPhase::Queued | TaskPhase::Running => FindingKind::Waiting,
    }
}

/// What became of an attempt of which the journal knows no end.
fn alive(
    context: &Context,
    task: TaskNumber,
    attempt: &Attempt,
) -> Result<FindingKind, EngineError> {
    let folder = worker_folder(context, task, attempt.number);
    let status = context.executor.status(&folder)?;
    let path = context.recorded_worktree(&attempt.worktree);
    let worktree = context.repo.find_worktree(&path);
    let is_there = worktree.as_ref().is_some_and(Worktree::exists);
    Ok(match status {
        JobStatus::Absent => FindingKind::NotStarted,
        _ if !is_there => FindingKind::WorktreeGone,
        JobStatus::Alive => FindingKind::Alive,
        JobStatus::Ended(_) => FindingKind::Ended,
        JobStatus::Lost => FindingKind::Lost,
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
) -> Result<Option<Finding>, EngineError> {
    let branch = context.integration_branch();
    let has_attempts = state.tasks.iter().any(|task| !task.attempts.is_empty());
    let tip = state.integration.as_ref().and_then(|found| found.tip);
    let what = match store.reference(&branch_ref(&branch))? {
        None if tip.is_some() => FindingKind::IntegrationGone,
        None if has_attempts => FindingKind::BoardGone,
        None => return Ok(None),
        Some(at) if board_of(context, store, state, at)? => return Ok(None),
        Some(_) => FindingKind::BoardBehind,
    };
    Ok(Some(Finding::named(what, branch)))
}

/// Makes the references again that somebody deleted and whose commits the journal keeps. The board
/// is left to the loop, which publishes it anyway.
///
/// # Errors
/// When a reference cannot be made, or came back meanwhile.
pub fn make_again(
    context: &Context,
    state: &RunState,
    found: &[Finding],
) -> Result<(), EngineError> {
    let store = Store::open(&context.repo)?;
    fault::point("taking up", "before references are made again");
    for one in found {
        let commit = match (one.kind, one.task) {
            (FindingKind::BranchGone, Some(task)) => state.task(task).candidate(),
            (FindingKind::IntegrationGone, _) => state.integration.as_ref().and_then(|i| i.tip),
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
