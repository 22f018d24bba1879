//! A worker's report on its own attempt.

use serde::{Deserialize, Serialize};

/// What a worker reports (`DISPATCH_RESULT_FILE`). Unknown keys are ignored, all are optional.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerReport {
    /// What was done.
    pub summary: Option<String>,
    /// Choices a person should look at.
    pub decisions: Vec<String>,
    /// Problems it met.
    pub issues: Vec<String>,
    /// What could come next.
    pub next_steps: Vec<String>,
    /// How far it is.
    pub progress: Option<String>,
    /// Why it could not do the task.
    pub error: Option<WorkerError>,
}

/// A worker's own account of its failure.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerError {
    /// The class it names: `input`, `transient`, …
    pub class: Option<String>,
    /// One line.
    pub message: Option<String>,
    /// Why.
    pub root_cause: Option<String>,
    /// What would help.
    pub suggestion: Option<String>,
}
