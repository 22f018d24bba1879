//! Checks of assembled work: where they run, and what they said before.

pub mod cache;
pub mod worktree;
