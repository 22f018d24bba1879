//! Errors of the engine.

use std::path::PathBuf;

use crate::base::process::ProcessError;
use crate::conflicts::DetectError;
use crate::exec::ExecError;
use crate::git::Repo;
use crate::git::capture::CaptureError;
use crate::git::merge_error::MergeError;
use crate::git::module_store::CarryError;
use crate::git::private_folder::take_over::TakeOverError;
use crate::git::signing::SignError;
use crate::git::worktree::WorktreeError;
use crate::git::{GitError, StoreError};
use crate::journal::JournalError;
use crate::merge::oid::Oid;
use crate::worker::command::CommandLineError;
use crate::worker::template::TemplateError;

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The git program failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A worktree operation failed.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// A worktree could not be captured.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The commits of a worker could not be taken over.
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    /// Work in a submodule could not be kept.
    #[error(transparent)]
    Carry(#[from] CarryError),
    /// A merge failed as a whole.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The conflict detector failed.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The executor failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The prompt template is invalid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A worker's command line is invalid.
    #[error(transparent)]
    Command(#[from] CommandLineError),
    /// A file of dispatch's own could not be used.
    #[error("could not use {0}")]
    File(String, #[source] std::io::Error),
    /// An untracked file could not be brought into a worktree.
    #[error("could not {verb} it to {}", to.display())]
    NotBrought {
        /// `copy` or `link`.
        verb: &'static str,
        /// Its intended place.
        to: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A command of `[worktree] teardown` did not exit 0.
    #[error("the teardown command `{command}` failed in {}: {said}", worktree.display())]
    TearDown {
        /// The command.
        command: String,
        /// The worktree, which is kept.
        worktree: PathBuf,
        /// The last line of its output.
        said: String,
    },
    /// A program could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A check ran while the disk was full.
    #[error("`{command}` ran on a full disk: {said}")]
    NoRoom {
        /// The command.
        command: String,
        /// Its output about that.
        said: String,
    },
    /// A worker must be confined and cannot be, for this reason.
    #[error("{0}, and `mode` under `[sandbox]` requires that workers are confined")]
    NoSandbox(String),
    /// The settings of the repository name programs that the user has not agreed to.
    #[error("{file} has {} that you have not agreed to", match changed {
        true => "changes",
        false => "settings",
    })]
    Untrusted {
        /// The name of the file.
        file: &'static str,
        /// `true` if the user agreed to an earlier text of it.
        changed: bool,
    },
    /// A refusal with its own message.
    #[error("{0}")]
    Refused(String),
    /// Another process or the user has moved a branch of the run, or checked it out.
    #[error("{0}")]
    NotOurs(String),
    /// A commit could not be signed although the user's git signs commits.
    #[error("a commit could not be signed ({0}; blocker)")]
    Unsigned(String),
    /// Something that git executes or reads has changed while workers ran.
    #[error("{} changed {since}, and git would use it; nothing was restored", changes.join(", "))]
    SettingsChanged {
        /// The changes, for display.
        changes: Vec<String>,
        /// The time, for display: `while #1 ran`.
        since: String,
    },
    /// A part of the program ended unexpectedly.
    #[error("a part of dispatch ended unexpectedly: {0}")]
    Broken(String),
}

impl EngineError {
    /// Returns `true` if a git that dispatch ran was killed by another process.
    pub fn is_killed_git(&self) -> bool {
        self.git().is_some_and(GitError::was_killed)
    }

    /// Returns `true` if a git that ran at the same time may have removed an object, or a folder of
    /// objects, that was about to be used.
    pub fn says_pruned(&self) -> bool {
        self.git().is_some_and(GitError::says_pruned)
            || self.store().is_some_and(StoreError::says_pruned)
    }

    /// Returns `true` if a step that failed may succeed now: an object was missing that the step writes
    /// again, or that is back.
    pub fn is_worth_a_repetition(&self, repo: &Repo) -> bool {
        let is_back = repo.restore_objects();
        // Each command of git has words of its own for a missing object.
        let is_of_git = self.git().is_some() || self.store().is_some();
        is_back || self.says_pruned() || (is_of_git && repo.is_collected())
    }

    /// Returns the object that is missing in the store.
    pub fn missing_object(&self) -> Option<Oid> {
        match self.store()? {
            StoreError::Missing(oid) => Some(*oid),
            _ => None,
        }
    }

    /// Suggests a way out of an error whose cause is a setting of the repository.
    pub fn suggestion(&self) -> Option<String> {
        if let EngineError::Untrusted { .. } = self {
            return Some(
                "`dispatch trust` shows what they run, and asks; `--config FILE` is consent to one file"
                    .to_owned(),
            );
        }
        self.git()?.way_out()
    }

    /// Returns the error of the store.
    fn store(&self) -> Option<&StoreError> {
        match self {
            EngineError::Store(error)
            | EngineError::Capture(CaptureError::Store(error))
            | EngineError::TakeOver(TakeOverError::Store(error))
            | EngineError::Merge(MergeError::Store(error))
            | EngineError::Detect(
                DetectError::Store(error) | DetectError::Merge(MergeError::Store(error)),
            )
            | EngineError::Journal(JournalError::Store { source: error, .. }) => Some(error),
            _ => None,
        }
    }

    /// Returns the error of the git program.
    fn git(&self) -> Option<&GitError> {
        match self {
            EngineError::Git(error)
            | EngineError::Store(StoreError::Program(error))
            | EngineError::Merge(MergeError::Git(error))
            | EngineError::Detect(DetectError::Merge(MergeError::Git(error)))
            | EngineError::Worktree(WorktreeError::Git(error))
            | EngineError::TakeOver(
                TakeOverError::Refused(WorktreeError::Git(error))
                | TakeOverError::Store(StoreError::Program(error)),
            )
            | EngineError::Capture(
                CaptureError::Git(error) | CaptureError::Worktree(WorktreeError::Git(error)),
            ) => Some(error),
            EngineError::Carry(error) => error.git_error(),
            _ => None,
        }
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
