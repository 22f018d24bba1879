//! Loads runs from their journals, and continues them with edited plans.

pub mod find;
pub mod load;
pub mod log;
pub mod log_end;
pub mod poll;
pub mod read;
pub mod replan;
pub mod standing;
mod state_cache;
