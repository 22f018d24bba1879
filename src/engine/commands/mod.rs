//! Runs configured commands in a worktree: checks and set-up.

pub mod junit;
pub mod runner;
