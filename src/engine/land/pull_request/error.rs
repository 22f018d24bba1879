//! Errors of landing by pull request.

use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::forge::GhError;
use crate::git::{GitError, StoreError};
use crate::merge::oid::Oid;

/// A pull request could not be opened or updated.
#[derive(Debug, thiserror::Error)]
pub enum PullRequestError {
    /// The run cannot land.
    #[error(transparent)]
    Land(#[from] LandError),
    /// The repository has no remote.
    #[error("the repository has no remote to push to")]
    NoRemote,
    /// The remote cannot be reached, or rejects the push.
    #[error("the remote {remote} failed: {said}")]
    Remote {
        /// The remote.
        remote: String,
        /// The error message of git.
        said: String,
    },
    /// The target is not on the remote.
    #[error("the remote {remote} has no branch {branch}")]
    NoTarget {
        /// The remote.
        remote: String,
        /// The target.
        branch: String,
    },
    /// The branch on the remote has commits that this run did not push.
    #[error("{branch} on {remote} is at {}, which this run did not push", found.short())]
    NotOurs {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
        /// Its tip on the remote.
        found: Oid,
    },
    /// `gh` failed.
    #[error(transparent)]
    Gh(#[from] GhError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for PullRequestError {
    fn from(error: StoreError) -> PullRequestError {
        PullRequestError::Engine(error.into())
    }
}

impl From<GitError> for PullRequestError {
    fn from(error: GitError) -> PullRequestError {
        PullRequestError::Engine(error.into())
    }
}
