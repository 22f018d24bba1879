//! Requests and responses, as lines of JSON.

use serde::{Deserialize, Serialize};

use crate::model::ids::{AttemptNumber, TaskNumber};

/// A request with the secret of the run, which proves that its sender can read the run's folder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) secret: String,
    #[serde(flatten)]
    pub(super) request: Request,
}

/// A request of the user to a running run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Cancels one task, or every unfinished task.
    Cancel {
        /// The task; all when absent.
        task: Option<TaskNumber>,
    },
    /// Keeps a message of the user for a task.
    Tell {
        /// The task.
        task: TaskNumber,
        /// The text.
        text: String,
    },
    /// Records that a message reached a running attempt.
    Delivered {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The number of the message among those of the task, from 1.
        message: usize,
    },
    /// Records that a message waits for the end of a running attempt.
    Waits {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The number of the message among those of the task, from 1.
        message: usize,
    },
    /// Raises or lowers the priority of a task that has not ended.
    Prioritize {
        /// The task.
        task: TaskNumber,
        /// The change of the priority.
        by: i32,
    },
    /// Gives a task up that neither runs nor is done.
    Skip {
        /// The task.
        task: TaskNumber,
        /// `true` if its dependents are given up, too; else they start as if it had passed.
        cascade: bool,
    },
    /// Starts no attempt until the run is resumed.
    Pause,
    /// Ends a pause.
    Resume,
    /// Stops the run: nothing starts, and running workers are asked to exit.
    Stop,
}

/// The response to a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// The request is recorded in the journal.
    Done,
    /// The request is refused.
    Refused {
        /// The reason, in one sentence.
        why: String,
    },
}
