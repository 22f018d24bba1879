//! Loads runs from their journals, and continues them with edited plans.

pub mod load;
pub mod replan;
