//! One attempt at a task.

use jiff::Timestamp;

use crate::merge::oid::Oid;
use crate::model::failure::{Failure, FailureClass};
use crate::model::ids::AttemptNumber;
use crate::model::outcome::{End, Outcome};

/// One try at a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: AttemptNumber,
    /// The worker profile.
    pub worker: String,
    /// Its branch, without `refs/heads/`.
    pub branch: String,
    /// Where its worktree is or was, from the top of the main checkout.
    pub worktree: String,
    /// The commit it works on, once known.
    pub base: Option<Oid>,
    /// When it was announced.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The draw for the delay of a retry.
    pub jitter: f64,
}

impl Attempt {
    /// Whether it uses up a retry: not when the run cut it short, not when its worker had nothing
    /// left to work with, and not when it never had a worktree to work in.
    pub fn is_counted(&self) -> bool {
        match self.outcome.as_ref().map(|outcome| &outcome.end) {
            Some(End::Interrupted {}) => false,
            Some(End::Failed(failure)) => {
                failure.class != FailureClass::Quota && failure.kind.is_none()
            }
            _ => true,
        }
    }

    /// How it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome.as_ref()?.end {
            End::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether it failed as the attempt before did, and neither left a commit: then it would fail a
    /// third time. Not where the provider was asked too often, or the server said when to come
    /// back: that says nothing about the task.
    pub fn repeats(&self, before: &Attempt) -> bool {
        let kept = |attempt: &Attempt| attempt.outcome.as_ref().and_then(|outcome| outcome.kept);
        match (self.failure(), before.failure()) {
            (Some(last), Some(earlier)) => {
                last.signature == earlier.signature
                    && !last.rate_limited
                    && last.reset_at.is_none()
                    && kept(self).is_none()
                    && kept(before).is_none()
            }
            _ => false,
        }
    }
}
