//! The integration branch: merged and left-out candidates, check results, landing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::resolution::{FailedStrategy, Resolution};

/// The shape of the assembled history; the final tree is the same.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// One merge commit per task.
    #[default]
    Merge,
    /// One ordinary commit per task.
    Squash,
    /// Each task's commits rebased on top of the others; one ordinary commit for a task whose
    /// rebased commits end in a different tree.
    Linear,
}

/// A candidate on the integration branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Merged {
    /// The task.
    pub task: TaskNumber,
    /// The candidate.
    pub candidate: Oid,
    /// The commit on the integration branch that merges it.
    pub commit: Oid,
    /// The resolutions of its conflicts with candidates before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<Resolution>,
}

/// A candidate that was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// The task.
    pub task: TaskNumber,
    /// The candidate.
    pub candidate: Oid,
    /// The reason.
    pub reason: LeftOutReason,
}

/// The reason why a candidate was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// It conflicts with candidates assembled before it.
    Conflict {
        /// The class of the worst unit.
        class: Class,
        /// The tasks it conflicts with: every pair, or else the smallest set it conflicts with.
        with: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
        /// The strategies that failed to resolve it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed_strategies: Vec<FailedStrategy>,
    },
    /// It was built on a task that was left out.
    BuiltOn {
        /// The task that was left out.
        task: TaskNumber,
    },
    /// The user left it out (`dispatch review`, `dispatch assemble --leave-out`).
    ByUser,
    /// A check fails with it and passes without it and on the base.
    FailedChecks {
        /// The command of the check.
        command: String,
        /// The smallest set of tasks together with which the check fails; empty if it fails alone.
        with: Vec<TaskNumber>,
        /// `true` if the check reached its time limit.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        timed_out: bool,
    },
}

/// A candidate that breaks a check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Culprit {
    /// The task.
    pub task: TaskNumber,
    /// The smallest set of tasks together with which the check fails; empty if it fails alone.
    pub with: Vec<TaskNumber>,
    /// The command of the check.
    pub command: String,
    /// `true` if the check reached its time limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// The newly failing tests, where the check names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// The last lines of the failed check.
    #[serde(default)]
    pub tail: String,
}

/// The comparison of a check with its result on the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseComparison {
    /// It fails on the base too, so no task is the culprit.
    AlreadyFailing,
    /// It fails on the base and passes here.
    Fixed,
}

/// The result of a check, a command that must exit 0.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckResult {
    /// The command, as configured.
    pub command: String,
    /// The outcome.
    pub result: CheckOutcome,
    /// The run time in milliseconds.
    pub millis: u64,
    /// The last lines of its output, at most a few kilobytes.
    #[serde(default)]
    pub tail: String,
    /// The failed tests, where it wrote JUnit XML.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_tests: Vec<String>,
    /// The tests that fail on the base and pass here, where it was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_tests: Vec<String>,
    /// The comparison with the base, where it was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_base: Option<BaseComparison>,
    /// `true` if it failed first and passed when it was run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
}

impl CheckResult {
    /// Returns `true` if it passed; a check that fails on the base too has not passed.
    pub fn passed(&self) -> bool {
        self.result == CheckOutcome::Passed
    }
}

/// The outcome of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// Exit 0.
    Passed,
    /// Any other exit, or a signal.
    Failed,
    /// Killed by its time limit.
    TimedOut,
    /// Could not start, or was interrupted with the run.
    NotRun,
}

/// The result of an assembly.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Integration {
    /// The merged candidates, in order.
    pub merged: Vec<Merged>,
    /// The candidates left out.
    pub left_out: Vec<LeftOut>,
    /// The tip of the integration branch after assembly; board commits follow on top.
    pub tip: Option<Oid>,
    /// The tip of the same chain without board files, which `--ff` and `--no-board` land.
    pub code_tip: Option<Oid>,
    /// The tip of the chain of merge commits, independent of `history`.
    ///
    /// It contains every merged candidate, so re-dispatched tasks start on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_tip: Option<Oid>,
    /// The results of `[assemble] check`.
    pub checks: Vec<CheckResult>,
    /// The candidates left out because of a check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub culprits: Vec<Culprit>,
    /// The number of check runs in the culprit search.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub check_runs: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Integration {
    /// Returns `true` if the task's candidate is merged.
    pub fn contains(&self, task: TaskNumber) -> bool {
        self.merged.iter().any(|merged| merged.task == task)
    }

    /// Returns every resolution with its task, in assembly order.
    pub fn resolutions(&self) -> Vec<(TaskNumber, Resolution)> {
        let of_task = |merged: &Merged| {
            let task = merged.task;
            let resolved = merged.resolved.clone().into_iter();
            resolved.map(move |resolution| (task, resolution))
        };
        self.merged.iter().flat_map(of_task).collect()
    }

    /// Returns `true` if every check passed, or if there is none.
    pub fn checks_passed(&self) -> bool {
        self.checks.iter().all(CheckResult::passed)
    }

    /// Returns `true` if a check fails or a candidate was left out by anyone but the user.
    pub fn needs_attention(&self) -> bool {
        let by_user = |out: &LeftOut| out.reason == LeftOutReason::ByUser;
        !self.checks_passed() || !self.left_out.iter().all(by_user)
    }
}

/// A landing of a run on its target branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Landing {
    /// The target branch, without `refs/heads/`.
    pub target: String,
    /// The target's commit before.
    pub from: Oid,
    /// The target's commit after.
    pub to: Oid,
    /// The time.
    pub at: Timestamp,
    /// The full name of the reference that keeps the target's commit before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}
