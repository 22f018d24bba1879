//! A leash on whatever an attempt is running at the moment, so that it can be stopped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exec::{StopSignal, Stopper};

/// Shared by the loop, which pulls, and the attempt, which runs one job after the other.
#[derive(Clone, Debug, Default)]
pub struct Leash(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    current: Option<Stopper>,
    pulled: Option<StopSignal>,
}

impl Leash {
    /// From now on this job is what a pull stops. A pull that came before reaches it at once.
    pub fn hold(&self, stopper: Stopper) {
        let mut state = self.state();
        if let Some(signal) = state.pulled {
            stopper.stop(signal);
        }
        state.current = Some(stopper);
    }

    /// Stops the current job, and every later one.
    pub fn pull(&self, signal: StopSignal) {
        let mut state = self.state();
        state.pulled = Some(signal);
        if let Some(current) = &state.current {
            current.stop(signal);
        }
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.state().pulled.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
