//! Runs the checks on a target that has moved before its landing is shown. They may take longer than
//! one call, so the next call waits for the same checks.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::kernel::cancel::CancelHandle;
use crate::exec::StopSignal;
use crate::mcp::answer::Answer;
use crate::mcp::error::ToolError;

/// The pause between two looks at checks that run.
const INTERVAL: Duration = Duration::from_millis(50);

/// The checks of one landing at a time.
#[derive(Clone, Default)]
pub(super) struct LandChecks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// The landings whose checks passed.
    passed: BTreeSet<String>,
}

/// Checks that run.
struct Running {
    /// The landing that they are for.
    landing: String,
    /// The answer until they have ended.
    unchecked: Answer,
    cancel: CancelHandle,
    thread: JoinHandle<()>,
    outcome: Receiver<Result<(), ToolError>>,
}

/// The state of checks after some time.
pub(super) enum Checked {
    /// None run for this landing.
    Idle,
    /// They still run, with the answer that tells so.
    Running(Answer),
    /// They have ended.
    Ended(Result<(), ToolError>),
}

impl LandChecks {
    /// Starts the checks of a landing.
    ///
    /// # Errors
    /// When those of another landing run.
    pub(super) fn start(
        &self,
        landing: &str,
        unchecked: Answer,
        check: impl FnOnce(&CancelHandle) -> Result<(), ToolError> + Send + 'static,
    ) -> Result<(), ToolError> {
        let mut state = self.state();
        if state.is_busy() {
            return Err(busy());
        }
        let (sender, outcome) = channel();
        let cancel = CancelHandle::default();
        let thread = thread::spawn({
            let cancel = cancel.clone();
            move || drop(sender.send(check(&cancel)))
        });
        state.running = Some(Running {
            landing: landing.to_owned(),
            unchecked,
            cancel,
            thread,
            outcome,
        });
        Ok(())
    }

    /// Waits for the checks of a landing, at most for this time, or until `is_cancelled`.
    pub(super) fn wait(
        &self,
        landing: &str,
        time: Duration,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Checked {
        let started = Instant::now();
        loop {
            match self.look(landing) {
                Checked::Running(_) if started.elapsed() < time && !is_cancelled() => {
                    thread::sleep(INTERVAL);
                }
                found => return found,
            }
        }
    }

    /// Refuses to go on while checks run.
    ///
    /// # Errors
    /// When they do.
    pub(super) fn refuse_running(&self) -> Result<(), ToolError> {
        match self.state().is_busy() {
            true => Err(busy()),
            false => Ok(()),
        }
    }

    /// Returns `true` if the checks of a landing passed.
    pub(super) fn have_passed(&self, landing: &str) -> bool {
        self.state().passed.contains(landing)
    }

    /// Stops checks that run, and waits for their end.
    pub(super) fn stop(&self) {
        let running = self.state().running.take();
        if let Some(running) = running {
            running.cancel.cancel(StopSignal::Kill);
            // A thread that panicked has ended as well.
            let _ = running.thread.join();
        }
    }

    fn look(&self, landing: &str) -> Checked {
        let mut state = self.state();
        let Some(running) = state.running.as_ref().filter(|it| it.landing == landing) else {
            return Checked::Idle;
        };
        let ended = match running.outcome.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return Checked::Running(running.unchecked.clone()),
            Err(TryRecvError::Disconnected) => Err(ToolError::new("the checks ended unexpectedly")),
        };
        state.running = None;
        if ended.is_ok() {
            state.passed.insert(landing.to_owned());
        }
        Checked::Ended(ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_busy(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| !running.thread.is_finished())
    }
}

fn busy() -> ToolError {
    ToolError::new("the checks of a landing are still running; nothing has moved")
        .at("land")
        .next("call land again without `confirm`: it waits for them")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALWAYS: Duration = Duration::from_secs(60);

    fn wait(checks: &LandChecks, landing: &str, time: Duration) -> &'static str {
        match checks.wait(landing, time, &|| false) {
            Checked::Idle => "idle",
            Checked::Running(_) => "running",
            Checked::Ended(Ok(())) => "passed",
            Checked::Ended(Err(_)) => "failed",
        }
    }

    #[test]
    fn checks_are_waited_for_over_several_calls() {
        let checks = LandChecks::default();
        let (open, gate) = channel::<()>();
        let answer = Answer::new(&(), "later");
        let check = move |_: &CancelHandle| gate.recv().map_err(|_| ToolError::new("closed"));
        checks.start("one", answer.clone(), check).unwrap();
        assert_eq!(wait(&checks, "one", Duration::ZERO), "running");
        assert_eq!(wait(&checks, "two", Duration::ZERO), "idle");
        assert!(checks.refuse_running().is_err());
        assert!(checks.start("two", answer.clone(), |_| Ok(())).is_err());
        open.send(()).unwrap();
        assert_eq!(wait(&checks, "one", ALWAYS), "passed");
        assert_eq!(wait(&checks, "one", ALWAYS), "idle");
        assert!(checks.have_passed("one") && !checks.have_passed("two"));
        let failing = |_: &CancelHandle| Err(ToolError::new("red"));
        checks.start("two", answer, failing).unwrap();
        assert_eq!(wait(&checks, "two", ALWAYS), "failed");
    }

    #[test]
    fn stopping_cancels_and_waits() {
        let checks = LandChecks::default();
        let check = |cancel: &CancelHandle| {
            while !cancel.is_cancelled() {
                thread::yield_now();
            }
            Ok(())
        };
        checks.start("one", Answer::new(&(), ""), check).unwrap();
        checks.stop();
        assert_eq!(wait(&checks, "one", ALWAYS), "idle");
    }
}
