//! Reconciles the journal with the repository when a run resumes.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::publish::board_of;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState};

/// Compares everything that the journal names with the repository, without changing anything.
///
/// # Errors
/// When references or the records of an attempt cannot be read.
pub fn inspect(context: &Context, state: &RunState) -> Result<Vec<Finding>, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut found = Vec::new();
    for task in state.plan.tasks() {
        let now = state.task(task.number);
        let live = now.live_attempts();
        let open = live.map(|attempt| open_attempt(context, task.number, attempt));
        let mut open = open.collect::<Result<Vec<FindingKind>, EngineError>>()?;
        if open.is_empty() {
            open.push(closed_task(now));
        }
        found.extend(open.into_iter().map(|what| Finding::of(task.number, what)));
        if let Some(branch) = missing_branch(context, &store, state, task.number)? {
            found.push(Finding {
                name: branch,
                ..Finding::of(task.number, FindingKind::BranchGone)
            });
        }
    }
    found.extend(inspect_board(context, &store, state)?);
    Ok(found)
}

fn closed_task(task: &TaskState) -> FindingKind {
    let was_interrupted = || matches!(task.outcome(), Some(o) if o.end == End::Interrupted {});
    match task.phase {
        TaskPhase::Done => FindingKind::Done,
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => FindingKind::Failed,
        TaskPhase::RetryAt(_) => FindingKind::RetryDue,
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => FindingKind::GivenUp,
        TaskPhase::Queued if was_interrupted() => FindingKind::Interrupted,
        TaskPhase::Queued | TaskPhase::Running | TaskPhase::Choosing => FindingKind::Waiting,
    }
}

/// Finds the state of an attempt whose end is not in the journal.
fn open_attempt(
    context: &Context,
    task: TaskNumber,
    attempt: &Attempt,
) -> Result<FindingKind, EngineError> {
    if attempt.executor.is_some() {
        return Ok(FindingKind::Elsewhere);
    }
    let folder = worker_folder(context, task, attempt.number);
    let status = context.executor.status(&folder)?;
    let path = context.recorded_worktree(&attempt.worktree);
    let worktree = context.repo.find_worktree(&path);
    let exists = worktree.as_ref().is_some_and(Worktree::exists);
    Ok(match status {
        JobStatus::Absent => FindingKind::NotStarted,
        _ if !exists => FindingKind::WorktreeGone,
        JobStatus::Alive => FindingKind::Alive,
        JobStatus::Ended(_) => FindingKind::Ended,
        JobStatus::Lost => FindingKind::Lost,
    })
}

/// Returns the branch of a task with a candidate, if it is missing.
fn missing_branch(
    context: &Context,
    store: &Store,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<String>, EngineError> {
    let branch = context.branch(task);
    let has_candidate = state.task(task).candidate().is_some();
    let is_missing = has_candidate && store.reference(&branch_ref(&branch))?.is_none();
    Ok(is_missing.then_some(branch))
}

fn inspect_board(
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

/// Restores missing branches whose commits the journal keeps. The loop publishes the board anyway.
///
/// # Errors
/// When a reference cannot be written, or exists again in the meantime.
pub fn restore_references(
    context: &Context,
    state: &RunState,
    found: &[Finding],
) -> Result<(), EngineError> {
    let store = Store::open(&context.repo)?;
    fault::point("resuming", "before references are restored");
    for one in found {
        if let Some(commit) = missing_commit(state, one) {
            let why = "dispatch: restored from the journal";
            store.move_reference(&branch_ref(&one.name), Oid::ZERO, commit, why)?;
        }
    }
    Ok(())
}

/// Returns the commit that a missing branch had.
pub(super) fn missing_commit(state: &RunState, found: &Finding) -> Option<Oid> {
    match (found.kind, found.task) {
        (FindingKind::BranchGone, Some(task)) => state.task(task).candidate(),
        (FindingKind::IntegrationGone, _) => state.integration.as_ref()?.tip,
        _ => None,
    }
}
