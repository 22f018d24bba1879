//! How often something may be done again that grows with the run: soon, but never for more than a
//! small share of the time.

use std::time::{Duration, Instant};

/// The work rests this many times as long as it took.
const REST: u32 = 20;

/// When the next round of a repeated piece of work is due. It reads no clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pace {
    wanted: bool,
    began: Option<Instant>,
    rested: Option<Instant>,
    least: Duration,
}

impl Pace {
    /// At least this long from the end of one round to the next, and from now to the first.
    pub fn every(least: Duration, now: Instant) -> Pace {
        Pace {
            least,
            rested: now.checked_add(least),
            ..Pace::default()
        }
    }

    /// Something has changed, so a round is due when the last one is over and has been rested from.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// Nothing is left that a round would be for.
    pub fn give_up(&mut self) {
        self.wanted = false;
    }

    /// How long until a round is due; `None` if none is wanted or one is under way.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.wanted || self.began.is_some() {
            return None;
        }
        let rested = self.rested.unwrap_or(now);
        Some(rested.saturating_duration_since(now))
    }

    /// A round begins.
    pub fn begin(&mut self, now: Instant) {
        self.wanted = false;
        self.began = Some(now);
    }

    /// The round is over.
    pub fn end(&mut self, now: Instant) {
        let took = self.began.take().map(|began| now - began);
        let rest = (took.unwrap_or_default() * REST).max(self.least);
        self.rested = now.checked_add(rest);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_round_is_due_at_once_and_only_when_wanted() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due_in(now), None);
        pace.want();
        assert_eq!(pace.due_in(now), Some(Duration::ZERO));
        pace.give_up();
        assert_eq!(pace.due_in(now), None);
    }

    #[test]
    fn what_changes_during_a_round_makes_one_more_after_a_rest() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.want();
        pace.begin(start);
        pace.want();
        assert_eq!(pace.due_in(start), None, "one is under way");
        let end = start + SECOND;
        pace.end(end);
        assert_eq!(pace.due_in(end), Some(20 * SECOND));
        assert_eq!(pace.due_in(end + 25 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn quick_rounds_keep_their_distance_and_slow_ones_keep_more() {
        let start = Instant::now();
        let mut pace = Pace::every(SECOND, start);
        pace.want();
        assert_eq!(pace.due_in(start), Some(SECOND));
        pace.begin(start + SECOND);
        pace.end(start + SECOND);
        pace.want();
        assert_eq!(pace.due_in(start + SECOND), Some(SECOND));
        pace.begin(start + 2 * SECOND);
        pace.end(start + 3 * SECOND);
        pace.want();
        assert_eq!(pace.due_in(start + 3 * SECOND), Some(20 * SECOND));
    }

    #[test]
    fn the_share_of_time_stays_small_however_often_something_changes() {
        let start = Instant::now();
        let (mut now, mut busy) = (start, Duration::ZERO);
        let mut pace = Pace::default();
        while now < start + 600 * SECOND {
            pace.want();
            now += pace.due_in(now).unwrap();
            pace.begin(now);
            now += SECOND;
            busy += SECOND;
            pace.end(now);
        }
        assert!(busy * 20 <= now - start);
    }
}
