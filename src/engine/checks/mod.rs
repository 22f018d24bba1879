//! Runs the checks of assembled work in a worktree, and caches their results.

pub mod cache;
pub mod worktree;
