//! Commands of the configuration, run in a worktree: checks and set-up.

pub mod junit;
pub mod runner;
