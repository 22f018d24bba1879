//! Reads the output of an attempt in its worker's dialect, while it runs and afterwards.

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

/// The least time between two notes about an agent's current step, which changes by the second.
const STEP_INTERVAL: Duration = Duration::from_secs(5);

/// Reads the stored output of an attempt whose worker has ended.
///
/// # Errors
/// When the reader panicked.
pub(super) async fn read_output(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    worktree: &Worktree,
    end: &JobEnd,
) -> Result<Transcript, EngineError> {
    let folder = worker_folder(context, spec.task, spec.attempt);
    let mut reading = reading(spec, worktree);
    let is_whole = end.dropped_bytes == 0;
    blocking(move || {
        // An attempt without a log wrote nothing; its dialect decides what that means.
        reading.feed(&log::read(&folder).unwrap_or_default());
        if !is_whole {
            reading.mark_gap();
        }
        Ok(reading.finish())
    })
    .await
}

/// Returns a reader of the output of an attempt.
fn reading(spec: &AttemptSpec, worktree: &Worktree) -> Reading {
    Reading::new(spec.worker.dialect, &worktree.path.to_string_lossy())
}

/// Follows the output of a running agent.
pub(super) struct Steps {
    follower: Follower,
    reading: Reading,
    last: Option<(Instant, String)>,
    /// The time of its final message, unless output followed.
    over: Option<Instant>,
    grace: Duration,
    bounds: Bounds,
    stopper: Stopper,
}

impl Steps {
    /// `None` for a worker whose output has no dialect.
    pub(super) fn new(
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

    /// Reads new output; returns the agent's current step if it is worth a note.
    pub(super) fn next(&mut self) -> Option<String> {
        // Output that cannot be read now is read after the worker has ended.
        let new = self.follower.read().unwrap_or_default();
        self.reading.feed(&new);
        self.stop_if_done(!new.is_empty());
        self.stop_if_past_a_limit();
        let step = self.reading.current_step()?;
        let is_new = self
            .last
            .as_ref()
            .is_none_or(|(at, last)| at.elapsed() >= STEP_INTERVAL && last != step);
        let step = is_new.then(|| step.to_owned())?;
        self.last = Some((Instant::now(), step.clone()));
        Some(step)
    }

    /// Stops a worker that has exceeded a limit; its output later shows which one.
    fn stop_if_past_a_limit(&self) {
        let passed = self
            .bounds
            .passed(self.reading.turns(), self.reading.cost());
        if passed.is_some() && !self.reading.is_over() {
            self.stopper.stop(StopSignal::Terminate);
        }
    }

    /// Stops a worker that hangs after its final message, which counts anyway.
    fn stop_if_done(&mut self, has_new: bool) {
        if has_new || !self.reading.is_over() {
            self.over = self.reading.is_over().then(Instant::now);
        }
        if self.over.is_some_and(|since| since.elapsed() >= self.grace) {
            self.stopper.stop(StopSignal::Terminate);
        }
    }
}
