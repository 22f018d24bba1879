//! Throttles background work that grows with the run to 5 % of its time.

use std::time::{Duration, Instant};

/// The pause after a round, as a multiple of the round's time.
const PAUSE_FACTOR: u32 = 20;

/// Decides when the next round of background work is due. It reads no clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Throttle {
    requested: bool,
    began: Option<Instant>,
    rests_until: Option<Instant>,
    least: Duration,
}

impl Throttle {
    /// Creates a throttle with at least this long between two rounds, and from now to the first.
    pub fn every(least: Duration, now: Instant) -> Throttle {
        Throttle {
            least,
            rests_until: now.checked_add(least),
            ..Throttle::default()
        }
    }

    /// Requests a round after a change.
    pub fn request(&mut self) {
        self.requested = true;
    }

    /// Withdraws the request.
    pub fn withdraw(&mut self) {
        self.requested = false;
    }

    /// Returns the time until a round is due; `None` if none is requested or one is under way.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.requested || self.began.is_some() {
            return None;
        }
        let rests_until = self.rests_until.unwrap_or(now);
        Some(rests_until.saturating_duration_since(now))
    }

    /// Begins a round.
    pub fn begin(&mut self, now: Instant) {
        self.requested = false;
        self.began = Some(now);
    }

    /// Ends the round.
    pub fn end(&mut self, now: Instant) {
        let took = self.began.take().map(|began| now - began);
        let pause = (took.unwrap_or_default() * PAUSE_FACTOR).max(self.least);
        self.rests_until = now.checked_add(pause);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_round_is_due_at_once_and_only_when_requested() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.due_in(now), None);
        throttle.request();
        assert_eq!(throttle.due_in(now), Some(Duration::ZERO));
        throttle.withdraw();
        assert_eq!(throttle.due_in(now), None);
    }

    #[test]
    fn what_changes_during_a_round_makes_one_more_after_a_rest() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        throttle.request();
        throttle.begin(start);
        throttle.request();
        assert_eq!(throttle.due_in(start), None, "one is under way");
        let end = start + SECOND;
        throttle.end(end);
        assert_eq!(throttle.due_in(end), Some(20 * SECOND));
        assert_eq!(throttle.due_in(end + 25 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn quick_rounds_keep_their_distance_and_slow_ones_keep_more() {
        let start = Instant::now();
        let mut throttle = Throttle::every(SECOND, start);
        throttle.request();
        assert_eq!(throttle.due_in(start), Some(SECOND));
        throttle.begin(start + SECOND);
        throttle.end(start + SECOND);
        throttle.request();
        assert_eq!(throttle.due_in(start + SECOND), Some(SECOND));
        throttle.begin(start + 2 * SECOND);
        throttle.end(start + 3 * SECOND);
        throttle.request();
        assert_eq!(throttle.due_in(start + 3 * SECOND), Some(20 * SECOND));
    }

    #[test]
    fn the_share_of_time_stays_small_however_often_something_changes() {
        let start = Instant::now();
        let (mut now, mut busy) = (start, Duration::ZERO);
        let mut throttle = Throttle::default();
        while now < start + 600 * SECOND {
            throttle.request();
            now += throttle.due_in(now).unwrap();
            throttle.begin(now);
            now += SECOND;
            busy += SECOND;
            throttle.end(now);
        }
        assert!(busy * 20 <= now - start);
    }
}
