//! Keeps the work of an attempt that did not finish.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::private_folder::take_over;
use crate::engine::worktree::remains;
use crate::exec::kill_orphans;
use crate::git::Store;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// Kills the processes of a worker whose shim was killed, and keeps its work.
///
/// # Errors
/// When they cannot be killed, or the work cannot be kept.
pub(super) async fn keep_lost(
    execution: &Execution,
    base: Oid,
    worktree: Worktree,
) -> Result<Option<Oid>, EngineError> {
    fault::point("orphans", "before they are ended");
    let kill = |execution: &Execution| Ok(kill_orphans(&execution.worker_folder())?);
    execution.blocking(kill).await?;
    fault::point("orphans", "ended");
    keep_unfinished(execution, base, worktree).await
}

/// Keeps the work of an attempt that may not have been done.
///
/// # Errors
/// When it cannot be kept.
pub(super) async fn keep_unfinished(
    execution: &Execution,
    base: Oid,
    worktree: Worktree,
) -> Result<Option<Oid>, EngineError> {
    let keep = move |execution: &Execution| {
        take_over(execution, &worktree)?;
        let (context, spec) = (&execution.context, &execution.spec);
        let store = Store::open(&context.repo)?;
        let of = (spec.task, spec.attempt);
        let remains = remains::keep_remains(context, &store, of.0, of.1, base, &worktree)?;
        Ok(remains.commit)
    };
    execution.blocking(keep).await
}
