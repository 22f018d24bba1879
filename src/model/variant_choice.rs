//! The choice of one variant of a task.

use serde::{Deserialize, Serialize};

use crate::model::ids::{AttemptNumber, TaskNumber, VariantNumber};
use crate::model::usage::{Cost, Usage};

/// The choice of one variant of a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VariantChoice {
    /// The chosen variant.
    pub variant: VariantNumber,
    /// Its attempt that passed.
    pub attempt: AttemptNumber,
    /// The author of the choice.
    pub by: ChosenBy,
    /// The reason, in one line.
    pub reason: String,
    /// The variants that passed, with the facts of the choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<ComparedVariant>,
    /// The run of a judge, whose verdict may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeRun>,
}

/// The run of a judge.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct JudgeRun {
    /// The worker.
    pub worker: String,
    /// The tokens it reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The cost it reports.
    #[serde(default, skip_serializing_if = "Cost::is_unknown")]
    pub cost: Cost,
}

/// The author of a choice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenBy {
    /// The rule: fewest conflicts, then smallest change, then lowest number.
    Rule,
    /// This worker, as a judge.
    Judge(String),
    /// The user, in review.
    User,
}

/// A variant that passed, as the choice compared it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ComparedVariant {
    /// The variant.
    pub variant: VariantNumber,
    /// Its attempt that passed.
    pub attempt: AttemptNumber,
    /// The tasks whose candidates conflict with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<TaskNumber>,
    /// The added and removed lines.
    pub lines: u64,
    /// The changed files.
    pub files: u64,
}
