//! A failed attempt's class, message and evidence.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why an attempt failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its class, which decides what happens next.
    pub class: FailureClass,
    /// One line: what went wrong.
    pub message: String,
    /// Why, in the worker's own words or the failing check's; none if nobody said.
    pub root_cause: Option<String>,
    /// What to do about it, in the worker's own words; none if nobody said.
    pub suggestion: Option<String>,
    /// What the class rests on: `exit code 75 (EX_TEMPFAIL)`.
    pub evidence: String,
    /// The normalised failure: equal twice in a row without new commits means it will not pass.
    pub signature: String,
    /// When the limit it ran into ends, if the worker's output says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
    /// Whether its provider was asked too often, so that fewer should ask at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rate_limited: bool,
    /// Whether its provider did not let it in, whatever the task: no login, a bill.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub access_denied: bool,
    /// What kind within its class, where that is to be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
}

/// Failures that are no fault of the worker's and use up no retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Its worktree could not be set up, so that the worker never ran.
    Setup,
}

/// The classes of failure (`docs/failures.md`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// May pass if tried again: timeout, rate limit, flaky.
    Transient,
    /// A limit that ends at a known time.
    Quota,
    /// Bad file, bad schema, bad command line.
    Input,
    /// Wrong approach, failed checks, no change.
    Logic,
    /// Two tasks at one place.
    Conflict,
    /// Login, permission, disk, missing program: a person is needed.
    Blocker,
    /// A person ended it.
    Cancelled,
    /// The run was interrupted.
    Interrupted,
}
