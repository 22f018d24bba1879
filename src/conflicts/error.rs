//! Errors of a comparison as a whole.

use crate::git::StoreError;
use crate::git::merge_error::MergeError;

/// A comparison failed; a pair that git cannot merge is a verdict instead.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The object store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// git cannot be run.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A glob for generated files does not parse.
    #[error("invalid glob {0:?}")]
    Glob(String, #[source] globset::Error),
    /// A revision names no commit.
    #[error("no commit named {0:?}")]
    NoCommit(String),
}
