//! The variants of a task: one is chosen once all have ended, and its candidate becomes that of the
//! task.

pub mod accept;
pub mod choose;
mod judge;
