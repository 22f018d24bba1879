//! What a process that takes a run up again finds, and what it does about it. It is recorded with
//! the taking up, so that the journal tells why the run went on as it did.

use serde::{Deserialize, Serialize};

use crate::model::ids::TaskNumber;

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The task it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskNumber>,
    /// What it is.
    pub kind: FindingKind,
    /// What it is called: a branch, a reference, a number of tasks; empty where nothing is left to
    /// say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Everything that can be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The task passed before.
    Done,
    /// Its worker is alive under its shim.
    Alive,
    /// Its worker has ended under its shim, with a result that nobody has taken yet.
    Ended,
    /// Its shim was killed; what the worker came to is unknown.
    Lost,
    /// It was announced, and no worker was started.
    NotStarted,
    /// Its worktree is gone, and its worker's work with it.
    WorktreeGone,
    /// It was cut short when the run stopped.
    Interrupted,
    /// It waits for the time of its next try.
    RetryDue,
    /// It failed before.
    Failed,
    /// It waits for its turn.
    Waiting,
    /// A person gave it up or ended it.
    GivenUp,
    /// The branch of a task that passed is gone.
    BranchGone,
    /// The assembled branch is gone.
    IntegrationGone,
    /// There is no board although there is something to say.
    BoardGone,
    /// The board is older than the journal.
    BoardBehind,
    /// A reference of the run was locked by a process that died.
    StaleLock,
    /// The plan's file says something else than the plan of the run.
    PlanDiffers,
    /// The edited plan has the same task.
    Same,
    /// The edited plan has the same task, with other files, limits or another place in the order.
    Adjusted,
    /// The edited plan has another task of this tag.
    Changed,
    /// A task it depends on is done again.
    Downstream,
    /// The edited plan has this task for the first time.
    Added,
    /// The edited plan has this task no more.
    Removed,
}

impl FindingKind {
    /// What was found, and what is done about it, each in a few words.
    pub fn description(self) -> (&'static str, &'static str) {
        match self {
            FindingKind::Done => ("passed", "kept"),
            FindingKind::Alive => ("its worker is alive", "taken up"),
            FindingKind::Ended => ("its worker has ended meanwhile", "its result is taken"),
            FindingKind::Lost => (
                "its worker lost its supervisor",
                "ended; what it left is kept; queued again",
            ),
            FindingKind::NotStarted => ("no worker was started yet", "queued again"),
            FindingKind::WorktreeGone => {
                ("its worktree is gone", "queued again, in a new worktree")
            }
            FindingKind::Interrupted => ("was interrupted", "queued again"),
            FindingKind::RetryDue => ("waits for its retry", "waits on"),
            FindingKind::Failed => ("failed", "kept; `dispatch retry` tries it again"),
            FindingKind::Waiting => ("not started yet", "queued"),
            FindingKind::GivenUp => ("given up", "kept"),
            FindingKind::BranchGone => ("its branch is gone", "made again"),
            FindingKind::IntegrationGone => ("the assembled branch is gone", "made again"),
            FindingKind::BoardGone => ("the board is gone", "made again"),
            FindingKind::BoardBehind => ("the board is behind the journal", "brought up to date"),
            FindingKind::StaleLock => ("a lock of a process that died", "removed"),
            FindingKind::PlanDiffers => (
                "the plan's file differs from the plan of the run",
                "not used; `--plan` takes it over",
            ),
            FindingKind::Same => ("the same in the edited plan", "kept"),
            FindingKind::Adjusted => (
                "other files, limits or order in the edited plan",
                "kept; they hold from its next attempt on",
            ),
            FindingKind::Changed => ("changed in the edited plan", "done again"),
            FindingKind::Downstream => ("depends on what is done again", "done again"),
            FindingKind::Added => ("new in the edited plan", "queued"),
            FindingKind::Removed => ("not in the edited plan", "given up; its branch stays"),
        }
    }
}

impl Finding {
    /// Something about a task.
    pub fn of(task: TaskNumber, what: FindingKind) -> Finding {
        Finding {
            task: Some(task),
            kind: what,
            name: String::new(),
        }
    }

    /// Something about the run, with a name.
    pub fn named(what: FindingKind, name: impl Into<String>) -> Finding {
        Finding {
            task: None,
            kind: what,
            name: name.into(),
        }
    }
}
