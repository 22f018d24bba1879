//! Whether and when a failed task is tried again.
//!
//! Exponential backoff with full jitter: the delay is drawn from (0, min(cap, base·2^n)), which
//! spreads clients that failed together (AWS Architecture Blog, "Exponential Backoff And Jitter").

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::event::{End, Failure, FailureClass};
use crate::model::ids::TaskNumber;
use crate::model::run::{Attempt, RunState, TaskPhase};
use crate::schedule::decide::Limits;

/// When a failed task is to be tried again, or `None` if it is not.
pub fn retry_due(state: &RunState, number: TaskNumber, limits: &Limits) -> Option<Timestamp> {
    let task = state.task(number);
    if task.phase != TaskPhase::Failed {
        return None;
    }
    let allowed = state
        .plan
        .task(number)
        .fields
        .retries
        .unwrap_or(limits.transient_retries);
    // What passed in between, and was done again because of a conflict, was no failure.
    let failed = task
        .counted_attempts()
        .rev()
        .take_while(|a| failure(a).is_some());
    let tries = failed.count() as u32;
    let mut counted = task.counted_attempts().rev();
    let last = counted.next()?;
    let failure = failure(last)?;
    let transient = failure.class == FailureClass::Transient;
    if !transient || tries > allowed || is_repeated(last, counted.next()) {
        return None;
    }
    let delay = backoff(limits, tries.saturating_sub(1), last.jitter);
    let ended = last.ended?;
    let due = ended
        .checked_add(SignedDuration::try_from(delay).ok()?)
        .unwrap_or(ended);
    // What the server said goes before what was drawn, if it asks for more patience.
    Some(failure.reset_at.map_or(due, |reset| due.max(reset)))
}

/// The same failure twice in a row without new commits will not pass a third time.
fn is_repeated(last: &Attempt, before: Option<&Attempt>) -> bool {
    let kept = |attempt: &Attempt| attempt.outcome.as_ref().and_then(|outcome| outcome.kept);
    let signature = |attempt| failure(attempt).map(|failure| failure.signature.as_str());
    before.is_some_and(|before| {
        signature(last) == signature(before) && kept(last).is_none() && kept(before).is_none()
    })
}

fn failure(attempt: &Attempt) -> Option<&Failure> {
    match &attempt.outcome.as_ref()?.end {
        End::Failed(failure) => Some(failure),
        _ => None,
    }
}

fn backoff(limits: &Limits, retry: u32, jitter: f64) -> Duration {
    let cap = limits.max_delay.as_secs_f64();
    let ceiling = (limits.base_delay.as_secs_f64() * 2f64.powi(retry.min(64) as i32)).min(cap);
    Duration::from_secs_f64(ceiling * jitter.clamp(0.0, 1.0))
}

/// How many retries the run has spent or promised.
pub fn spent(state: &RunState) -> u32 {
    let of_task = |task: &crate::model::run::TaskState| match task.phase {
        // A retry that is due and waits for room is promised as much as one that is scheduled.
        TaskPhase::RetryAt(_) | TaskPhase::Queued => task.retries(),
        _ => task.retries().saturating_sub(1),
    };
    state.tasks.iter().map(of_task).sum()
}
