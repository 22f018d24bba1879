//! Parks workers whose provider refuses until a later time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::attempt::Attempt;
use crate::model::failure::{Failure, FailureClass};
use crate::model::ids::TaskVariant;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::schedule::Limits;

/// The first parking of a worker whose output has no reset time; it doubles each time.
const UNKNOWN_RESET: Duration = Duration::from_secs(30 * 60);

/// The longest such parking; the limits of most agents reset within five hours.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(5 * 3600);

/// Returns the worker to park after the last attempt of a task or variant, the end and the reason.
pub(super) fn parking_due(
    state: &RunState,
    of: TaskVariant,
    limits: &Limits,
) -> Option<(String, Timestamp, String)> {
    let now = state.task(of.task);
    if *now.phase_of(of.variant) != TaskPhase::Failed {
        return None;
    }
    let last = now.last_attempt_of(of.variant)?;
    let has_limits = limits.pool.workers.contains_key(&last.worker);
    if !has_limits || !now.hit_quota_of(of.variant, &last.worker) {
        return None;
    }
    let until = parked_until(state, last, limits)?;
    Some((last.worker.clone(), until, failure(last)?.message.clone()))
}

fn failure(attempt: &Attempt) -> Option<&Failure> {
    match &attempt.outcome.as_ref()?.end {
        End::Failed(failure) if failure.class == FailureClass::Quota => Some(failure),
        _ => None,
    }
}

/// Returns the reset time plus jitter, so that not all workers start at the same moment.
///
/// Without a reset time, or with one that was too early, the parking grows each time.
fn parked_until(state: &RunState, last: &Attempt, limits: &Limits) -> Option<Timestamp> {
    let ended = last.ended?;
    let known = state.worker_health.record(&last.worker);
    let before = known.map_or(0, |known| {
        // A success of another attempt may have reset the count meanwhile.
        known
            .parkings
            .saturating_sub(u32::from(known.parked.is_some()))
    });
    let named = failure(last)?.reset_at;
    let pause = match (named, before) {
        (Some(_), 0) => Duration::ZERO,
        (Some(_), again) => limits.base_delay.saturating_mul(1 << again.min(16)),
        (None, again) => UNKNOWN_RESET.saturating_mul(1 << again.min(16)),
    };
    let at_least = later(ended, pause.min(LONGEST_UNKNOWN))?;
    let until = named.map_or(at_least, |named| named.max(at_least));
    let jitter = limits.base_delay.mul_f64(last.jitter.clamp(0.0, 1.0));
    later(until, Duration::from_millis(jitter.as_millis() as u64))
}

fn later(time: Timestamp, by: Duration) -> Option<Timestamp> {
    time.checked_add(SignedDuration::try_from(by).ok()?).ok()
}
