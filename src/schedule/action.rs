//! Actions the scheduler asks the engine for.

use jiff::Timestamp;

use crate::model::assembly_conflict::AssemblyConflict;
use crate::model::ids::TaskNumber;

/// Something to do now.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Start the next attempt at a task.
    Start {
        /// The task.
        task: TaskNumber,
        /// Who does it.
        worker: String,
    },
    /// Record that a worker starts nothing for a while, because a task ran into its limit.
    Park {
        /// The worker.
        worker: String,
        /// The task.
        task: TaskNumber,
        /// Until when.
        until: Timestamp,
        /// What it said.
        reason: String,
    },
    /// Come back at this time for a worker that is parked.
    UnparkAt {
        /// The worker.
        worker: String,
        /// When.
        at: Timestamp,
    },
    /// Come back when this worker has rested.
    WaitForCooldown {
        /// The worker.
        worker: String,
    },
    /// Record that the run has cost all that it may.
    RecordCostLimit {
        /// What is known to be spent, in dollars.
        spent: f64,
        /// The most it may cost, in dollars.
        max_cost: f64,
    },
    /// Record that a worker is not let in, so that it starts nothing more.
    DenyAccess {
        /// The worker.
        worker: String,
        /// The tasks that failed of it.
        tasks: Vec<TaskNumber>,
        /// What it said.
        message: String,
    },
    /// Record that no worktree can be set up, so that nothing more is started.
    TripSetup {
        /// The tasks that failed of it.
        tasks: Vec<TaskNumber>,
        /// What went wrong.
        message: String,
    },
    /// Record that a failed task will be tried again.
    ScheduleRetry {
        /// The task.
        task: TaskNumber,
        /// Not before this time.
        due: Timestamp,
    },
    /// Record that a failed task is not tried again because the run has spent its retries.
    RecordRetryBudget {
        /// The task.
        task: TaskNumber,
        /// How many retries the run may spend.
        budget: u32,
    },
    /// Come back at this time for a scheduled retry.
    WakeAt {
        /// The task.
        task: TaskNumber,
        /// When.
        at: Timestamp,
    },
    /// Do a task again on top of what is in, because its result met that.
    Redispatch {
        /// The task.
        task: TaskNumber,
        /// What it is done on top of.
        conflict: AssemblyConflict,
    },
    /// Doing a task again came to nothing: offer its earlier result.
    FailRedispatch(TaskNumber),
    /// Assemble the candidates.
    Assemble,
    /// Nothing is left to do: end the run.
    End {
        /// Its exit code.
        exit: u8,
    },
}
