//! Adopts or stops the worker of an attempt that another process started.

use crate::engine::EngineError;
use crate::engine::attempt::execution::{Execution, Reached};
use crate::engine::attempt::job::recorded_base;
use crate::engine::attempt::keep::{keep_lost, keep_unfinished};
use crate::engine::attempt::private_folder::take_over;
use crate::engine::attempt::watch::{RunningWorker, watch};
use crate::engine::commands::runner;
use crate::engine::worktree::setup::end_set_up;
use crate::exec::JobStatus;
use crate::git::worktree::Worktree;

/// Watches the worker of an attempt until it ends, if there is one.
///
/// # Errors
/// When its records cannot be read, or its work cannot be kept.
pub(super) async fn adopt_worker(execution: &Execution) -> Result<Reached, EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    let folder = execution.worker_folder();
    let found = context.repo.find_worktree(&spec.worktree);
    let worktree = found.clone().filter(Worktree::exists);
    let (Some(base), Some(worktree)) = (recorded_base(&execution.folder()), worktree) else {
        // The worktree was removed or never created, so its worker's changes are lost.
        runner::end_job(context, &folder).await?;
        // git may prune the entry of a missing folder at any time.
        if let Some(gone) = found {
            gone.unlock();
            execution
                .blocking(move |execution| take_over(execution, &gone))
                .await?;
        }
        return Ok(Reached::Aborted(None));
    };
    match context.executor.status(&folder)? {
        JobStatus::Absent => {
            execution
                .blocking(move |execution| take_over(execution, &worktree))
                .await?;
            end_set_up(context, spec).await?;
            Ok(Reached::Aborted(None))
        }
        JobStatus::Lost => {
            let kept = keep_lost(execution, base, worktree).await?;
            Ok(Reached::Aborted(kept))
        }
        JobStatus::Alive | JobStatus::Ended(_) => {
            execution.post_started(base);
            let running = context.executor.adopt(&folder)?;
            let worker = RunningWorker {
                running,
                base,
                worktree,
            };
            watch(execution, worker).await
        }
    }
}

/// Stops the worker of an attempt and keeps its work.
///
/// # Errors
/// When its records cannot be read, or its work cannot be kept.
pub(super) async fn stop_worker(execution: &Execution) -> Result<Reached, EngineError> {
    let context = &execution.context;
    runner::end_job(context, &execution.worker_folder()).await?;
    let found = context.repo.find_worktree(&execution.spec.worktree);
    let base = recorded_base(&execution.folder());
    match (base, found.filter(Worktree::exists)) {
        (Some(base), Some(worktree)) => {
            let kept = keep_unfinished(execution, base, worktree).await?;
            Ok(Reached::Aborted(kept))
        }
        _ => Ok(Reached::Aborted(None)),
    }
}
