//! The assembled branch: what went in, what was left out, what the checks said, where it landed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::change::RepoPath;
use crate::model::conflict::Class;
use crate::model::ids::{Oid, TaskNumber};

/// The shape of the assembled history; the tree is the same for all.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// One two-parent commit a task.
    #[default]
    Merge,
    /// One ordinary commit a task.
    Squash,
}

/// A candidate that stands on the integration branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Merged {
    /// The task.
    pub task: TaskNumber,
    /// Its candidate.
    pub candidate: Oid,
    /// The commit that brought it in, on the integration branch.
    pub commit: Oid,
}

/// A candidate that was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// The task.
    pub task: TaskNumber,
    /// Its candidate.
    pub candidate: Oid,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a candidate was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// It conflicts with what is in already.
    Conflict {
        /// The class of the worst unit.
        class: Class,
        /// The tasks it conflicts with, as far as pairs show it; empty for an emergent conflict.
        with: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// It was built on a task that was left out.
    BuiltOn {
        /// That task.
        task: TaskNumber,
    },
    /// A person left it out (`dispatch review`).
    Person,
}

/// How a command that must exit 0 ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckResult {
    /// The command, as configured.
    pub command: String,
    /// How it ended.
    pub result: CheckOutcome,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Its last lines, at most a few kilobytes.
    #[serde(default)]
    pub tail: String,
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// Exit 0.
    Passed,
    /// Any other exit, or a signal.
    Failed,
    /// Killed by its time limit.
    TimedOut,
    /// Could not be run, or was cut short with the run.
    NotRun,
}

/// The assembled branch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Integration {
    /// What is on it, in order.
    pub merged: Vec<Merged>,
    /// What is not, and why.
    pub left_out: Vec<LeftOut>,
    /// The tip of the integration branch right after assembly; board commits follow on top.
    pub tip: Option<Oid>,
    /// The tip of the same chain without any board file (what `--ff` and `--no-board` land).
    pub code_tip: Option<Oid>,
    /// `[assemble] check` on the result.
    pub checks: Vec<CheckResult>,
}

impl Integration {
    /// Whether the task's candidate is on it.
    pub fn contains(&self, task: TaskNumber) -> bool {
        self.merged.iter().any(|merged| merged.task == task)
    }

    /// Whether every check passed (also when there is none).
    pub fn checks_passed(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.result == CheckOutcome::Passed)
    }

    /// Whether a person has to look before it is whole.
    pub fn needs_person(&self) -> bool {
        let by_person = |out: &LeftOut| out.reason == LeftOutReason::Person;
        !self.checks_passed() || !self.left_out.iter().all(by_person)
    }
}

/// Where a run was landed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Landing {
    /// The target branch, without `refs/heads/`.
    pub target: String,
    /// What the target was.
    pub from: Oid,
    /// What the target is now.
    pub to: Oid,
    /// When.
    pub at: Timestamp,
}
