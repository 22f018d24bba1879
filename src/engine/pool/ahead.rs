//! Prepares worktrees of the pool before an attempt asks for them: at the base of the run, after set-up.

use std::io;
use std::sync::Arc;

use crate::base::fault;
use crate::config::pool_size::PoolSize;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::kernel::message::Prepared;
use crate::engine::pool::movement::Movement;
use crate::engine::pool::prepare::{has_pool, new_places};
use crate::engine::pool::set_up_ahead::{SetUpAhead, kill_left_set_up, reset_free, set_up_ahead};
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::pool::use_mark::is_unfinished;
use crate::engine::pool::written_files::WrittenFiles;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::{Head, Worktree};

/// The reason of the lock of a worktree that is being made.
const REASON: &str = "dispatch pool";

/// The worktrees that are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The attempts that wait for a free slot.
    pub waiting: usize,
    /// Run the set-up in them.
    pub set_up: bool,
}

/// One round.
#[derive(Debug)]
pub struct Round {
    /// Its result.
    pub prepared: Prepared,
    /// Messages for the user.
    pub messages: Vec<String>,
    /// The worktree whose set-up was cancelled, for [`reset_cancelled`].
    pub cancelled: Option<Cancelled>,
}

/// A worktree whose set-up was cancelled.
#[derive(Debug)]
pub struct Cancelled(PoolEntry, Worktree);

/// Resets a worktree whose set-up this process has just cancelled.
///
/// # Errors
/// When git fails, or a file cannot be written or removed.
pub fn reset_cancelled(context: &Context, cancelled: &Cancelled) -> Result<(), EngineError> {
    let Cancelled(entry, worktree) = cancelled;
    let lock = entry.try_lock().map_err(|error| failed(entry, error))?;
    // Another run may have taken it.
    if lock.is_none() || entry.lease(&context.repo).is_some() {
        return Ok(());
    }
    reset_free(context, entry, worktree)
}

/// Prepares one worktree, if fewer are ready than attempts will need: a free one, one whose task has passed,
/// or a new one, if `may_add` allows it.
///
/// # Errors
/// When git or the store fails, or files cannot be written.
pub async fn prepare_one(
    context: &Arc<Context>,
    wanted: Wanted,
    may_add: impl FnOnce() -> bool,
    cancel: &CancelHandle,
) -> Result<Round, EngineError> {
    let mut round = Round {
        prepared: Prepared::Nothing,
        messages: Vec::new(),
        cancelled: None,
    };
    if !has_pool(context) {
        return Ok(round);
    }
    let has_set_up = wanted.set_up && !context.settings.worktree.setup.is_empty();
    let mark = match has_set_up {
        true => SetUpMark::of(context, context.base)?,
        false => None,
    };
    let mut ahead = Ahead {
        context,
        mark,
        movement: Movement::to(context, context.base),
    };
    let found = ahead.find(wanted.waiting, may_add)?;
    round.messages = std::mem::take(&mut ahead.movement.messages);
    let Some((entry, worktree)) = found else {
        return Ok(round);
    };
    round.prepared = Prepared::One;
    match ahead.set_up(&entry, &worktree, cancel).await? {
        SetUpAhead::Done => {}
        SetUpAhead::ForEveryAttempt => round.prepared = Prepared::WithoutSetUp,
        SetUpAhead::Cancelled => round.cancelled = Some(Cancelled(entry, worktree)),
    }
    Ok(round)
}

/// The preparation of one worktree.
struct Ahead<'a> {
    context: &'a Arc<Context>,
    /// The mark of a worktree that is set up; `None` if set-up runs for every attempt, or there is none.
    mark: Option<SetUpMark>,
    movement: Movement<'a>,
}

impl Ahead<'_> {
    /// Finds a worktree, and moves it to the base.
    fn find(
        &mut self,
        waiting: usize,
        may_add: impl FnOnce() -> bool,
    ) -> Result<Option<(PoolEntry, Worktree)>, EngineError> {
        let repo = &self.context.repo;
        let all = repo.pool();
        let is_leased = |entry: &&PoolEntry| entry.lease(repo).is_some();
        let (leased, free): (Vec<_>, Vec<_>) = all.iter().partition(is_leased);
        let (released, held): (Vec<_>, Vec<_>) =
            leased.into_iter().partition(|entry| entry.is_released());
        let spares = match self.context.settings.worktree.pool {
            PoolSize::Off => 0,
            PoolSize::Auto => waiting.min(1),
            PoolSize::Most(most) => waiting.min(most.saturating_sub(held.len())),
        };
        let (ready, others): (Vec<_>, Vec<_>) = free.iter().partition(|entry| self.is_ready(entry));
        if ready.len() >= spares {
            return Ok(None);
        }
        for entry in others.into_iter().copied().chain(released) {
            if let Some(worktree) = self.move_to_base(entry)? {
                return Ok(Some((entry.clone(), worktree)));
            }
        }
        if self.may_have(all.len()) && may_add() {
            return self.add(all.len());
        }
        Ok(None)
    }

    /// Returns `true` for a free worktree that an attempt can have at once.
    fn is_ready(&self, entry: &PoolEntry) -> bool {
        let is_at_base =
            || WrittenFiles::read(entry).is_some_and(|found| found.commit == self.context.base);
        let is_set_up = || self.mark.as_ref().is_none_or(|mark| mark.is_on(entry));
        is_at_base() && is_set_up()
    }

    /// Returns `true` if the pool may have one more. Without anything in the kept folders, a new worktree
    /// is worth less than one that a task has left, and there will be one as soon as a task ends.
    fn may_have(&self, count: usize) -> bool {
        let settings = &self.context.settings.worktree;
        match settings.pool {
            PoolSize::Off => false,
            PoolSize::Auto => settings.keep.is_empty() || self.mark.is_some(),
            PoolSize::Most(most) => count < most,
        }
    }

    /// Makes a worktree free and moves it to the base, unless it is in use or has work in it.
    fn move_to_base(&mut self, entry: &PoolEntry) -> Result<Option<Worktree>, EngineError> {
        let repo = &self.context.repo;
        let Some(_lock) = entry.try_lock().map_err(|error| failed(entry, error))? else {
            return Ok(None);
        };
        if entry.lease(repo).is_some() && !entry.is_released() {
            return Ok(None);
        }
        let found = repo.find_worktree(&entry.place);
        let Some(worktree) = found.filter(|found| found.path.is_dir()) else {
            return Ok(None);
        };
        if kill_left_set_up(self.context.executor.as_ref(), entry) {
            return Ok(None);
        }
        if is_unfinished(repo, entry) {
            repo.remove_worktree(&worktree)?;
            return Ok(None);
        }
        match self.movement.make_ready(entry, &worktree) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
            // An attempt that wants it says why it cannot be used.
            Err(_) => return Ok(None),
        }
        fault::point("pool ahead", "at the base");
        worktree.unlock();
        entry.withdraw(repo).map_err(|error| failed(entry, error))?;
        fault::point("pool ahead", "free");
        Ok(Some(worktree))
    }

    /// Adds a free worktree.
    fn add(&self, count: usize) -> Result<Option<(PoolEntry, Worktree)>, EngineError> {
        let (repo, base) = (&self.context.repo, self.context.base);
        for place in new_places(self.context, count) {
            let added = repo.add_to_pool(&place);
            let added =
                added.map_err(|error| EngineError::File(place.display().to_string(), error))?;
            let Some((entry, _lock)) = added else {
                continue;
            };
            fault::point("pool ahead", "with a new record");
            let made = repo.add_worktree(&place, &Head::Detached(base), REASON);
            let worktree = match made {
                Ok(worktree) => worktree,
                Err(error) => {
                    // Nothing was made.
                    let _ = repo.remove_from_pool(&entry);
                    return Err(error.into());
                }
            };
            fault::point("pool ahead", "with a new worktree");
            WrittenFiles::record(self.context, &entry, &worktree, base)?;
            worktree.unlock();
            fault::point("pool ahead", "new and free");
            return Ok(Some((entry, worktree)));
        }
        Ok(None)
    }

    /// Sets a free worktree up, if set-up is not the same for every attempt.
    async fn set_up(
        &self,
        entry: &PoolEntry,
        worktree: &Worktree,
        cancel: &CancelHandle,
    ) -> Result<SetUpAhead, EngineError> {
        let Some(mark) = self.mark.as_ref().filter(|_| !cancel.is_cancelled()) else {
            return Ok(SetUpAhead::Done);
        };
        // An attempt may have taken it meanwhile: none waits for a set-up.
        let lock = entry.try_lock().map_err(|error| failed(entry, error))?;
        if lock.is_none() || entry.lease(&self.context.repo).is_some() || mark.is_on(entry) {
            return Ok(SetUpAhead::Done);
        }
        let result = set_up_ahead(self.context, entry, worktree, mark, cancel).await?;
        fault::point("pool ahead", "set up");
        Ok(result)
    }
}

fn failed(entry: &PoolEntry, error: io::Error) -> EngineError {
    EngineError::File(entry.record.display().to_string(), error)
}
