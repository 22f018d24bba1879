//! Everything that reads or writes a git repository.
//!
//! Objects and references go through libgit2 ([`store::Store`]). Working trees and merges go through
//! the `git` program ([`command::Git`]), so that filters, sparse checkouts and the merge engine
//! behave as the user's git does. Nothing here writes the user's checkout, index, hooks or
//! configuration.

pub mod ancestry;
pub mod attributes;
pub mod bare_setting;
pub mod blob_merge;
pub mod capture;
pub mod checkout_obstacle;
mod checkouts;
mod co_authors;
pub mod command;
pub mod commit;
pub mod diff;
pub mod discover;
mod filter_failure;
mod git_program;
mod head_cache;
mod identity;
mod merge_batch;
mod merge_config;
pub mod merge_engine;
pub mod merge_environment;
pub mod merge_error;
mod merge_tree_parser;
pub mod module_store;
pub mod object_hash;
pub mod quarantine;
mod racy_index;
pub mod refs;
pub mod repo;
pub mod shared_state;
pub mod signing;
pub mod snapshot;
mod stage_args;
pub mod store;
mod store_pool;
pub mod submodules;
mod temp_dir;
pub mod tree_diff;
pub mod tree_hash;
pub mod worktree;
mod worktree_config;
mod worktree_entry;
pub mod worktree_include;

pub use crate::git::command::{Git, GitError};
pub use crate::git::repo::Repo;
pub use crate::git::store::{Store, StoreError};
