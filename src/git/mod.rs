//! The only door to git.
//!
//! Whatever touches only objects and refs goes through libgit2 ([`store::Store`]); whatever touches
//! a working tree or asks for a merge goes through the `git` program ([`cli::Git`]), so that
//! filters, sparse checkouts and the merge engine behave as the user's git does. Nothing in here
//! touches the user's checkout, index, hooks or config.

pub mod ancestry;
pub mod attributes;
pub mod blob_merge;
pub mod capture;
pub mod checkout_obstacle;
pub mod command;
pub mod commit;
pub mod diff;
pub mod discover;
pub mod merge_env;
pub mod merge_tree;
pub mod merge_tree_parser;
pub mod quarantine;
pub mod racy_index;
pub mod refs;
pub mod repo;
pub mod shared_state;
pub mod signing;
pub mod snapshot;
pub mod stage_args;
pub mod store;
pub mod temp_dir;
pub mod tree_diff;
pub mod tree_hash;
pub mod worktree;
pub mod worktree_include;

pub use crate::git::command::{Git, GitError};
pub use repo::Repo;
pub use store::{Store, StoreError};
