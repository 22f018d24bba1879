//! Evidence about a failed attempt.

use std::time::Duration;

use jiff::Zoned;

use crate::failure::exit_status::Exit;
use crate::merge::change::RepoPath;
use crate::model::failure::FailureClass;
use crate::model::transcript::Transcript;
use crate::model::worker_report::WorkerError;

/// The evidence about a failed attempt.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Evidence {
    /// The facts that dispatch observed itself, in any order.
    pub facts: Vec<Fact>,
    /// The exit status of the worker; none if it never ran or its exit was not observed.
    pub exit: Option<Exit>,
    /// The worker's own report, from its result file or its output.
    pub error: Option<WorkerError>,
    /// The parsed output.
    pub stream: Option<Transcript>,
    /// The end of its output without events; only the last lines are searched.
    pub tail: String,
    /// The local time, for times of day in the output.
    pub now: Option<Zoned>,
}

/// A fact that dispatch observed itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The run was stopped, and dispatch killed the worker.
    Stopped,
    /// The worker could not be started, with the system's error.
    CouldNotStart(String),
    /// The worker reached this time limit and was killed.
    TimedOut(Duration),
    /// The worker had no output for this long and was killed.
    Stalled(Duration),
    /// The worker took more turns than this and was killed.
    OutOfTurns(u64),
    /// The worker cost more than this and was killed.
    OutOfBudget(String),
    /// The worktree of the worker grew beyond a limit, and the worker was killed.
    OutOfDisk {
        /// The space that it took.
        used: String,
        /// The limit.
        limit: String,
    },
    /// The base commit is not an ancestor of the attempt's work.
    BaseLost,
    /// A merge, rebase or similar operation is unfinished.
    UnfinishedMerge,
    /// The worktree contains a new repository at this path, which git would record without content.
    EmbeddedRepository(String),
    /// It and another attempt got each other's stash entries, as this sentence says.
    StashCrossed(String),
    /// A commit of a submodule could not be kept, with the reason.
    SubmoduleNotKept(String),
    /// A check of the task failed.
    CheckFailed {
        /// The command.
        command: String,
        /// The last lines of its output.
        tail: String,
    },
    /// These items outside the worktree changed while the worker ran.
    ChangedOutside(Vec<String>),
    /// These changed paths are outside the task's `files`.
    OutsideFiles(Vec<RepoPath>),
    /// The attempt has no change although one is expected.
    NoChange,
    /// This option in the worker's command makes the agent read-only.
    ReadOnly(String),
}

/// A failure class with its evidence.
pub(crate) struct Classification {
    pub(crate) class: FailureClass,
    pub(crate) evidence: String,
    /// A message that describes the failure better than the worker's last line of output.
    pub(crate) message: Option<String>,
}
