//! Opens a run for landing or for undoing it, as the one process that may move its target.

use jiff::Timestamp;

use crate::base::clock::Clock;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::{Context, local_context};
use crate::engine::land::commit::{LandContent, merge};
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::engine::land::move_target::{finish, move_target};
use crate::engine::land::reintegrate::reintegrate;
use crate::engine::land::target::LandTarget;
use crate::engine::land::{LandOptions, PreparedMove};
use crate::engine::runs::load::{free_references, free_target, load};
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::integration::Landing;
use crate::model::run::RunState;

/// A run whose target only this process may move.
pub struct LandSession {
    /// The state of the run.
    pub state: RunState,
    /// Its context.
    pub context: Context,
    /// Its journal.
    pub journal: Journal,
    /// The lock on its target.
    pub lock: LandLock,
    /// The time of opening.
    pub now: Timestamp,
    /// Cancels the checks of [`LandSession::content`].
    pub cancel: CancelHandle,
    clock: Clock,
    _run_lock: RunLock,
}

impl LandSession {
    /// Opens a run under its lock. Processes of an earlier landing are waited for, after a call of
    /// `waits`, and its locks are removed, so that the state does not change afterwards.
    ///
    /// # Errors
    /// When the run cannot be read or locked.
    pub fn open(
        (repo, store): (&Repo, &Store),
        run: &RunId,
        run_lock: RunLock,
        clock: Clock,
        waits: impl FnOnce(),
    ) -> Result<LandSession, EngineError> {
        let lock = LandLock::take(repo, run, waits)?;
        let loaded = load(store, run)?;
        free_references(repo, run, &loaded.settings)?;
        free_target(repo, &loaded.state)?;
        let journal = Journal::reopen(repo, &loaded.replayed)?;
        let context = local_context(repo, &loaded.state, loaded.settings, clock)?;
        Ok(LandSession {
            now: clock.now(),
            state: loaded.state,
            context,
            journal,
            lock,
            cancel: CancelHandle::default(),
            clock,
            _run_lock: run_lock,
        })
    }

    /// Records an event.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn record(&mut self, event: Event) -> Result<(), EngineError> {
        self.journal.append(vec![event], self.clock.now())?;
        Ok(())
    }

    /// Returns the content of a landing: the assembled result, or its merge onto a target that has
    /// moved, which runs the checks again.
    ///
    /// # Errors
    /// When the two conflict, or a check fails.
    pub fn content(
        &self,
        target: &LandTarget,
        options: &LandOptions,
    ) -> Result<LandContent, LandError> {
        match target.has_moved {
            false => merge(&self.context, target, options.method),
            true => reintegrate(&self.context, &self.state, target, options, &self.cancel),
        }
    }

    /// Finds a landing that moved the target but was interrupted before it was recorded. One that
    /// was interrupted after the files had moved, and before the branch, is finished first.
    ///
    /// # Errors
    /// When the store cannot be read, or the branch cannot move.
    pub fn unrecorded(&self, store: &Store) -> Result<Option<Landing>, LandError> {
        let pending = self.state.pending_landing.as_ref();
        let Some(landing) = pending.filter(|_| self.state.landed.is_none()) else {
            return Ok(None);
        };
        let found = store.reference(&branch_ref(&landing.target)).ok().flatten();
        let is_there = match found {
            Some(found) if found == landing.from => finish(&self.context, &self.lock, landing)?,
            Some(found) => store.is_ancestor(landing.to, found)?,
            None => false,
        };
        Ok(is_there.then(|| landing.clone()))
    }

    /// Announces the landing, moves the target, and records the landing.
    ///
    /// # Errors
    /// When the target could not move.
    pub fn land(&mut self, prepared: &PreparedMove) -> Result<(), LandError> {
        let landing = prepared.landing.clone();
        self.record(Event::LandingStarting {
            landing: landing.clone(),
        })?;
        move_target(&self.context, &self.lock, prepared)?;
        Ok(self.record(Event::Landed { landing })?)
    }
}
