//! When each worker may start its next attempt. It reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The workers that rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Starts {
    until: BTreeMap<String, Instant>,
}

impl Starts {
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
mod tests {
    use super::*;

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
