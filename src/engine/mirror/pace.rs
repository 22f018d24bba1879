//! Keeps to GitHub's limits on requests that write.
//!
//! From GitHub's manual, "Best practices for using the REST API" and "Rate limits": at least one second
//! between requests that write, no two at once, and no more than 80 in a minute that make content, which
//! notifies people.

use std::time::{Duration, Instant};

/// The pause between two requests that write.
const BETWEEN: Duration = Duration::from_secs(1);

/// The time in which one more piece of content is allowed, somewhat more than a minute's 80th part.
const PER_CONTENT: Duration = Duration::from_millis(800);

/// The pieces of content that may come at once.
const AT_ONCE: u32 = 40;

/// The pace of the requests.
#[derive(Debug)]
pub struct Pace {
    /// `false` if time stands still, so that nothing can be waited for.
    waits: bool,
    last: Option<Instant>,
    /// The time by which all content so far would have come one by one.
    content_until: Option<Instant>,
}

impl Pace {
    /// Starts; without `waits` no pause is made.
    pub fn new(waits: bool) -> Pace {
        Pace {
            waits,
            last: None,
            content_until: None,
        }
    }

    /// Returns `false` if time stands still.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Waits until a request with so much content is allowed, and counts it.
    pub fn take(&mut self, content: usize) {
        let now = Instant::now();
        self.pause(self.due(now).saturating_duration_since(now));
        let now = Instant::now();
        self.count(now, content);
    }

    /// Waits, unless time stands still.
    pub fn pause(&self, time: Duration) {
        if self.waits && !time.is_zero() {
            std::thread::sleep(time);
        }
    }

    /// Returns the time from which the next request is allowed.
    fn due(&self, now: Instant) -> Instant {
        let after_last = self.last.map_or(now, |last| last + BETWEEN);
        let after_content = self.content_until.map_or(now, |until| {
            until.checked_sub(PER_CONTENT * AT_ONCE).unwrap_or(now)
        });
        after_last.max(after_content)
    }

    fn count(&mut self, now: Instant, content: usize) {
        self.last = Some(now);
        let from = self.content_until.map_or(now, |until| until.max(now));
        let content = u32::try_from(content).unwrap_or(u32::MAX);
        self.content_until = Some(from + PER_CONTENT * content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_burst_is_free_and_the_rest_comes_one_by_one() {
        let mut pace = Pace::new(true);
        let start = Instant::now();
        let seconds =
            |pace: &Pace, now: Instant| pace.due(now).saturating_duration_since(now).as_secs_f64();
        assert_eq!(seconds(&pace, start), 0.0);
        for _ in 0..8 {
            pace.count(start, 5);
        }
        assert_eq!(seconds(&pace, start), 1.0);
        pace.count(start, 5);
        assert_eq!(seconds(&pace, start), 4.0);
        // A minute has room for at most 80 more.
        let later = start + Duration::from_secs(60);
        pace.count(later, 0);
        assert_eq!(seconds(&pace, later), 1.0);
    }
}
