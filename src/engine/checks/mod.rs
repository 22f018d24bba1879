//! Checks of assembled work: their worktree and their cached results.

pub mod cache;
pub mod worktree;
