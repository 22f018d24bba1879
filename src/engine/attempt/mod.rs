//! One attempt: from its worktree to the verdict on its work.

pub mod aborted;
pub mod content;
pub mod flaky;
pub mod judge;
pub mod output;
pub mod outside_changes;
pub mod run;
