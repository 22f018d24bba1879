//! Runs one attempt, from its worktree to the verdict on its work.

pub mod aborted;
mod accept;
mod adopt;
mod branch_makers;
mod carried_remarks;
mod case;
mod content;
mod denied;
mod elsewhere;
pub mod execution;
mod fail;
pub mod flaky;
pub mod job;
mod judge;
mod keep;
mod offer;
mod output;
mod outside_changes;
mod outward_links;
mod private_folder;
mod repeat;
pub mod run;
mod secret_lines;
mod start;
mod stash_uses;
mod traced_commands;
mod watch;
