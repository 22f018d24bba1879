//! The actions that the scheduler requests from the engine.

use jiff::Timestamp;

use crate::model::assembly_conflict::AssemblyConflict;
use crate::model::ids::{TaskNumber, VariantNumber};

/// An action that is due.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Starts the next attempt at a task.
    Start {
        /// The task.
        task: TaskNumber,
        /// The variant of the task.
        variant: Option<VariantNumber>,
        /// The worker.
        worker: String,
    },
    /// Records that a worker is parked because a task hit its limit.
    Park {
        /// The worker.
        worker: String,
        /// The task.
        task: TaskNumber,
        /// The end of the parking.
        until: Timestamp,
        /// The worker's message.
        reason: String,
    },
    /// Decides again at this time, when a worker is unparked.
    UnparkAt {
        /// The worker.
        worker: String,
        /// The time.
        at: Timestamp,
    },
    /// Decides again when the cooldown of this worker ends.
    WaitForCooldown {
        /// The worker.
        worker: String,
    },
    /// Records that the run has reached its cost limit.
    RecordCostLimit {
        /// The reported cost in dollars.
        spent: f64,
        /// The limit in dollars.
        max_cost: f64,
    },
    /// Records that a worker's authentication fails, so it starts nothing more.
    DenyAccess {
        /// The worker.
        worker: String,
        /// The tasks that failed because of it.
        tasks: Vec<TaskNumber>,
        /// The worker's message.
        message: String,
    },
    /// Records that the worktree set-up fails, so no more tasks start.
    TripSetup {
        /// The tasks that failed because of it.
        tasks: Vec<TaskNumber>,
        /// The error.
        message: String,
    },
    /// Records the time of a failed task's retry.
    ScheduleRetry {
        /// The task.
        task: TaskNumber,
        /// The variant of the task.
        variant: Option<VariantNumber>,
        /// The earliest time of the retry.
        due: Timestamp,
    },
    /// Records that a task is not retried because the run's retry budget is spent.
    RecordRetryBudget {
        /// The task.
        task: TaskNumber,
        /// The variant of the task.
        variant: Option<VariantNumber>,
        /// The retry budget of the run.
        budget: u32,
    },
    /// Decides again at this time, when a retry is due.
    WakeAt {
        /// The task.
        task: TaskNumber,
        /// The variant of the task.
        variant: Option<VariantNumber>,
        /// The time.
        at: Timestamp,
    },
    /// Starts a task again on top of the candidates it conflicts with.
    Redispatch {
        /// The task.
        task: TaskNumber,
        /// The conflict, with the new base.
        conflict: AssemblyConflict,
    },
    /// Restores the earlier candidate of a task after a failed re-dispatch.
    FailRedispatch(TaskNumber),
    /// Chooses one of the variants of a task.
    ChooseVariant(TaskNumber),
    /// Moves the branch of a task to the candidate of its chosen variant.
    AcceptVariant(TaskNumber),
    /// Assembles the candidates.
    Assemble,
    /// Ends the run, as nothing is left to do.
    End {
        /// The exit code.
        exit: u8,
    },
}
