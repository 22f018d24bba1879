//! When each worker may start its next attempt. It reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::model::run::RunState;
use crate::model::task_state::TaskState;
use crate::schedule::Limits;
use crate::schedule::slots::start_interval;

/// The workers that rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Starts {
    until: BTreeMap<String, Instant>,
}

impl Starts {
    /// Who rests when a process goes on with a run that another one drove: as its journal says, who
    /// was told to and who had just started. `today` and `now` are the same moment.
    pub fn taken_up(state: &RunState, limits: &Limits, today: Timestamp, now: Instant) -> Starts {
        let mut starts = Starts::default();
        let mut rest = |worker: &str, until: Timestamp| {
            let wait = Duration::try_from(until.duration_since(today));
            starts.rest(worker, now, wait.unwrap_or_default());
        };
        for (worker, until) in state.worker_health.cooldowns() {
            rest(worker, until);
        }
        for attempt in state.tasks.iter().filter_map(TaskState::last_attempt) {
            let interval = start_interval(state, limits, &attempt.worker);
            let interval = SignedDuration::try_from(interval).unwrap_or_default();
            if let Ok(until) = attempt.started.checked_add(interval) {
                rest(&attempt.worker, until);
            }
        }
        starts
    }

    /// The worker rests for so long; a longer rest stays.
    pub fn rest(&mut self, worker: &str, now: Instant, rest: Duration) {
        let Some(until) = now.checked_add(rest).filter(|_| !rest.is_zero()) else {
            return;
        };
        let known = self.until.entry(worker.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// Who rests now.
    pub fn resting(&mut self, now: Instant) -> BTreeSet<String> {
        self.until.retain(|_, until| *until > now);
        self.until.keys().cloned().collect()
    }

    /// How long until one of them has rested.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let rests = self.until.values();
        rests
            .map(|until| until.saturating_duration_since(now))
            .min()
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
            let (today, now) = (today.parse().unwrap(), Instant::now());
            let mut starts = Starts::taken_up(&state, &limits, today, now);
            let resting = Vec::from_iter(starts.resting(now));
            (
                resting.join(" "),
                starts.due_in(now).map(|due| due.as_secs()),
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
        let mut starts = Starts::default();
        starts.rest("shell", now, Duration::ZERO);
        assert_eq!((starts.resting(now).len(), starts.due_in(now)), (0, None));
        starts.rest("claude", now, 20 * SECOND);
        starts.rest("claude", now, SECOND);
        starts.rest("codex", now, 2 * SECOND);
        assert_eq!(starts.due_in(now), Some(2 * SECOND));
        let later = now + 3 * SECOND;
        assert_eq!(starts.resting(later), BTreeSet::from(["claude".to_owned()]));
        assert_eq!(starts.due_in(later), Some(17 * SECOND));
        assert!(starts.resting(now + 20 * SECOND).is_empty());
    }
}
