//! The worktrees of attempts: prepared, populated, set up, reused.

pub mod populate;
pub mod prepare;
pub mod reuse;
pub mod setup;
