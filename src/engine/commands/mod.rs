//! Commands of the configuration, run in a worktree: checks, set-up, teardown.

pub mod junit;
pub mod runner;
