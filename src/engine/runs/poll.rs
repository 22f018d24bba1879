//! Reads a run again and again while another process drives it.

use std::time::{Duration, Instant};

use crate::engine::EngineError;
use crate::engine::runs::read::StateReader;
use crate::engine::runs::standing::is_of_another_clone;
use crate::git::{Repo, Store};
use crate::journal::runs::RunLock;
use crate::model::event::Recorded;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;

/// The pause between two reads of the journal.
const INTERVAL: Duration = Duration::from_millis(100);

/// The pause between two looks at the lock of an ended run.
const RELEASE: Duration = Duration::from_millis(10);

/// The longest time without a driver, while one process hands the run to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// A run that cannot be polled.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The run has not ended, and no process drives it.
    #[error("{} is interrupted: no process drives it", .0)]
    Abandoned(RunId),
    /// The run has not ended, and goes on in another clone.
    #[error("{} goes on in another clone, and what is here is what was fetched", .0)]
    Elsewhere(RunId),
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
    pub fn wait(&mut self) -> Result<&RunState, PollError> {
        Ok(self.wait_with_news()?.0)
    }

    /// Returns the state with the events since the last call; the first call may have more than what
    /// is new. Every call but the first waits for a moment.
    ///
    /// # Errors
    /// When the run cannot be read, or has not ended and no process drives it.
    pub fn wait_with_news(&mut self) -> Result<(&RunState, Vec<Recorded>), PollError> {
        if !self.is_first {
            std::thread::sleep(INTERVAL);
        }
        self.is_first = false;
        // The lock comes first: a run that ends in between is read as ended.
        let is_driven = RunLock::is_held(self.repo, self.run);
        if is_driven {
            self.last_driven = Instant::now();
        }
        let (state, mut news) = self.reader.read_with_news()?;
        if matches!(state.phase, RunPhase::Ended(_)) {
            self.wait_until_released();
        }
        let (state, more) = self.reader.read_with_news()?;
        news.extend(more);
        let is_abandoned = self.last_driven.elapsed() > HANDOVER;
        match state.phase {
            RunPhase::Ended(_) => Ok((state, news)),
            _ if !is_driven && is_of_another_clone(self.repo, self.run) => {
                Err(PollError::Elsewhere(self.run.clone()))
            }
            _ if is_abandoned => Err(PollError::Abandoned(self.run.clone())),
            _ => Ok((state, news)),
        }
    }

    /// Waits for a moment until the process that ended the run lets go of it, so that the next command
    /// can change it.
    fn wait_until_released(&self) {
        let end = Instant::now() + HANDOVER;
        while RunLock::is_held(self.repo, self.run) && Instant::now() < end {
            std::thread::sleep(RELEASE);
        }
    }
}

/// Returns the exit code once the run, or one of its tasks, has ended: that of the run; for a task 0
/// if it passed and 3 if not.
pub fn ended(state: &RunState, task: Option<TaskNumber>) -> Option<u8> {
    let ended = match state.phase {
        RunPhase::Ended(code) => Some(code),
        _ => None,
    };
    let Some(task) = task else { return ended };
    match state.task(task).phase {
        TaskPhase::Done => Some(0),
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => Some(TASK_FAILED),
        // One commit of the journal holds a failure and the decision to retry, unless the run
        // decides nothing at the moment.
        TaskPhase::Failed if decides(state) => Some(TASK_FAILED),
        _ => ended.map(|_| TASK_FAILED),
    }
}

/// The exit code for a task that did not pass.
const TASK_FAILED: u8 = 3;

fn decides(state: &RunState) -> bool {
    state.phase == RunPhase::Running && state.shortage.is_none()
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn a_task_has_ended_when_it_is_not_tried_again() {
        let run = || RunFixture::new("a · b");
        let task = |run: RunFixture| ended(&run.state(), Some(TaskNumber(1)));
        assert_eq!(task(run().begin(1, "shell")), None);
        assert_eq!(task(run().begin(1, "shell").pass(1, "made")), Some(0));
        assert_eq!(task(run().begin(1, "shell").fail(1, "broken")), Some(3));
        assert_eq!(task(run().skip(1, false)), Some(3));
        assert_eq!(task(run().ended(3)), Some(3));
        assert_eq!(ended(&run().state(), None), None);
        assert_eq!(ended(&run().ended(4).state(), None), Some(4));
    }
}
