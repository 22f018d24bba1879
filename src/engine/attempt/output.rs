//! The output of an attempt in the language of its worker: while it comes, and when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::spec::limits::Bounds;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::log::{self, Follower};
use crate::exec::{JobEnd, StopSignal, Stopper};
use crate::git::worktree::Worktree;
use crate::model::transcript::Transcript;
use crate::model::worker::Dialect;
use crate::worker::dialect::Reading;

/// What an agent does changes by the second; this often it is worth a note in the journal.
const STEP_INTERVAL: Duration = Duration::from_secs(5);

/// What is kept of the output of an attempt that is over, read in the worker's language.
///
/// # Errors
/// When the reading panicked.
pub async fn read_output(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    worktree: &Worktree,
    end: &JobEnd,
) -> Result<Transcript, EngineError> {
    let folder = worker_folder(context, spec.task, spec.attempt);
    let mut reading = reading(spec, worktree);
    let is_whole = end.dropped_bytes == 0;
    blocking(move || {
        // An attempt whose log is gone has said nothing, which its language judges.
        reading.feed(&log::read(&folder).unwrap_or_default());
        if !is_whole {
            reading.mark_gap();
        }
        Ok(reading.finish())
    })
    .await
}

/// A reading of the output of an attempt.
fn reading(spec: &AttemptSpec, worktree: &Worktree) -> Reading {
    Reading::new(spec.worker.dialect, &worktree.path.to_string_lossy())
}

/// What the output of an agent says while it comes.
pub struct Steps {
    follower: Follower,
    reading: Reading,
    last: Option<(Instant, String)>,
    /// Since when nothing more has come after its last word.
    over: Option<Instant>,
    grace: Duration,
    bounds: Bounds,
    stopper: Stopper,
}

impl Steps {
    /// `None` for a worker whose output says nothing.
    pub fn new(
        context: &Context,
        spec: &AttemptSpec,
        worktree: &Worktree,
        stopper: Stopper,
    ) -> Option<Steps> {
        let folder = worker_folder(context, spec.task, spec.attempt);
        (spec.worker.dialect != Dialect::Text).then(|| Steps {
            follower: Follower::new(&folder),
            reading: reading(spec, worktree),
            last: None,
            over: None,
            grace: context.settings.run.result_grace,
            bounds: Bounds::untold(context, spec),
            stopper,
        })
    }

    /// Reads what is new; gives what the agent does if that is worth saying.
    pub fn look(&mut self) -> Option<String> {
        // What cannot be read now is read when the attempt is over.
        let new = self.follower.read().unwrap_or_default();
        self.reading.feed(&new);
        self.end_if_done(!new.is_empty());
        self.end_if_out_of_bounds();
        let step = self.reading.current_step()?;
        let is_new = self
            .last
            .as_ref()
            .is_none_or(|(at, last)| at.elapsed() >= STEP_INTERVAL && last != step);
        let step = is_new.then(|| step.to_owned())?;
        self.last = Some((Instant::now(), step.clone()));
        Some(step)
    }

    /// Its output says afterwards why it was ended.
    fn end_if_out_of_bounds(&self) {
        let passed = self
            .bounds
            .passed(self.reading.turns(), self.reading.cost());
        if passed.is_some() && !self.reading.is_over() {
            self.stopper.stop(StopSignal::Terminate);
        }
    }

    /// A worker that has said its last word and hangs is ended; its word counts all the same.
    fn end_if_done(&mut self, has_new: bool) {
        if has_new || !self.reading.is_over() {
            self.over = self.reading.is_over().then(Instant::now);
        }
        if self.over.is_some_and(|since| since.elapsed() >= self.grace) {
            self.stopper.stop(StopSignal::Terminate);
        }
    }
}
