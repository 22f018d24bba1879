//! Reads a run again and again while another process drives it.

use std::time::{Duration, Instant};

use crate::engine::EngineError;
use crate::engine::runs::read::StateReader;
use crate::git::{Repo, Store};
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};

/// The pause between two reads of the journal.
const INTERVAL: Duration = Duration::from_millis(100);

/// The longest time without a driver, while one process hands the run to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// A run that cannot be polled.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The run has not ended, and no process drives it.
    #[error("{} is interrupted: no process drives it", .0)]
    Abandoned(RunId),
    /// The run cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads the state of a run until it ends.
#[derive(Debug)]
pub struct Poll<'a> {
    repo: &'a Repo,
    run: &'a RunId,
    reader: StateReader<'a>,
    last_driven: Instant,
    is_first: bool,
}

impl<'a> Poll<'a> {
    /// Starts to poll.
    pub fn new(repo: &'a Repo, store: &'a Store, run: &'a RunId) -> Poll<'a> {
        Poll {
            repo,
            run,
            reader: StateReader::new(repo, store, run),
            last_driven: Instant::now(),
            is_first: true,
        }
    }

    /// Returns the state; every call but the first waits for a moment.
    ///
    /// # Errors
    /// When the run cannot be read, or has not ended and no process drives it.
    pub fn next(&mut self) -> Result<&RunState, PollError> {
        if !self.is_first {
            std::thread::sleep(INTERVAL);
        }
        self.is_first = false;
        // The lock comes first: a run that ends in between is read as ended.
        if RunLock::is_held(self.repo, self.run) {
            self.last_driven = Instant::now();
        }
        let state = self.reader.read()?;
        let is_abandoned = self.last_driven.elapsed() > HANDOVER;
        match state.phase {
            RunPhase::Ended(_) => Ok(state),
            _ if is_abandoned => Err(PollError::Abandoned(self.run.clone())),
            _ => Ok(state),
        }
    }
}
