//! Gives the worktree of a finished run back to the pool, instead of removing it.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::pool::prepare::has_pool;
use crate::engine::pool::reset::reset;
use crate::engine::pool::take_back::reason_to_stay;
use crate::engine::pool::template::is_template;
use crate::engine::pool::written_files::WrittenFiles;
use crate::engine::worktree::remove::remove_with_inner;
use crate::engine::worktree::teardown::tear_down;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::Worktree;

/// Removes a worktree with those inside of it, of `all` worktrees of the repository; gives it back if it
/// is one of the pool. What may not be lost is kept already. Returns `true` if it was given back.
///
/// # Errors
/// As [`remove_with_inner`].
pub fn remove_or_give_back(
    context: &Context,
    worktree: &Worktree,
    all: &[Worktree],
) -> Result<bool, EngineError> {
    if let Some(entry) = context.repo.in_pool(&worktree.path)
        && returns(context, worktree, all)
    {
        tear_down(context, worktree)?;
        if give_back(context, &entry, worktree).is_ok() {
            return Ok(true);
        }
    }
    remove_with_inner(context, worktree, all)?;
    Ok(false)
}

/// Returns `true` for a worktree of the pool, unless it has something of its own that a reset does not reach.
pub fn returns(context: &Context, worktree: &Worktree, all: &[Worktree]) -> bool {
    if !has_pool(context) || context.repo.in_pool(&worktree.path).is_none() {
        return false;
    }
    let is_inner =
        |one: &Worktree| one.path != worktree.path && one.path.starts_with(&worktree.path);
    let submodules = context.repo.submodules_in(worktree);
    !all.iter().any(is_inner)
        && submodules.is_ok_and(|found| found.is_empty())
        && worktree.verify().is_ok()
}

/// Resets a worktree of the pool, and ends its lease. The caller has made sure that nothing can be lost.
///
/// # Errors
/// When another process has it, git fails, or files cannot be written.
fn give_back(context: &Context, entry: &PoolEntry, worktree: &Worktree) -> Result<(), EngineError> {
    let failed = |error| EngineError::File(entry.record.display().to_string(), error);
    let in_use = || EngineError::Refused(format!("{} is in use", entry.place.display()));
    let _lock = entry.try_lock().map_err(failed)?.ok_or_else(in_use)?;
    let to = WrittenFiles::read(entry).map_or(context.base, |written| written.commit);
    let to = match context
        .repo
        .with_store(|store| Ok::<_, EngineError>(store.has(to)))?
    {
        true => to,
        false => context.base,
    };
    reset(context, entry, worktree, to)?;
    worktree.unlock();
    entry.withdraw(&context.repo).map_err(failed)?;
    fault::point("pool", "given back");
    Ok(())
}

/// Returns `true` if the next attempt needs no new worktree: one of the pool is free, or was released and
/// can be reset. One that another process or a preparation holds does not count.
///
/// # Errors
/// When git or the store fails.
pub fn has_free(context: &Context) -> Result<bool, EngineError> {
    if !has_pool(context) {
        return Ok(false);
    }
    let repo = &context.repo;
    let all = repo.pool();
    let is_free = |entry: &&PoolEntry| {
        let is_free = entry.lease(repo).is_none()
            && entry.place.is_dir()
            && !is_template(&context.settings, entry);
        // One that is being prepared cannot be taken.
        let is_unlocked = || matches!(entry.try_lock(), Ok(Some(_)));
        is_free && WrittenFiles::read(entry).is_some() && is_unlocked()
    };
    if all.iter().any(|entry| is_free(&entry)) {
        return Ok(true);
    }
    for entry in all.iter().filter(|entry| entry.is_released()) {
        if let Ok(Some(_lock)) = entry.try_lock()
            && entry.is_released()
            && let Some(worktree) = repo.find_worktree(&entry.place)
            && reason_to_stay(context, &worktree)?.is_none()
        {
            return Ok(true);
        }
    }
    Ok(false)
}
