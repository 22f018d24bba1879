//! The outcome of an attempt.

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

/// The outcome of an attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Passed, failed or interrupted.
    #[serde(flatten)]
    pub end: End,
    /// The worker's report.
    #[serde(default)]
    pub report: WorkerReport,
    /// The results of the task's checks.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// The names of processes that outlived the worker and were killed.
    #[serde(default)]
    pub killed_processes: Vec<String>,
    /// Warnings of dispatch about the attempt (a dropped board file, a large file).
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Those of the warnings that name work which the result does not contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// Those of the warnings that name lines with a secret, which is masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The changed paths outside the task's `files`, where they are checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<RepoPath>,
    /// The worker's run time in milliseconds, by the monotonic clock.
    #[serde(default)]
    pub millis: u64,
    /// The changes outside its worktree while it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_changes: Vec<OutsideChange>,
    /// The earlier attempt that failed with the same tree this one passed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky: Option<AttemptNumber>,
    /// The commit to keep: the candidate, or the work of a failed attempt.
    #[serde(default)]
    pub kept: Option<Oid>,
    /// The kept changes of a failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_changes: Option<KeptChanges>,
    /// The tokens the worker reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The cost the worker reports.
    #[serde(default, skip_serializing_if = "Cost::is_unknown")]
    pub cost: Cost,
    /// The agent's session id, with which the session can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The three ways an attempt ends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It passed with a candidate or a report.
    Passed {
        /// The commit; none if there was no change (a report, or `allow_empty`).
        candidate: Option<Oid>,
        /// The number of changed files and lines.
        stat: ChangeStat,
        /// The report text of an `info` task.
        info: Option<String>,
    },
    /// It failed.
    Failed(Failure),
    /// The run interrupted it; it uses up no retry.
    Interrupted {},
}

impl Outcome {
    /// Returns `true` if it is a failure of this kind.
    pub fn is_kind(&self, kind: FailureKind) -> bool {
        matches!(&self.end, End::Failed(failure) if failure.kind == Some(kind))
    }

    /// Returns `true` if the worker ran into its usage limit.
    pub fn is_over_quota(&self) -> bool {
        matches!(&self.end, End::Failed(failure) if failure.class == FailureClass::Quota)
    }

    /// Returns the commits that the attempt left: its candidate, and its kept work.
    pub fn commits(&self) -> impl Iterator<Item = Oid> {
        let candidate = match self.end {
            End::Passed { candidate, .. } => candidate,
            _ => None,
        };
        candidate.into_iter().chain(self.kept)
    }
}
