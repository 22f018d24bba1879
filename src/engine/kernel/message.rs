//! Messages that effects send to the loop.

use crate::control::{Reply, Request};
use crate::engine::EngineError;
use crate::engine::kernel::disk_space::DiskSpace;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::kernel::signals::SignalRequest;
use crate::git::worktree::Worktree;
use crate::model::event::{Event, Recorded};
use crate::model::ids::{AttemptKey, AttemptNumber, TaskNumber, TaskVariant};
use crate::model::outcome::Outcome;
use crate::model::shortage::Shortage;
use crate::model::variant_choice::VariantChoice;

/// A report to the loop: of an attempt, of an effect it asked for, or from outside.
#[derive(Debug)]
pub enum Message {
    /// An event to record.
    Fact(Event),
    /// An attempt has ended.
    Ended {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// Its outcome.
        outcome: Box<Outcome>,
    },
    /// The run is stopping and the end of this attempt cannot be recorded: the next process that
    /// resumes the run judges it.
    LeftOpen(AttemptKey),
    /// One of the variants of a task was chosen, or none.
    VariantChosen(TaskNumber, Result<Option<VariantChoice>, EngineError>),
    /// The branch of a task was moved to its chosen variant.
    VariantAccepted(TaskNumber, Result<(), EngineError>),
    /// The assembly has ended; its commits are kept until the journal names them.
    Assembled(Result<Vec<KeptCommit>, EngineError>),
    /// The candidates were compared.
    CandidatesCompared,
    /// The work of running tasks was compared.
    WorkCompared,
    /// An attempt could not write because of this shortage.
    OutOfSpace(Shortage),
    /// The events are in the journal.
    Written(Vec<Recorded>),
    /// The events are not in the journal, because the disk is full.
    NotWritten(Vec<Recorded>, FullDisk),
    /// The journal cannot be written, for another reason.
    JournalFailed(EngineError),
    /// An effect failed because the disk is full.
    DiskFull(FullDisk),
    /// A board was committed, or not.
    Published(Publication),
    /// The free space was measured.
    DiskMeasured(DiskSpace),
    /// The worktrees and bytes that dispatch keeps were measured against the user's limits.
    QuotaMeasured(Result<Quota, EngineError>),
    /// A worktree of the pool was prepared, or not.
    PreparedAhead(Result<Prepared, EngineError>),
    /// A worktree was removed to make space for another.
    WorktreeRemoved(Result<(), EngineError>),
    /// The answer to a request for a slot of `max_parallel_total`.
    Slot(AttemptKey, SlotAnswer),
    /// The worktree that the next attempt at a task could continue in was checked.
    ReuseChecked {
        /// The task, or its variant.
        of: TaskVariant,
        /// The worktree is whole and starts from the right base.
        is_sound: bool,
    },
    /// Something that git executes or reads has changed since the run was started or resumed.
    SettingsChanged(Vec<String>),
    /// A warning for the user.
    Warning(String),
    /// A part of dispatch itself failed.
    Broken(EngineError),
    /// A request from another process.
    Asked(Request, Reply),
    /// A signal.
    Signal(SignalRequest),
}

/// A failure because a disk is full.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FullDisk {
    /// The shortage.
    pub shortage: Shortage,
    /// The error.
    pub error: String,
}

/// The result of committing a board.
#[derive(Debug)]
pub enum Publication {
    /// It is on the integration branch.
    Committed,
    /// The branch must not be moved right now, for this reason.
    Blocked(String),
    /// The disk is full.
    NoSpace(FullDisk),
    /// git or the store failed.
    Failed(EngineError),
}

/// The use of a user's limit on worktrees.
#[derive(Debug)]
pub enum Quota {
    /// One more worktree may be made.
    Allowed,
    /// One more would exceed the limit; this worktree can be removed, as its content is in git.
    Exceeded(Shortage, Option<Worktree>),
}

/// The result of preparing worktrees of the pool ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prepared {
    /// Enough are ready, or none can be made ready.
    Nothing,
    /// One more is ready.
    One,
    /// One more has its files, but set-up does not work ahead of an attempt.
    WithoutSetUp,
}

/// The answer to a request for a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SlotAnswer {
    /// It is taken.
    Taken,
    /// All are in use.
    AllInUse,
    /// The slots cannot be used, for this reason.
    Unusable(String),
}

/// The sending end of the loop's inbox.
pub type Post = tokio::sync::mpsc::UnboundedSender<Message>;
