//! A request to stop an attempt that runs elsewhere.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::exec::StopSignal;

/// A request to stop an attempt.
#[derive(Default)]
pub(super) struct Stop {
    /// The time of the first request.
    pub(super) asked: Arc<OnceLock<Instant>>,
    /// The signal that the engine has not taken yet.
    pub(super) signal: Option<StopSignal>,
}
