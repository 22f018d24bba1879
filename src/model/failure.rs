//! The class, message and evidence of a failed attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The failure of an attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The class, which decides whether the task is retried.
    pub class: FailureClass,
    /// The error in one line.
    pub message: String,
    /// The cause, as the worker or the failing check reports it.
    pub root_cause: Option<String>,
    /// A fix, as the worker suggests it.
    pub suggestion: Option<String>,
    /// The evidence for the class: `exit code 75 (EX_TEMPFAIL)`.
    pub evidence: String,
    /// The normalised failure; two equal signatures in a row without new commits end the retries.
    pub signature: String,
    /// The time at which the provider's limit resets, if the worker's output contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
    /// `true` if the provider limited the rate of requests, so fewer workers should run at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rate_limited: bool,
    /// `true` if the provider refused access whatever the task: no login, no credit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub access_denied: bool,
    /// The kind within the class, where it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
}

/// Kinds of failure that the worker did not cause and that use up no retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The set-up of the worktree failed, so the worker never ran.
    Setup,
}

/// The classes of failure (`docs/failures.md`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// A retry may pass: timeout, rate limit, flaky test.
    Transient,
    /// A usage limit that resets at a known time.
    Quota,
    /// Invalid file, schema or command line.
    Input,
    /// Wrong approach, failed checks, no change.
    Logic,
    /// A conflict with another task.
    Conflict,
    /// Login, permission, disk, missing program: needs the user's attention.
    Blocker,
    /// The run was interrupted.
    Interrupted,
}
