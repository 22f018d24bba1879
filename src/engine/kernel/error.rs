//! What the engine could not do.

use std::path::PathBuf;

use crate::base::process::ProcessError;
use crate::conflicts::DetectError;
use crate::exec::ExecError;
use crate::git::capture::CaptureError;
use crate::git::merge_error::MergeError;
use crate::git::signing::SignError;
use crate::git::worktree::WorktreeError;
use crate::git::{GitError, StoreError};
use crate::journal::JournalError;
use crate::worker::command::CommandLineError;
use crate::worker::template::TemplateError;

/// What the engine could not do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The git program.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A worktree.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// What a worker left.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A merge.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The conflict detector.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The executor.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The prompt template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A worker's command line.
    #[error(transparent)]
    Command(#[from] CommandLineError),
    /// A file of dispatch's own.
    #[error("could not use {0}")]
    File(String, #[source] std::io::Error),
    /// A file of the main checkout that a worktree is to have.
    #[error("could not {verb} it to {}", to.display())]
    NotBrought {
        /// `copy` or `link`.
        verb: &'static str,
        /// Where it was to be.
        to: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A command of `[worktree] teardown` did not exit 0.
    #[error("the teardown command `{command}` failed in {}: {said}", worktree.display())]
    TearDown {
        /// The command.
        command: String,
        /// The worktree, which stays.
        worktree: PathBuf,
        /// The last line of its output.
        said: String,
    },
    /// A program could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A check ran while the disk was full.
    #[error("`{command}` met a full disk: {said}")]
    NoRoom {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// A refusal with its own words.
    #[error("{0}")]
    Refused(String),
    /// A branch of the run that somebody else has checked out or moved.
    #[error("{0}")]
    NotOurs(String),
    /// A commit that the user's git signs could not be signed.
    #[error("a commit could not be signed ({0}; blocker)")]
    Unsigned(String),
    /// A part of the program ended unexpectedly.
    #[error("a part of dispatch ended unexpectedly: {0}")]
    Broken(String),
}

impl EngineError {
    /// Whether a git that dispatch ran was ended from outside.
    pub fn is_killed_git(&self) -> bool {
        let git = match self {
            EngineError::Git(error)
            | EngineError::Worktree(WorktreeError::Git(error))
            | EngineError::Capture(
                CaptureError::Git(error) | CaptureError::Worktree(WorktreeError::Git(error)),
            ) => error,
            _ => return false,
        };
        git.was_killed()
    }
}

impl From<SignError> for EngineError {
    fn from(error: SignError) -> EngineError {
        match error {
            SignError::Refused(said) => EngineError::Unsigned(said),
            SignError::Git(error) => error.into(),
            SignError::Store(error) => error.into(),
        }
    }
}
