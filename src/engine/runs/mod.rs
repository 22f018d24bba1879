//! Loads runs from their journals, and continues them with edited plans.

pub mod load;
pub mod read;
pub mod replan;
mod state_cache;
