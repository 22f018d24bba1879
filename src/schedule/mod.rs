//! Decides the next actions of a run, as a pure function of its state.

pub mod action;
pub mod decide;
pub mod foreground;
pub mod limits;
mod parking;
pub mod priority;
pub mod queues;
pub mod redispatch;
pub mod retry;
pub mod slots;
mod starts;
#[cfg(test)]
mod tests;
pub mod worker_pool;

pub use action::Action;
pub use decide::decide;
pub use limits::Limits;
pub use queues::Queues;
