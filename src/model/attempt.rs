//! One attempt at a task.

use jiff::Timestamp;

use crate::merge::oid::Oid;
use crate::model::failure::{Failure, FailureClass};
use crate::model::ids::{AttemptNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};

/// One attempt at a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// The number, from 1.
    pub number: AttemptNumber,
    /// The variant of the task it belongs to, if the task has any.
    pub variant: Option<VariantNumber>,
    /// The worker profile.
    pub worker: String,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The path of the worktree, relative to the main checkout.
    pub worktree: String,
    /// The executor, if it does not run on this machine.
    pub executor: Option<String>,
    /// The host or node of the executor, once known.
    pub host: Option<String>,
    /// The base commit, once known.
    pub base: Option<Oid>,
    /// `true` if its worktree is one of the pool that an earlier attempt had used.
    pub warm: bool,
    /// The time at which it was announced.
    pub started: Timestamp,
    /// The time at which it ended.
    pub ended: Option<Timestamp>,
    /// The outcome, once it ended.
    pub outcome: Option<Outcome>,
    /// `true` if it offers commits that the user made; its worker did nothing.
    pub by_hand: bool,
    /// The random number in the delay of a retry.
    pub jitter: f64,
}

impl Attempt {
    /// Returns `true` if it uses up a retry.
    ///
    /// Interrupted attempts, used-up quotas and failed worktree set-ups do not.
    pub fn is_counted(&self) -> bool {
        match self.outcome.as_ref().map(|outcome| &outcome.end) {
            Some(End::Interrupted {}) => false,
            Some(End::Failed(failure)) => {
                failure.class != FailureClass::Quota && failure.kind.is_none()
            }
            _ => true,
        }
    }

    /// Returns the failure, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome.as_ref()?.end {
            End::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns `true` if it failed like the previous attempt and neither left a commit, so a third
    /// would fail too.
    ///
    /// Rate limits and limits with a reset time do not count: they depend on the provider, not on
    /// the task.
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
