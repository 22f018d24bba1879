//! Failures between the run and its nodes.

use crate::engine::EngineError;
use crate::git::discover::DiscoverError;
use crate::git::{GitError, StoreError};

/// A failure to hand an attempt over or back.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The git remote does not answer; it may later.
    #[error("{remote} cannot be reached: {said}")]
    Unreachable {
        /// The remote.
        remote: String,
        /// The message of git.
        said: String,
    },
    /// The git remote refuses a push.
    #[error("{remote} refuses {name}: {said}")]
    Refused {
        /// The remote.
        remote: String,
        /// The reference.
        name: String,
        /// The message of git.
        said: String,
    },
    /// The attempt is not on the remote.
    #[error("{remote} has no {name}; the run has given it up")]
    Absent {
        /// The remote.
        remote: String,
        /// The reference.
        name: String,
    },
    /// The package or a record was made by another version.
    #[error("{what} has protocol {theirs}, and this dispatch ({ours}) has protocol {own}", own = super::PROTOCOL)]
    Protocol {
        /// The package, or the record.
        what: String,
        /// Its protocol.
        theirs: u64,
        /// The version of this program.
        ours: &'static str,
    },
    /// The package or a record cannot be read, or does not belong to the attempt.
    #[error("{what} is not used: {why}")]
    Invalid {
        /// The package, or the record.
        what: String,
        /// The reason.
        why: String,
    },
    /// The folder of the mirror cannot be used.
    #[error("could not use the mirror in {0}")]
    Mirror(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// A failure of the engine.
    #[error(transparent)]
    Engine(#[from] Box<EngineError>),
}

impl From<EngineError> for RemoteError {
    fn from(error: EngineError) -> RemoteError {
        RemoteError::Engine(Box::new(error))
    }
}

impl From<GitError> for RemoteError {
    fn from(error: GitError) -> RemoteError {
        EngineError::from(error).into()
    }
}

impl From<StoreError> for RemoteError {
    fn from(error: StoreError) -> RemoteError {
        EngineError::from(error).into()
    }
}

impl From<DiscoverError> for RemoteError {
    fn from(error: DiscoverError) -> RemoteError {
        RemoteError::Mirror("the cache".to_owned(), Box::new(error))
    }
}
