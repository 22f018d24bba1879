//! Prepares worktrees of the pool before an attempt asks for them: at the base of the run, after set-up.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::base::fault;
use crate::config::pool_size::PoolSize;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::kernel::message::Prepared;
use crate::engine::pool::copy::is_ready_to_copy;
use crate::engine::pool::movement::Movement;
use crate::engine::pool::prepare::{has_pool, make_worktree, new_places};
use crate::engine::pool::set_up_ahead::{SetUpAhead, kill_left_set_up, reset_free, set_up_ahead};
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::pool::template::{self, is_template};
use crate::engine::pool::use_mark::{is_of_another_run, is_unfinished, prepare_for};
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

/// Worktrees that cannot be made ready. They are not examined again for as long as the run goes on.
#[derive(Default, Debug)]
pub struct Unmovable(BTreeSet<(PathBuf, Option<PathBuf>)>);

/// One round.
#[derive(Debug)]
pub struct Round {
    /// Its result.
    pub prepared: Prepared,
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
/// or a new one, if `may_add` allows it. Messages for the user go to `say`, also before an error.
///
/// # Errors
/// When git or the store fails, or files cannot be written.
pub async fn prepare_one(
    context: &Arc<Context>,
    wanted: Wanted,
    may_add: impl Fn() -> bool,
    unmovable: &mut Unmovable,
    cancel: &CancelHandle,
    say: impl FnMut(String),
) -> Result<Round, EngineError> {
    let mut round = Round {
        prepared: Prepared::Nothing,
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
        unmovable,
        is_template: false,
    };
    let since = Instant::now();
    let found = ahead.find(wanted.waiting, may_add);
    ahead.movement.messages.drain(..).for_each(say);
    let Some((entry, worktree)) = found? else {
        return Ok(round);
    };
    round.prepared = Prepared::One;
    match ahead.set_up(&entry, &worktree, since, cancel).await? {
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
    unmovable: &'a mut Unmovable,
    /// The worktree that is prepared becomes the template.
    is_template: bool,
}

impl Ahead<'_> {
    /// Finds a worktree, and moves it to the base.
    fn find(
        &mut self,
        waiting: usize,
        may_add: impl Fn() -> bool,
    ) -> Result<Option<(PoolEntry, Worktree)>, EngineError> {
        let (repo, settings) = (&self.context.repo, &self.context.settings);
        let all = repo.pool();
        let (templates, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|entry| is_template(settings, entry));
        let is_leased = |entry: &&PoolEntry| entry.lease(repo).is_some();
        let (leased, free): (Vec<_>, Vec<_>) = others.into_iter().partition(is_leased);
        let (released, held): (Vec<_>, Vec<_>) =
            leased.into_iter().partition(|entry| entry.is_released());
        let count = free.len() + released.len() + held.len();
        let spares = match settings.worktree.pool {
            PoolSize::Off => 0,
            PoolSize::Auto => waiting.min(1),
            PoolSize::Most(most) => waiting.min(most.saturating_sub(held.len())),
        };
        let (ready, others): (Vec<_>, Vec<_>) =
            free.into_iter().partition(|entry| self.is_ready(entry));
        // It comes first, since the others are copies of it.
        if spares > 0 && self.lacks_template(&all, &templates)? {
            for entry in templates {
                if let Some(worktree) = self.move_to_base(entry)? {
                    self.is_template = true;
                    return Ok(Some((entry.clone(), worktree)));
                }
            }
            if may_add() {
                self.is_template = true;
                return self.add(all.len());
            }
        }
        if ready.len() >= spares {
            return Ok(None);
        }
        let run = &self.context.run;
        let is_ours = |entry: &&PoolEntry| !is_of_another_run(repo, entry, run);
        // What teardown takes down is set up again for every attempt, and commands of it may take long.
        let has_teardown = !settings.worktree.teardown.is_empty();
        let released = released.into_iter().filter(|_| !has_teardown);
        for entry in others.into_iter().filter(is_ours).chain(released) {
            if let Some(worktree) = self.move_to_base(entry)? {
                return Ok(Some((entry.clone(), worktree)));
            }
        }
        if self.may_have(count) && may_add() {
            return self.add(all.len());
        }
        Ok(None)
    }

    /// Returns `true` if new worktrees may be copies, but no template serves this run. Whether that is worth it
    /// was measured already if there was one with this set-up.
    fn lacks_template(
        &self,
        all: &[PoolEntry],
        templates: &[&PoolEntry],
    ) -> Result<bool, EngineError> {
        let (context, base) = (self.context, self.context.base);
        let Some(mark) = &self.mark else {
            return Ok(false);
        };
        for entry in templates {
            if is_ready_to_copy(context, entry, mark, base)? {
                return Ok(false);
            }
        }
        let is_known = templates.is_empty() && template::is_known(all, mark);
        Ok(!is_known && template::may_copy(&context.repo, &context.settings))
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
        let link = entry.lease(repo).map(|lease| lease.link);
        let known = (entry.record.clone(), link);
        if self.unmovable.0.contains(&known) {
            return Ok(None);
        }
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
            Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
            // An attempt that wants it says why it cannot be used.
            Ok(false) | Err(_) => {
                self.unmovable.0.insert(known);
                return Ok(None);
            }
        }
        fault::point("pool ahead", "at the base");
        worktree.unlock();
        let freed = entry.withdraw(repo).and_then(|()| self.take_note(entry));
        freed.map_err(|error| failed(entry, error))?;
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
            let head = Head::Detached(base);
            let worktree = match make_worktree(self.context, &entry, &head, REASON, base) {
                Ok(worktree) => worktree,
                Err(error) => {
                    if repo.find_worktree(&place).is_none() {
                        let _ = repo.remove_from_pool(&entry);
                    }
                    return Err(error);
                }
            };
            fault::point("pool ahead", "with a new worktree");
            self.take_note(&entry)
                .map_err(|error| failed(&entry, error))?;
            worktree.unlock();
            fault::point("pool ahead", "new and free");
            return Ok(Some((entry, worktree)));
        }
        Ok(None)
    }

    /// Records for whom a worktree is prepared.
    fn take_note(&self, entry: &PoolEntry) -> io::Result<()> {
        match self.is_template {
            // It serves every run.
            true => Ok(()),
            false => prepare_for(entry, &self.context.run, self.context.base),
        }
    }

    /// Sets a free worktree up, if set-up is not the same for every attempt.
    async fn set_up(
        &self,
        entry: &PoolEntry,
        worktree: &Worktree,
        since: Instant,
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
        template::forget(entry)?;
        let result = set_up_ahead(self.context, entry, worktree, mark, cancel).await?;
        fault::point("pool ahead", "set up");
        if result == SetUpAhead::Done && self.is_template {
            template::record(entry, mark, since.elapsed())?;
        }
        Ok(result)
    }
}

fn failed(entry: &PoolEntry, error: io::Error) -> EngineError {
    EngineError::File(entry.record.display().to_string(), error)
}
