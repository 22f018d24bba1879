//! Cancels an attempt's current process, and every later one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exec::{StopSignal, Stopper};

/// A cancel handle, shared by the loop, which cancels, and the attempt, which runs one job after
/// the other.
#[derive(Clone, Debug, Default)]
pub struct CancelHandle(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    current: Option<Stopper>,
    signal: Option<StopSignal>,
}

impl CancelHandle {
    /// Sets the current job. An earlier signal reaches it at once.
    pub fn attach(&self, stopper: Stopper) {
        let mut state = self.state();
        if let Some(signal) = state.signal {
            stopper.stop(signal);
        }
        state.current = Some(stopper);
    }

    /// Stops the current job, and every later one.
    pub fn cancel(&self, signal: StopSignal) {
        let mut state = self.state();
        state.signal = Some(signal);
        if let Some(current) = &state.current {
            current.stop(signal);
        }
    }

    /// Returns `true` if [`CancelHandle::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.state().signal.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn job() -> (Stopper, Receiver<StopSignal>) {
        let (sender, received) = channel();
        let stop = move |signal| {
            let _ = sender.send(signal);
        };
        (Stopper::new(stop), received)
    }

    #[test]
    fn a_signal_reaches_the_current_job_and_every_later_one() {
        let cancel = CancelHandle::default();
        let ((first, first_got), (second, second_got)) = (job(), job());
        cancel.attach(first);
        assert!(!cancel.is_cancelled());
        cancel.cancel(StopSignal::Interrupt);
        cancel.attach(second);
        cancel.cancel(StopSignal::Kill);
        let got = |received: Receiver<StopSignal>| Vec::from_iter(received.try_iter());
        assert_eq!(got(first_got), [StopSignal::Interrupt]);
        assert_eq!(got(second_got), [StopSignal::Interrupt, StopSignal::Kill]);
        assert!(cancel.is_cancelled());
    }
}
