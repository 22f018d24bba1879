//! The assembled branch: what went in, what was left out, what the checks said, where it landed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::resolution::{FailedStrategy, Resolution};

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
    /// Each task's commits replayed on top of the others; one ordinary commit for a task whose
    /// commits do not end in the same tree that way.
    Linear,
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
    /// The conflicts it had with what was in before, and what settled them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<Resolution>,
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
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// It conflicts with what is in already.
    Conflict {
        /// The class of the worst unit.
        class: Class,
        /// The tasks it conflicts with: each of them, where pairs show it; else the fewest that it
        /// conflicts with together.
        with: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
        /// What was tried to settle it, and did not hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed_strategies: Vec<FailedStrategy>,
    },
    /// It was built on a task that was left out.
    BuiltOn {
        /// That task.
        task: TaskNumber,
    },
    /// A person left it out (`dispatch review`, `dispatch assemble --leave-out`).
    ByUser,
    /// A check fails with it that passes without it and on the base.
    FailedChecks {
        /// The check.
        command: String,
        /// The tasks it needs to fail, as few as possible; none if it fails alone.
        with: Vec<TaskNumber>,
        /// It was killed by its time limit.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        timed_out: bool,
    },
}

/// A candidate that makes a check fail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Culprit {
    /// The task.
    pub task: TaskNumber,
    /// The tasks it needs to fail, as few as possible; none if it fails alone.
    pub with: Vec<TaskNumber>,
    /// The check.
    pub command: String,
    /// It was killed by its time limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// The tests of it that newly fail, where it names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// The last lines of the check that failed.
    #[serde(default)]
    pub tail: String,
}

/// How a check that did not simply pass stands against the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseComparison {
    /// What fails fails on the base, too: nobody is blamed.
    AlreadyFailing,
    /// It fails on the base and passes now.
    Fixed,
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
    /// The tests that failed, where it wrote JUnit XML.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_tests: Vec<String>,
    /// The tests that fail on the base and no longer here, where that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_tests: Vec<String>,
    /// How it stands against the base, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_base: Option<BaseComparison>,
    /// It failed before and passed when it was run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
}

impl CheckResult {
    /// Whether it passed. What fails on the base, too, is nobody's fault, but it fails.
    pub fn passed(&self) -> bool {
        self.result == CheckOutcome::Passed
    }
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
    /// The tip of the chain of two-parent merges, whatever the shape of the history: it contains
    /// every candidate that is in, so what is done on top of it is done on top of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_tip: Option<Oid>,
    /// `[assemble] check` on the result.
    pub checks: Vec<CheckResult>,
    /// Who was left out because of a check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub culprits: Vec<Culprit>,
    /// How often the checks were run to find that out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub check_runs: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Integration {
    /// Whether the task's candidate is on it.
    pub fn contains(&self, task: TaskNumber) -> bool {
        self.merged.iter().any(|merged| merged.task == task)
    }

    /// Every conflict that was settled, with the task that had it, in assembled order.
    pub fn resolutions(&self) -> Vec<(TaskNumber, Resolution)> {
        let of_task = |merged: &Merged| {
            let task = merged.task;
            let resolved = merged.resolved.clone().into_iter();
            resolved.map(move |resolution| (task, resolution))
        };
        self.merged.iter().flat_map(of_task).collect()
    }

    /// Whether every check passed (also when there is none).
    pub fn checks_passed(&self) -> bool {
        self.checks.iter().all(CheckResult::passed)
    }

    /// Whether a person has to look before it is whole.
    pub fn needs_attention(&self) -> bool {
        let by_person = |out: &LeftOut| out.reason == LeftOutReason::ByUser;
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
    /// The full name of the reference that keeps what the target was before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}
