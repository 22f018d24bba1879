//! Runs read back from their journals, and runs that continue with an edited plan.

pub mod load;
pub mod read;
pub mod replan;
mod state_cache;
