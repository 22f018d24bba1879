//! Shares a run with another clone: its journal, branches, kept work and logs, through a remote.

mod fetch;
mod logs;
mod push;
pub mod remote;

pub use fetch::{Fetched, fetch, runs_on};
pub use push::{Pushed, push};

use crate::engine::EngineError;
use crate::engine::runs::log::logs_ref;
use crate::git::{GitError, StoreError};
use crate::journal::journal_ref;
use crate::model::ids::RunId;
use crate::model::run::RunState;

/// The folder of references that were fetched and not taken over yet.
const FETCHED: &str = "refs/dispatch/fetched/";

/// A failure to share a run.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The repository has no remote.
    #[error("the repository has no remote")]
    NoRemote,
    /// The repository has several remotes, and git would push to none of them by default.
    #[error("the repository has {} remotes, and none is the default: {}", .0.len(), .0.join(", "))]
    NoDefaultRemote(Vec<String>),
    /// The remote cannot be reached, or refuses.
    #[error("{remote}: {said}")]
    Remote {
        /// The remote.
        remote: String,
        /// The message of git.
        said: String,
    },
    /// The remote has no such run.
    #[error("{remote} has no run {run}")]
    NoRun {
        /// The remote.
        remote: String,
        /// The name that was asked for.
        run: String,
    },
    /// The journals of the two clones have gone different ways.
    #[error(
        "{remote} has another journal of {run}, which is neither newer nor older than the one here"
    )]
    OtherJournal {
        /// The remote.
        remote: String,
        /// The run.
        run: RunId,
    },
    /// The journal of the remote is the newer one.
    #[error("{remote} has a newer journal of {run}")]
    Newer {
        /// The remote.
        remote: String,
        /// The run.
        run: RunId,
    },
    /// A reference on the remote has commits that are not here.
    #[error("{name} on {remote} has commits that are not in this clone")]
    ForeignCommits {
        /// The remote.
        remote: String,
        /// The full name of the reference.
        name: String,
    },
    /// A failure of the engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<GitError> for ShareError {
    fn from(error: GitError) -> ShareError {
        ShareError::Engine(error.into())
    }
}

impl From<StoreError> for ShareError {
    fn from(error: StoreError) -> ShareError {
        ShareError::Engine(error.into())
    }
}

/// Returns the folders of the references of a run, its journal and its logs aside: branches, kept work,
/// and the targets before its landings.
fn folders(state: &RunState) -> [String; 3] {
    let integration = state.integration_branch();
    let branches = integration.strip_suffix("integration").unwrap_or_default();
    let run = &state.run;
    [
        format!("refs/heads/{branches}"),
        format!("refs/dispatch/attempts/{run}/"),
        format!("refs/dispatch/backups/{run}/"),
    ]
}

/// Returns `true` if a reference belongs to a run.
fn belongs(state: &RunState, name: &str) -> bool {
    name == journal_ref(&state.run)
        || name == logs_ref(&state.run)
        || folders(state).iter().any(|folder| name.starts_with(folder))
}
