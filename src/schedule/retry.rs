//! Decides if and when a failed task is retried.
//!
//! Exponential backoff with full jitter: the delay is drawn from (0, min(cap, base·2^n)), which
//! spreads clients that failed together (AWS Architecture Blog, "Exponential Backoff And Jitter").

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::attempt::Attempt;
use crate::model::failure::FailureClass;
use crate::model::ids::{TaskVariant, VariantNumber};
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::schedule::limits::Limits;

/// Returns the time of the retry of a failed task or variant; `None` for no retry.
pub fn retry_due(state: &RunState, of: TaskVariant, limits: &Limits) -> Option<Timestamp> {
    let task = state.task(of.task);
    let last = task.last_attempt_of(of.variant)?;
    let failure = last.failure()?;
    let is_due = *task.phase_of(of.variant) == TaskPhase::Failed && last.is_counted();
    if !is_due || failure.class != FailureClass::Transient {
        return None;
    }
    let before = task.counted_attempts_of(of.variant).rev().nth(1);
    let tries = tries(task, of.variant, failure.rate_limited);
    if tries > allowed(state, of, limits, failure.rate_limited)
        || before.is_some_and(|before| last.repeats(before))
    {
        return None;
    }
    let delay = backoff(limits, tries.saturating_sub(1), last.jitter);
    let ended = last.ended?;
    let due = ended
        .checked_add(SignedDuration::try_from(delay).ok()?)
        .unwrap_or(ended);
    // A later reset time of the server outranks the drawn delay.
    Some(failure.reset_at.map_or(due, |reset| due.max(reset)))
}

/// Counts the last failures in a row of this kind.
///
/// Rate limits depend on the provider and not on the task, so they are counted separately.
fn tries(task: &TaskState, variant: Option<VariantNumber>, rate_limited: bool) -> u32 {
    let counted = task.counted_attempts_of(variant).rev();
    let failures = counted.map_while(Attempt::failure);
    let alike = failures.filter(|failure| failure.rate_limited == rate_limited);
    alike.count() as u32
}

fn allowed(state: &RunState, of: TaskVariant, limits: &Limits, rate_limited: bool) -> u32 {
    let usual = match rate_limited {
        true => limits.rate_limit_retries,
        false => limits.transient_retries,
    };
    state.plan.task(of.task).fields.retries.unwrap_or(usual)
}

fn backoff(limits: &Limits, retry: u32, jitter: f64) -> Duration {
    let cap = limits.max_delay.as_secs_f64();
    let ceiling = (limits.base_delay.as_secs_f64() * 2f64.powi(retry.min(64) as i32)).min(cap);
    Duration::from_secs_f64(ceiling * jitter.clamp(0.0, 1.0))
}

/// Returns the number of retries a task or variant has spent or scheduled.
pub(super) fn retries_spent(task: &TaskState, variant: Option<VariantNumber>) -> u32 {
    let retries = task.retries_of(variant);
    match task.phase_of(variant) {
        // A due retry that waits for a slot counts like a scheduled one.
        TaskPhase::RetryAt(_) | TaskPhase::Queued => retries,
        _ => retries.saturating_sub(1),
    }
}
