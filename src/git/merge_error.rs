//! Errors of the merge engine as a whole.

use std::io;

use crate::git::command::GitError;
use crate::git::store::StoreError;

/// The merge engine cannot run; a pair that git cannot merge is an answer instead.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The object store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The temporary folder cannot be created.
    #[error("could not create a temporary folder below {0}")]
    Folder(String, #[source] io::Error),
    /// git printed something other than it documents.
    #[error("invalid output of `git {0}`")]
    Grammar(&'static str),
}
