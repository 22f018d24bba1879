//! Reads a run again and again while another process drives it.

use std::time::{Duration, Instant};

use crate::cli::error::CommandError;
use crate::cli::repo_context::RepoContext;
use crate::engine::runs::read::StateReader;
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;

/// The pause between two reads of the journal.
const INTERVAL: Duration = Duration::from_millis(100);

/// The longest time without a driver, while one process hands the run to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// Reads the state of a run until it ends.
pub(crate) struct Poll<'a> {
    here: &'a RepoContext,
    run: &'a RunId,
    reader: StateReader<'a>,
    last_driven: Instant,
    is_first: bool,
}

impl<'a> Poll<'a> {
    /// Starts to poll.
    pub(crate) fn new(here: &'a RepoContext, run: &'a RunId) -> Poll<'a> {
        Poll {
            here,
            run,
            reader: StateReader::new(&here.repo, &here.store, run),
            last_driven: Instant::now(),
            is_first: true,
        }
    }

    /// Returns the state; every call but the first waits for a moment.
    ///
    /// # Errors
    /// When the run cannot be read, or has not ended and no process drives it.
    pub(crate) fn next(&mut self) -> Result<&RunState, CommandError> {
        if !self.is_first {
            std::thread::sleep(INTERVAL);
        }
        self.is_first = false;
        // The lock comes first: a run that ends in between is read as ended.
        if RunLock::is_held(&self.here.repo, self.run) {
            self.last_driven = Instant::now();
        }
        let state = self.reader.read()?;
        let is_abandoned = self.last_driven.elapsed() > HANDOVER;
        match state.phase {
            RunPhase::Ended(_) => Ok(state),
            _ if is_abandoned => Err(abandoned(self.run)),
            _ => Ok(state),
        }
    }
}

fn abandoned(run: &RunId) -> CommandError {
    CommandError::failed(format!("{run} is interrupted: no process drives it"))
        .hint(format!("`{}` continues it", suggest::resume(run)))
}
