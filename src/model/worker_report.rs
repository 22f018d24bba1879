//! A worker's report on its own attempt.

use serde::{Deserialize, Serialize};

/// The report a worker writes to `DISPATCH_RESULT_FILE`.
///
/// All keys are optional; unknown keys are ignored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerReport {
    /// A summary of the work.
    pub summary: Option<String>,
    /// Decisions the user should review.
    pub decisions: Vec<String>,
    /// Problems the worker ran into.
    pub issues: Vec<String>,
    /// Suggested next steps.
    pub next_steps: Vec<String>,
    /// The progress so far.
    pub progress: Option<String>,
    /// The error, if the task failed.
    pub error: Option<WorkerError>,
}

/// The worker's own description of its failure.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerError {
    /// The failure class it names: `input`, `transient`, …
    pub class: Option<String>,
    /// The error in one line.
    pub message: Option<String>,
    /// The cause.
    pub root_cause: Option<String>,
    /// A suggested fix.
    pub suggestion: Option<String>,
}
