//! How an attempt ended.

use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::oid::Oid;
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::ids::AttemptNumber;
use crate::model::integration::CheckResult;
use crate::model::kept_changes::KeptChanges;
use crate::model::outside_changes::OutsideChange;
use crate::model::usage::{Cost, Usage};
use crate::model::worker_report::WorkerReport;

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Passed, failed, interrupted.
    #[serde(flatten)]
    pub end: End,
    /// What the worker reported.
    #[serde(default)]
    pub report: WorkerReport,
    /// The task's checks that were run.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// Processes that outlived the worker and were killed, by name.
    #[serde(default)]
    pub killed_processes: Vec<String>,
    /// What dispatch has to say about it (a dropped board file, a large file).
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What it changed outside the `files` its task declares, where that is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<RepoPath>,
    /// How long the worker ran, in milliseconds by the monotonic clock.
    #[serde(default)]
    pub millis: u64,
    /// What changed outside its worktree while it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_changes: Vec<OutsideChange>,
    /// The earlier attempt that failed with the very files it passed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky: Option<AttemptNumber>,
    /// Commits that are to be kept for good: the candidate or what a failed attempt left.
    #[serde(default)]
    pub kept: Option<Oid>,
    /// What a failed attempt changed, as far as that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_changes: Option<KeptChanges>,
    /// The tokens the worker used, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the worker says it cost.
    #[serde(default, skip_serializing_if = "Cost::is_unknown")]
    pub cost: Cost,
    /// The agent's name for its session, with which it can be taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The three ways an attempt ends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It offers a candidate, or a report.
    Passed {
        /// The commit; none if there was no change (a report, or `allow_empty`).
        candidate: Option<Oid>,
        /// How much it changed.
        stat: ChangeStat,
        /// The report text of an `info` task.
        info: Option<String>,
    },
    /// It did not do its task.
    Failed(Failure),
    /// It was cut short by the run, not by itself, and counts as no attempt.
    Interrupted {},
}

impl Outcome {
    /// Whether it is a failure of this kind.
    pub fn is_kind(&self, kind: FailureKind) -> bool {
        matches!(&self.end, End::Failed(failure) if failure.kind == Some(kind))
    }

    /// Returns `true` if the worker ran into its usage limit.
    pub fn is_over_quota(&self) -> bool {
        matches!(&self.end, End::Failed(failure) if failure.class == FailureClass::Quota)
    }
}
