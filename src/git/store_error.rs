//! Errors of the store.

use std::path::PathBuf;

use crate::git::command::GitError;
use crate::merge::oid::Oid;

/// A store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// libgit2 reported an error.
    #[error("git store: {}", .0.message())]
    Git(#[from] git2::Error),
    /// The `git` program reported an error.
    #[error(transparent)]
    Program(#[from] GitError),
    /// A reference is not at the expected commit.
    #[error("{name} was expected at {expected} and is at {found}")]
    Moved {
        /// The full name.
        name: String,
        /// The expected commit; zeros for "absent".
        expected: Oid,
        /// The actual commit; zeros for "absent".
        found: Oid,
    },
    /// An object is missing.
    #[error("git store: object {0} is missing")]
    Missing(Oid),
    /// An object is of another kind, or not written as git writes it.
    #[error("git store: object {0} is not a valid {1}")]
    Invalid(Oid, &'static str),
    /// Files and directories of a new tree want one name, or a file to remove does not exist.
    #[error("git store: files cannot be laid over the tree {0}")]
    Overlay(Oid),
    /// A reference name that git rejects.
    #[error("invalid reference name {0:?}")]
    BadName(String),
    /// A pipe, a device or a folder stands in place of a file of git, which would wait for it.
    #[error("{} is not a file", .0.display())]
    Irregular(PathBuf),
    /// A file of dispatch's own could not be written.
    #[error("could not write below {0}")]
    Folder(String, #[source] std::io::Error),
}
