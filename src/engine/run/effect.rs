//! Effects: every action of the loop on the outside world.

use std::path::PathBuf;

use crate::control::{Reply, Response};
use crate::engine::EngineError;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::pool::ahead::Wanted;
use crate::engine::publish::Board;
use crate::engine::run::notice::Notice;
use crate::engine::spec::{AttemptSpec, ReusedWorktree};
use crate::exec::StopSignal;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::event::Recorded;
use crate::model::ids::{AttemptKey, TaskNumber, TaskVariant};
use crate::report::notification::Notification;

/// An effect of the loop.
#[derive(Debug)]
pub enum Effect {
    /// Write events to the journal, durably.
    Write(Vec<Recorded>),
    /// Show journalled events to the user.
    Show(Vec<Recorded>),
    /// Warn the user.
    Warn(String),
    /// Run the notification program.
    Notify(Vec<Notification>),
    /// Answer a request of another process.
    Answer(Reply, Response),
    /// Start an attempt.
    Start(Box<AttemptSpec>),
    /// Adopt an attempt that another process started.
    Adopt(Box<AttemptSpec>),
    /// Stop an attempt that the edited plan no longer contains, and keep its work.
    SetAside(Box<AttemptSpec>),
    /// Send a signal to the process of a live attempt.
    Cancel(AttemptKey, StopSignal),
    /// Release the slot and the cancel handle of an attempt that has ended.
    Release(AttemptKey),
    /// Prevent further steps of starting attempts.
    StopStarting,
    /// Check the worktree that the next attempt at a task could continue in.
    CheckReuse {
        /// The task, or its variant.
        of: TaskVariant,
        /// The worktree.
        reuse: Box<ReusedWorktree>,
        /// The candidates that the attempt starts from.
        dependencies: Vec<(TaskNumber, Oid)>,
    },
    /// Take a slot of `max_parallel_total`.
    TakeSlot(AttemptKey),
    /// Take a slot for an attempt that is alive already.
    RetakeSlot(AttemptKey),
    /// Find the shortage behind an error.
    ReportShortage(String),
    /// Measure the free space.
    MeasureDisk,
    /// Measure the worktrees and bytes that dispatch keeps.
    MeasureQuota,
    /// Remove a worktree whose content is in git.
    RemoveWorktree(Worktree),
    /// Let another attempt take over the worktree of one that has passed, if it is of the pool.
    ReleaseWorktree(PathBuf),
    /// Prepare a worktree of the pool in the background.
    PrepareAhead(Wanted),
    /// Choose one of the variants of a task.
    ChooseVariant(TaskNumber),
    /// Signal the process of the judge that chooses.
    CancelChoice(TaskNumber, StopSignal),
    /// Move the branch of a task to its chosen variant.
    AcceptVariant(TaskNumber),
    /// Assemble the candidates.
    Assemble,
    /// Release assembled commits that the journal names now.
    ReleaseCommits(Vec<KeptCommit>),
    /// Signal the process of the assembly.
    CancelAssembly(StopSignal),
    /// Compare the candidates.
    CompareCandidates,
    /// Compare the work of running tasks.
    CompareWork,
    /// Tell a worker about conflicts of its work.
    WriteNotice(Notice),
    /// Commit a board.
    Publish(Board),
    /// Leave the loop.
    Leave(Leave),
}

/// The reason for leaving the loop.
#[derive(Debug)]
pub enum Leave {
    /// The run has ended with this exit code.
    Ended(u8),
    /// The user interrupted the run.
    Interrupted,
    /// Only background tasks are left, for another process to drive.
    Detached,
    /// dispatch itself has failed; the run can be resumed.
    Failed(EngineError),
}
