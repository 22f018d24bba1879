//! Errors of landing a run and of undoing a landing.

use std::path::PathBuf;

use crate::base::text::plural;
use crate::engine::EngineError;
use crate::git::checkout_obstacle::Obstacle;
use crate::git::missing_checkout::MissingCheckout;
use crate::git::{GitError, StoreError};
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::task_list::and_list;

/// A run cannot land, or a landing cannot be undone. The target has not moved.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// No task is assembled.
    #[error("nothing to land: no task is assembled")]
    Nothing,
    /// The run has landed before.
    #[error("the run has already landed on {target} as {}", .commit.short())]
    Landed {
        /// The target.
        target: String,
        /// The landing commit.
        commit: Oid,
    },
    /// A check of the integration branch failed.
    #[error(
        "the check `{command}` failed on the integration branch{}",
        if *.on_base { "; it also fails on the base of the run" } else { "" }
    )]
    ChecksFailed {
        /// The check.
        command: String,
        /// The same failure is on the base, so no task is the culprit.
        on_base: bool,
    },
    /// A check that passed on the integration branch fails together with the new commits of the
    /// target.
    #[error("the check `{command}` fails on the assembled work together with {target}: {why}")]
    ChecksFailedThere {
        /// The target.
        target: String,
        /// The check.
        command: String,
        /// The culprits, or the end of its output.
        why: String,
    },
    /// The user interrupted the checks, or the set-up of a worktree.
    #[error("interrupted; nothing has moved")]
    Stopped,
    /// The run has not landed.
    #[error("nothing to undo: the run has not landed")]
    NotLanded,
    /// The target already contained everything when the run landed.
    #[error("nothing to undo: the landing on {0} moved nothing")]
    MovedNothing(String),
    /// The target has moved after the landing.
    #[error("{}", came_after(.target, *.after, *.commit))]
    CameAfter {
        /// The target.
        target: String,
        /// The number of commits on top of the landing; 0 if the target no longer contains it.
        after: usize,
        /// The landing.
        commit: Oid,
    },
    /// The run has no target.
    #[error("the run has no target branch, because HEAD was detached when it started")]
    NoTarget,
    /// The target does not exist.
    #[error("the target branch {0:?} does not exist")]
    TargetGone(String),
    /// The target has moved, and the user wants no reintegration.
    #[error("{0} has moved since the run started, so the checked result is not what would land")]
    NotRebuilt(String),
    /// The target has no common history with the run.
    #[error("{target} has no common history with {}, the base of the run", .base.short())]
    Unrelated {
        /// The target.
        target: String,
        /// The base of the run.
        base: Oid,
    },
    /// The target no longer contains the base of the run.
    #[error(
        "{target} no longer contains {}, the base of the run; landing would bring back {} that no \
         task made",
        .base.short(),
        plural(*.along, "commit")
    )]
    Rewound {
        /// The target.
        target: String,
        /// The base of the run.
        base: Oid,
        /// The number of commits that would come back.
        along: usize,
    },
    /// The assembled work conflicts with the target.
    #[error(
        "{} with {target} ({class}){}",
        conflicting(.tasks),
        places(.paths)
    )]
    Conflict {
        /// The target.
        target: String,
        /// The conflicting tasks; none if they are unknown.
        tasks: Vec<TaskNumber>,
        /// The class.
        class: Class,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// The folder is missing in which the target is checked out.
    #[error("{}", .0.sentence())]
    CheckoutMissing(MissingCheckout),
    /// The target is checked out more than once.
    #[error("{0} is checked out in several worktrees, so it is not moved")]
    SeveralCheckouts(String),
    /// A rebase or bisect of the target is in progress, whose end would undo the landing.
    #[error("a {what} of {target} is in progress in {}, so it is not moved", .place.display())]
    BeingRewritten {
        /// The target.
        target: String,
        /// The checkout.
        place: PathBuf,
        /// `rebase` or `bisect`.
        what: &'static str,
    },
    /// A hook of the user's rejected the landing commit.
    #[error("the hook {hook} rejected the landing commit:{}", hook_output(.output))]
    Hook {
        /// Its name.
        hook: &'static str,
        /// Its output, or its exit status if it printed nothing.
        output: String,
    },
    /// The worktree in which the hooks run could not be set up.
    #[error("the hooks did not run: {message}{}", output.as_ref().map_or(String::new(), |output| format!("\n{output}")))]
    NotSetUp {
        /// The failure, in one line.
        message: String,
        /// The last lines of the command's output, if there are any.
        output: Option<String>,
    },
    /// The checkout cannot move.
    #[error("cannot move {target} in {}: {why}", .place.display())]
    CheckoutRefused {
        /// The target.
        target: String,
        /// The checkout.
        place: PathBuf,
        /// The obstacle.
        why: Obstacle,
    },
    /// git does not move the branch: it is locked, or a hook refuses.
    #[error("cannot move {target}: {why}")]
    BranchRefused {
        /// The target.
        target: String,
        /// git's message, which names the lock or the hook.
        why: String,
    },
    /// An untracked file has the name of the board.
    #[error("{file} in {} is untracked, and the board would overwrite it", .place.display())]
    BoardInTheWay {
        /// The checkout.
        place: PathBuf,
        /// The board file.
        file: String,
    },
    /// The target was checked out elsewhere in the meantime.
    #[error("the checkout of {0} has changed in the meantime")]
    CheckoutChanged(String),
    /// The target was moved in the meantime.
    #[error("{0} has moved in the meantime")]
    MovedMeanwhile(String),
    /// The target moved, and a hook took that back.
    #[error("the hook post-merge has moved {target} away from the landing {}", .commit.short())]
    MovedByHook {
        /// The target.
        target: String,
        /// The commit that it was moved to.
        commit: Oid,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Renders the output of a hook: after the sentence, or below it, indented.
fn hook_output(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    match lines.as_slice() {
        [line] => format!(" {line}"),
        lines => lines.iter().map(|line| format!("\n  {line}")).collect(),
    }
}

fn came_after(target: &str, after: usize, commit: Oid) -> String {
    let commit = commit.short();
    match after {
        0 => format!("{target} no longer contains the landing {commit}"),
        after => {
            let commits = plural(after, "commit");
            format!("{target} has {commits} on top of the landing {commit}")
        }
    }
}

fn conflicting(tasks: &[TaskNumber]) -> String {
    match tasks {
        [] => "the assembled work conflicts".to_owned(),
        [task] => format!("{task} conflicts"),
        several => format!("{} conflict", and_list(several)),
    }
}

/// Renders ` in src/app.ts, b.txt`; empty if git names no path.
fn places(paths: &[RepoPath]) -> String {
    if paths.is_empty() {
        return String::new();
    }
    let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
    format!(" in {}", names.join(", "))
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
