//! Everything that reads or writes a git repository.
//!
//! Objects and references go through [`store::Store`]: libgit2 where it reads the repository's format,
//! else long-lived processes of `git`. Working trees and merges go through the `git` program ([`command::Git`]), so that filters, sparse checkouts and the merge engine
//! behave as the user's git does. Nothing here writes the user's checkout, index, hooks or
//! configuration.

mod abandoned_folders;
pub mod ancestry;
pub mod attributes;
mod backend;
pub mod bare_setting;
pub mod blame;
pub mod blob_merge;
pub mod capture;
pub mod checkout_obstacle;
mod checkout_pack;
mod checkouts;
mod co_authors;
pub mod command;
pub mod commit;
mod commit_object;
mod conditional_settings;
mod connectivity;
pub mod diff;
pub mod discover;
mod discover_error;
mod filter_failure;
mod formats;
mod frozen_settings;
mod git_program;
mod head;
mod head_cache;
pub mod identity;
mod index_flags;
mod irregular_file;
mod libgit2;
mod loose_references;
mod lost_commits;
mod lost_objects;
mod main_checkout;
mod merge_batch;
mod merge_config;
pub mod merge_engine;
pub mod merge_environment;
pub mod merge_error;
pub mod merge_tree_parser;
pub mod missing_checkout;
mod module_settings;
pub mod module_store;
mod object_cache;
mod object_copies;
pub mod object_hash;
mod pack_folder;
pub mod patch_ids;
pub mod pool_entry;
pub mod private_folder;
mod private_mark;
mod program;
pub mod quarantine;
mod racy_index;
mod raw_diff;
pub mod reference_log;
pub mod refs;
mod reftable_lock;
pub mod repo;
pub mod shared_state;
mod sharing;
pub mod signing;
pub mod snapshot;
mod stage_args;
pub mod store;
mod store_error;
mod store_pool;
#[cfg(test)]
mod store_tests;
mod submodule_checkout;
pub mod submodules;
mod symbolic_branch;
mod temp_dir;
pub mod tracked;
mod transient;
mod tree;
pub mod tree_diff;
mod tree_edit;
pub mod tree_hash;
pub mod unpopulated;
pub mod worktree;
mod worktree_config;
mod worktree_entry;
mod worktree_git;
mod worktree_identity;
pub mod worktree_include;
mod worktree_references;

pub use crate::git::command::{Git, GitError};
pub use crate::git::repo::Repo;
pub use crate::git::store::{Store, StoreError};
