//! Resolves conflicts: by rule, tool and record, by re-dispatch, and by hand.

pub mod accept;
pub mod auto;
pub mod conflict_worktree;
pub mod error;
pub mod file_conflict;
mod file_strategies;
pub mod manual;
pub mod merge_conflict;
pub mod policy;
pub mod recorded;
mod regenerate;
mod strategies;
mod tools;
