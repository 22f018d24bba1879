//! Why a run cannot land, or a landing cannot be taken back.

use std::path::PathBuf;

use crate::base::text::plural;
use crate::engine::EngineError;
use crate::git::checkout_obstacle::Obstacle;
use crate::git::{GitError, StoreError};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;
use crate::model::ids::TaskNumber;
use crate::model::task_list::and_list;

/// Why a run cannot land. The target has not moved.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// Nothing was assembled.
    #[error("nothing was assembled, so there is nothing to land")]
    Nothing,
    /// It has landed before.
    #[error("the run has already landed on {target} as {}", .commit.short())]
    Landed {
        /// The target.
        target: String,
        /// The landing commit.
        commit: Oid,
    },
    /// A check of the assembled branch failed.
    #[error(
        "the check `{command}` did not pass on the assembled branch{}",
        if *.on_base { "; it fails on the base of the run, too" } else { "" }
    )]
    ChecksFailed {
        /// The check.
        command: String,
        /// Whether what fails there fails on the base, too, so that no task is to blame.
        on_base: bool,
    },
    /// A check that passed on the assembled branch does not pass together with what the target has
    /// become since.
    #[error(
        "the check `{command}` does not pass on the assembled work together with {target}: {why}"
    )]
    ChecksFailedThere {
        /// The target.
        target: String,
        /// The check.
        command: String,
        /// Who is to blame, and the end of its output.
        why: String,
    },
    /// A person stopped the checks.
    #[error("stopped while the checks ran; nothing has moved")]
    Stopped,
    /// It has not landed, so nothing can be taken back.
    #[error("the run has not landed, so there is nothing to take back")]
    NotLanded,
    /// The target had everything already when it landed.
    #[error("the landing on {0} moved nothing, so there is nothing to take back")]
    MovedNothing(String),
    /// Something came after the landing.
    #[error("{}", came_after(.target, *.after, *.commit))]
    CameAfter {
        /// The target.
        target: String,
        /// How many commits stand on top of the landing; 0 if the target does not have it any more.
        after: usize,
        /// The landing.
        commit: Oid,
    },
    /// The run has no target.
    #[error("the run has no target branch, because HEAD was detached when it started")]
    NoTarget,
    /// The target is no branch.
    #[error("the target branch {0:?} does not exist")]
    TargetGone(String),
    /// The target has moved, and the user wants nothing redone.
    #[error("{0} has moved since the run started, so what was checked is not what would land")]
    NotRebuilt(String),
    /// The target shares no history with the run.
    #[error(
        "{target} has no commit in common with {}, from which the run started",
        .base.short()
    )]
    Unrelated {
        /// The target.
        target: String,
        /// The base of the run.
        base: Oid,
    },
    /// The target no longer has what the run started from.
    #[error(
        "{target} does not have {}, from which the run started, so landing would bring back {} \
         that no task made",
        .base.short(),
        plural(*.along, "commit")
    )]
    Rewound {
        /// The target.
        target: String,
        /// The base of the run.
        base: Oid,
        /// How many commits the target would get back.
        along: usize,
    },
    /// The assembled work conflicts with the target as it is now.
    #[error(
        "{} with {target} ({class}){}",
        whose(.tasks),
        places(.paths)
    )]
    Conflict {
        /// The target.
        target: String,
        /// The tasks whose results conflict with it, if that could be told.
        tasks: Vec<TaskNumber>,
        /// The class.
        class: Class,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// The target is checked out more than once.
    #[error("{0} is checked out in several worktrees, so it is not moved")]
    SeveralCheckouts(String),
    /// The target is in the middle of a rebase or bisect, whose end would undo the landing.
    #[error("git is in the middle of a {what} of {target} in {}, so it is not moved", .place.display())]
    BeingRewritten {
        /// The target.
        target: String,
        /// The checkout.
        place: PathBuf,
        /// `rebase` or `bisect`.
        what: &'static str,
    },
    /// A hook of the user's said no.
    #[error("the hook {0} refused the landing commit: {1}")]
    Hook(&'static str, String),
    /// git would not move the checkout.
    #[error("git did not move {target} in {}: {why}", .place.display())]
    CheckoutRefused {
        /// The target.
        target: String,
        /// The checkout.
        place: PathBuf,
        /// What is in the way.
        why: Obstacle,
    },
    /// A file that git does not track stands where the board would land.
    #[error("{file} in {} is not tracked, and the board would overwrite it", .place.display())]
    BoardInTheWay {
        /// The checkout.
        place: PathBuf,
        /// The board file.
        file: String,
    },
    /// The target was checked out somewhere else at the same moment, or no longer is.
    #[error("{0} is not checked out where it was a moment ago")]
    CheckoutChanged(String),
    /// The target was moved by somebody else at the same moment.
    #[error("{0} was moved by somebody else just now")]
    MovedMeanwhile(String),
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn came_after(target: &str, after: usize, commit: Oid) -> String {
    let commit = commit.short();
    match after {
        0 => format!("{target} does not have the landing {commit} any more"),
        after => {
            let commits = plural(after, "commit");
            format!("{target} has {commits} on top of the landing {commit}")
        }
    }
}

fn whose(tasks: &[TaskNumber]) -> String {
    match tasks {
        [] => "the assembled work conflicts".to_owned(),
        [task] => format!("{task} conflicts"),
        several => format!("{} conflict", and_list(several)),
    }
}

/// ` in src/app.ts, b.txt`; nothing where git names no path.
fn places(paths: &[RepoPath]) -> String {
    let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" in {}", names.join(", ")),
    }
}

impl From<StoreError> for LandError {
    fn from(error: StoreError) -> LandError {
        LandError::Engine(error.into())
    }
}

impl From<GitError> for LandError {
    fn from(error: GitError) -> LandError {
        LandError::Engine(error.into())
    }
}
