//! What to do now: a pure function of the run's state.

pub mod decide;
pub mod foreground;
pub mod priority;
pub mod redispatch;
pub mod retry;
#[cfg(test)]
mod tests;
pub mod worker_pool;

pub use decide::{Action, Limits, decide};
