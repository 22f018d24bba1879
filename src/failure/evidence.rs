//! Evidence about a failed attempt.

use std::time::Duration;

use jiff::Zoned;

use crate::failure::exit_status::Exit;
use crate::merge::change::RepoPath;
use crate::model::failure::FailureClass;
use crate::model::transcript::Transcript;
use crate::model::worker_report::WorkerError;

/// Everything known about an attempt that failed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Evidence {
    /// What dispatch did or saw itself, in any order.
    pub facts: Vec<Fact>,
    /// How the worker ended; none if it never ran or nobody saw it end.
    pub exit: Option<Exit>,
    /// The worker's own account: its result file, or what its output says in its own language.
    pub error: Option<WorkerError>,
    /// What its output says, read in its own language.
    pub stream: Option<Transcript>,
    /// The end of its output, events left out; only the last lines are looked at.
    pub tail: String,
    /// The time of day, where the output names times.
    pub now: Option<Zoned>,
}

/// Something dispatch did or saw itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Writing failed because a disk or a quota of disk space is full.
    DiskFull,
    /// A person cancelled the task, and dispatch ended the worker.
    Cancelled,
    /// The run was stopped, and dispatch ended the worker.
    Stopped,
    /// The worker could not be started; what the system said.
    CouldNotStart(String),
    /// It reached this time limit and was ended.
    TimedOut(Duration),
    /// It was silent for this long and was ended.
    Stalled(Duration),
    /// It took more turns than this and was ended.
    OutOfTurns(u64),
    /// It cost more than this and was ended.
    OutOfMoney(String),
    /// The commit the attempt started from is no ancestor of what it left.
    BaseLost,
    /// A merge, rebase or the like was left unfinished.
    UnfinishedMerge,
    /// A new repository inside the worktree, at this path, which git would record without content.
    EmbeddedRepository(String),
    /// A command of the task that must exit 0 did not.
    CheckFailed {
        /// The command.
        command: String,
        /// Its last lines.
        tail: String,
    },
    /// These things outside its worktree changed while it ran.
    ChangedOutside(Vec<String>),
    /// It changed these paths, which are outside the `files` its task declares.
    OutsideFiles(Vec<RepoPath>),
    /// There is no change where one was expected.
    NoChange,
    /// The command of its worker keeps the agent from writing, with this option.
    ReadOnly(String),
}

/// A class and what it rests on.
pub(crate) struct Classification {
    pub(crate) class: FailureClass,
    pub(crate) evidence: String,
    /// One line about the failure that is better than the worker's last line of output.
    pub(crate) message: Option<String>,
}
