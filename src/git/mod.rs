//! The only door to git.
//!
//! Whatever touches only objects and refs goes through libgit2 ([`store::Store`]); whatever touches
//! a working tree or asks for a merge goes through the `git` program ([`cli::Git`]), so that
//! filters, sparse checkouts and the merge engine behave as the user's git does. Nothing in here
//! touches the user's checkout, index, hooks or config.

pub mod ancestry;
pub mod attributes;
pub mod checkout;
pub mod cli;
pub mod commit;
pub mod contents;
pub mod diff;
pub mod fingerprint;
pub mod harvest;
pub mod merge_answer;
pub mod merge_tree;
pub mod outside;
pub mod preflight;
pub mod quarantine;
pub mod refs;
pub mod repo;
mod scratch;
pub mod sign;
pub mod snapshot;
mod stage;
pub mod store;
pub mod tree_diff;
pub mod tree_names;
mod unchanged;
pub mod untracked;
pub mod worktree;

pub use cli::{Git, GitError};
pub use repo::Repo;
pub use store::{Store, StoreError};
