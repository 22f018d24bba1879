//! Sets a free worktree of the pool up before an attempt asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::fault;
use crate::base::removal::remove_own_folder;
use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::pool::reset::reset;
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::pool::use_mark::begin_set_up;
use crate::engine::worktree::command_log::{log_folders, pool_set_up_folder};
use crate::engine::worktree::populate::{EarlierUse, Population, links_in};
use crate::engine::worktree::purpose::Purpose;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::exec::{Executor, JobStatus, StopSignal};
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::Worktree;

/// The result of a set-up ahead of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SetUpAhead {
    /// The worktree is set up.
    Done,
    /// Set-up has failed, or makes more than is kept: it runs for every attempt.
    ForEveryAttempt,
    /// It was cancelled. The worktree has to be reset.
    Cancelled,
}

/// Runs the set-up in a free worktree at the base of the run, and resets it, so that only the kept folders
/// have what it made. The caller has the lock of the record.
///
/// # Errors
/// When git or the store fails, or a process cannot be started.
pub(super) async fn set_up_ahead(
    context: &Arc<Context>,
    entry: &PoolEntry,
    worktree: &Worktree,
    mark: &SetUpMark,
    cancel: &CancelHandle,
) -> Result<SetUpAhead, EngineError> {
    let logs = pool_set_up_folder(&entry.record);
    remove_own_folder(&logs, 2)
        .map_err(|error| EngineError::File(logs.display().to_string(), error))?;
    begin_set_up(entry)
        .map_err(|error| EngineError::File(entry.record.display().to_string(), error))?;
    fault::point("pool ahead", "before its set-up");
    let base = context.base;
    let tree = context.repo.with_store(|store| store.tree_of(base))?;
    let population = Population {
        context,
        purpose: Purpose::Pool(&entry.record),
        worktree,
        tree,
        cancel,
        earlier: EarlierUse::Folders,
    };
    let failed = population.populate().await?;
    fault::point("pool ahead", "after its set-up");
    if cancel.is_cancelled() {
        return Ok(SetUpAhead::Cancelled);
    }
    let (context, entry, worktree) = (Arc::clone(context), entry.clone(), worktree.clone());
    let mark = mark.clone();
    blocking(move || {
        if failed.is_none() {
            let links = links_in(&context, &worktree.path);
            context
                .repo
                .with_store(|store| StartingTree::record(store, &worktree, tree, &links))?;
            mark.put_on(&context, &entry, &worktree)?;
        }
        reset_free(&context, &entry, &worktree)?;
        Ok(match mark.is_on(&entry) {
            true => SetUpAhead::Done,
            false => SetUpAhead::ForEveryAttempt,
        })
    })
    .await
}

/// Resets a worktree in which set-up ran ahead of an attempt. The caller has the lock of the record.
///
/// # Errors
/// When git fails, or a file cannot be written or removed.
pub(super) fn reset_free(
    context: &Context,
    entry: &PoolEntry,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    reset(context, entry, worktree, context.base)?;
    worktree.unlock();
    Ok(())
}

/// Lists the folders of the set-up commands that run in a free worktree whose process was killed.
pub(super) fn live_set_up(executor: &dyn Executor, entry: &PoolEntry) -> Vec<PathBuf> {
    let is_alive = |folder: &PathBuf| matches!(executor.status(folder), Ok(JobStatus::Alive));
    let folders = log_folders(&pool_set_up_folder(&entry.record)).into_iter();
    folders.filter(is_alive).collect()
}

/// Kills the set-up commands that run in a free worktree whose process was killed. Returns `true` if there
/// were any: the worktree cannot be used before they are gone.
pub(super) fn kill_left_set_up(executor: &dyn Executor, entry: &PoolEntry) -> bool {
    let alive = live_set_up(executor, entry);
    for folder in &alive {
        if let Ok(running) = executor.adopt(folder) {
            running.stopper().stop(StopSignal::Kill);
        }
    }
    !alive.is_empty()
}
