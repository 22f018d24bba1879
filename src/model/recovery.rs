//! Findings of the process that resumes a run, and its action for each.
//!
//! They are recorded with the resume event, so the journal explains how the run continued.

use serde::{Deserialize, Serialize};

use crate::model::ids::TaskNumber;

/// A finding of a resume.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The task; none for a finding about the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskNumber>,
    /// The kind.
    pub kind: FindingKind,
    /// The name of the branch or reference, or a number of tasks; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// The kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The task passed earlier.
    Done,
    /// The worker still runs under its shim.
    Alive,
    /// The attempt was handed to another machine, which may have gone on.
    Elsewhere,
    /// The worker exited under its shim; its result is not recorded yet.
    Ended,
    /// The shim was killed, so the worker's outcome is unknown.
    Lost,
    /// The attempt was announced, but no worker was started.
    NotStarted,
    /// The worktree is missing, and the uncommitted work with it.
    WorktreeGone,
    /// The attempt was interrupted when the run stopped.
    Interrupted,
    /// The task waits for its retry.
    RetryDue,
    /// The task failed earlier.
    Failed,
    /// The task has not started.
    Waiting,
    /// The user skipped or cancelled the task.
    GivenUp,
    /// The branch of a passed task is missing.
    BranchGone,
    /// The integration branch is missing.
    IntegrationGone,
    /// The board is missing.
    BoardGone,
    /// The board is older than the journal.
    BoardBehind,
    /// A reference of the run is locked by a dead process.
    StaleLock,
    /// The plan file differs from the plan of the run.
    PlanDiffers,
    /// The edited plan has the task unchanged.
    Same,
    /// The edited plan changes only the task's files, limits or position.
    Adjusted,
    /// The edited plan has a different task with this tag.
    Changed,
    /// A dependency of the task starts again.
    Downstream,
    /// The edited plan adds the task.
    Added,
    /// The edited plan removes the task.
    Removed,
}

impl FindingKind {
    /// Returns the finding and the action, each in a few words.
    pub fn description(self) -> (&'static str, &'static str) {
        match self {
            FindingKind::Done => ("passed", "kept"),
            FindingKind::Alive => ("its worker is running", "attached"),
            FindingKind::Elsewhere => ("runs on another machine", "attached"),
            FindingKind::Ended => ("its worker exited meanwhile", "its result is recorded"),
            FindingKind::Lost => (
                "its worker lost its supervisor",
                "killed; its work is kept; queued again",
            ),
            FindingKind::NotStarted => ("its worker was not started", "queued again"),
            FindingKind::WorktreeGone => {
                ("its worktree is missing", "queued again, in a new worktree")
            }
            FindingKind::Interrupted => ("was interrupted", "queued again"),
            FindingKind::RetryDue => ("waits for its retry", "keeps waiting"),
            FindingKind::Failed => ("failed", "kept; `dispatch retry` tries it again"),
            FindingKind::Waiting => ("not started yet", "queued"),
            FindingKind::GivenUp => ("skipped or cancelled", "kept"),
            FindingKind::BranchGone => ("its branch is missing", "restored"),
            FindingKind::IntegrationGone => ("the integration branch is missing", "restored"),
            FindingKind::BoardGone => ("the board is missing", "restored"),
            FindingKind::BoardBehind => ("the board is older than the journal", "updated"),
            FindingKind::StaleLock => ("stale lock of a dead process", "removed"),
            FindingKind::PlanDiffers => (
                "the plan file differs from the plan of the run",
                "ignored; use `--plan` to apply it",
            ),
            FindingKind::Same => ("unchanged in the edited plan", "kept"),
            FindingKind::Adjusted => (
                "other files, limits or order in the edited plan",
                "kept; they apply from its next attempt",
            ),
            FindingKind::Changed => ("changed in the edited plan", "starts again"),
            FindingKind::Downstream => ("depends on a task that starts again", "starts again"),
            FindingKind::Added => ("new in the edited plan", "queued"),
            FindingKind::Removed => ("not in the edited plan", "skipped; its branch is kept"),
        }
    }
}

impl Finding {
    /// Returns a finding about a task.
    pub fn of(task: TaskNumber, kind: FindingKind) -> Finding {
        Finding {
            task: Some(task),
            kind,
            name: String::new(),
        }
    }

    /// Returns a finding about the run, with a name.
    pub fn named(kind: FindingKind, name: impl Into<String>) -> Finding {
        Finding {
            task: None,
            kind,
            name: name.into(),
        }
    }
}
