//! Cooldowns of workers between two starts. It reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::engine::run::now::Now;
use crate::model::run::RunState;
use crate::schedule::Limits;
use crate::schedule::slots::start_interval;

/// The workers that may not start an attempt at this moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cooldowns {
    until: BTreeMap<String, Instant>,
}

impl Cooldowns {
    /// The cooldowns of a run that another process drove, as its journal records them: workers that a
    /// rate limit slowed down, and workers that had just started.
    pub fn resume(state: &RunState, limits: &Limits, now: Now) -> Cooldowns {
        let mut cooldowns = Cooldowns::default();
        let mut begin = |worker: &str, until: Timestamp| {
            let wait = Duration::try_from(until.duration_since(now.time));
            cooldowns.start(worker, now.instant, wait.unwrap_or_default());
        };
        for (worker, until) in state.worker_health.cooldowns() {
            begin(worker, until);
        }
        for attempt in state.tasks.iter().filter_map(|task| task.last_attempt()) {
            let interval = start_interval(state, limits, &attempt.worker);
            let interval = SignedDuration::try_from(interval).unwrap_or_default();
            if let Ok(until) = attempt.started.checked_add(interval) {
                begin(&attempt.worker, until);
            }
        }
        cooldowns
    }

    /// Starts a cooldown of this worker, unless a longer one is running.
    pub fn start(&mut self, worker: &str, now: Instant, time: Duration) {
        let Some(until) = now.checked_add(time).filter(|_| !time.is_zero()) else {
            return;
        };
        let known = self.until.entry(worker.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// Returns the workers in a cooldown.
    pub fn resting(&mut self, now: Instant) -> BTreeSet<String> {
        self.until.retain(|_, until| *until > now);
        self.until.keys().cloned().collect()
    }

    /// Returns the time until the next cooldown ends.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let ends = self.until.values();
        ends.map(|until| until.saturating_duration_since(now)).min()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::failure::FailureClass;
    use crate::model::fixture::{RunFixture, failure};
    use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};

    #[test]
    fn what_a_server_asked_for_and_the_last_start_outlive_the_process() {
        let mut limit = failure(FailureClass::Transient, "429");
        limit.rate_limited = true;
        limit.reset_at = Some("2026-11-22T09:20:00Z".parse().unwrap());
        let run = RunFixture::new("a · b")
            .begin(1, "claude")
            .begin(2, "codex");
        let state = run.fail_with(1, limit, 1).state();
        let codex = WorkerLimits {
            stagger: Duration::from_secs(30),
            ..WorkerLimits::default()
        };
        let limits = Limits {
            pool: WorkerPool {
                workers: BTreeMap::from([("codex".to_owned(), codex)]),
                ..WorkerPool::default()
            },
            ..Limits::default()
        };
        let rests = |today: &str| {
            let (time, instant) = (today.parse().unwrap(), Instant::now());
            let mut cooldowns = Cooldowns::resume(&state, &limits, Now { instant, time });
            let resting = Vec::from_iter(cooldowns.resting(instant));
            (
                resting.join(" "),
                cooldowns.due_in(instant).map(|due| due.as_secs()),
            )
        };
        // Both started a few seconds after 09:14:00.
        assert_eq!(
            rests("2026-11-22T09:14:14Z"),
            ("claude codex".to_owned(), Some(20))
        );
        assert_eq!(
            rests("2026-11-22T09:15:00Z"),
            ("claude".to_owned(), Some(300))
        );
        assert_eq!(rests("2026-11-22T09:20:00Z"), (String::new(), None));
    }

    #[test]
    fn a_worker_rests_as_long_as_the_longest_reason_asks_for() {
        const SECOND: Duration = Duration::from_secs(1);
        let now = Instant::now();
        let mut cooldowns = Cooldowns::default();
        cooldowns.start("shell", now, Duration::ZERO);
        assert_eq!(
            (cooldowns.resting(now).len(), cooldowns.due_in(now)),
            (0, None)
        );
        cooldowns.start("claude", now, 20 * SECOND);
        cooldowns.start("claude", now, SECOND);
        cooldowns.start("codex", now, 2 * SECOND);
        assert_eq!(cooldowns.due_in(now), Some(2 * SECOND));
        let later = now + 3 * SECOND;
        assert_eq!(
            cooldowns.resting(later),
            BTreeSet::from(["claude".to_owned()])
        );
        assert_eq!(cooldowns.due_in(later), Some(17 * SECOND));
        assert!(cooldowns.resting(now + 20 * SECOND).is_empty());
    }
}
