//! Manages the worktrees of attempts: prepared, populated, set up, reused, removed.

pub mod bring_back;
pub mod command_log;
pub mod edits_by_hand;
pub mod hand_made_commits;
pub mod ignored_commit;
pub mod ignored_files;
pub mod ignored_paths;
pub mod ignored_repositories;
pub mod kept_folders;
pub mod left_commits;
pub mod log_mark;
pub mod losses;
mod output_kinds;
pub mod populate;
pub mod prepare;
pub mod purpose;
pub mod remains;
pub mod remove;
pub mod reuse;
pub mod setup;
pub mod since_set_up;
pub mod starting_tree;
pub mod submodules;
pub mod teardown;
pub mod unsaved_repositories;
pub mod work;
