//! What to do now: a pure function of the run's state.

mod again;
pub mod crew;
pub mod decide;
pub mod priority;
pub mod retry;
pub mod strategy;
#[cfg(test)]
mod tests;

pub use decide::{Action, Limits, decide};
