//! Keeps to GitHub's limits on requests that write.
//!
//! From GitHub's manual, "Best practices for using the REST API" and "Rate limits": at least one second
//! between requests that write, no two at once, and of requests that make content, which notifies people,
//! no more than 80 in a minute and 500 in an hour. A little is left for what the user does there meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The pause between two requests that write.
const BETWEEN: Duration = Duration::from_secs(1);

/// The limits on pieces of content: the time, and the most in it.
const LIMITS: [(Duration, usize); 2] = [
    (Duration::from_secs(60), 75),
    (Duration::from_secs(3600), 480),
];

/// The pace of the requests.
#[derive(Debug)]
pub struct Pace {
    /// `false` if time stands still, so that nothing can be waited for.
    waits: bool,
    last: Option<Instant>,
    /// The times of the pieces of content within the longest limit, the oldest first.
    content: VecDeque<Instant>,
}

impl Pace {
    /// Starts; without `waits` no pause is made.
    pub fn new(waits: bool) -> Pace {
        Pace {
            waits,
            last: None,
            content: VecDeque::new(),
        }
    }

    /// Returns `false` if time stands still.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Returns the time until a request with so much content is allowed.
    pub fn delay(&self, content: usize) -> Duration {
        let now = Instant::now();
        match self.waits {
            true => self.due(now, content).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }

    /// Counts a request with so much content.
    pub fn count(&mut self, content: usize) {
        self.count_at(Instant::now(), content);
    }

    /// Waits, unless time stands still.
    pub fn pause(&self, time: Duration) {
        if self.waits && !time.is_zero() {
            std::thread::sleep(time);
        }
    }

    /// Returns the time from which the next request is allowed.
    fn due(&self, now: Instant, content: usize) -> Instant {
        let after_last = self.last.map_or(now, |last| last + BETWEEN);
        let limits = LIMITS.into_iter().filter(|_| content > 0);
        let after_content = limits.filter_map(|(time, most)| {
            // So many of the pieces so far must be older than the limit.
            let over = (self.content.len() + content).checked_sub(most + 1)?;
            let blocking = self.content.get(over).or(self.content.back())?;
            Some(*blocking + time)
        });
        after_content.fold(after_last, Instant::max)
    }

    fn count_at(&mut self, now: Instant, content: usize) {
        self.last = Some(now);
        self.content.extend(std::iter::repeat_n(now, content));
        let longest = LIMITS.map(|(time, _)| time).into_iter().max();
        let is_old = |at: &Instant| now.duration_since(*at) > longest.unwrap_or_default();
        while self.content.front().is_some_and(is_old) {
            self.content.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends requests with five pieces of content each as fast as allowed. Returns their times in seconds.
    fn times(count: usize) -> Vec<f64> {
        let mut pace = Pace::new(true);
        let start = Instant::now();
        let mut now = start;
        let mut times = Vec::new();
        for _ in 0..count {
            now = now.max(pace.due(now, 5));
            pace.count_at(now, 5);
            times.push(now.duration_since(start).as_secs_f64());
        }
        times
    }

    /// Returns the most pieces of content within a time.
    fn most_within(times: &[f64], seconds: f64) -> usize {
        let within = |from: f64| {
            let later = times
                .iter()
                .filter(|at| **at >= from && **at < from + seconds);
            later.count() * 5
        };
        times.iter().map(|from| within(*from)).max().unwrap_or(0)
    }

    #[test]
    fn no_minute_and_no_hour_has_more_content_than_github_allows() {
        let times = times(300);
        assert_eq!(most_within(&times, 60.0), 75);
        assert_eq!(most_within(&times, 3600.0), 480);
        // They come one second apart, until the minute is full.
        assert_eq!(times[..3], [0.0, 1.0, 2.0]);
        assert_eq!(times[15], 60.0);
    }

    #[test]
    fn without_content_there_is_only_the_pause_between_requests() {
        let mut pace = Pace::new(true);
        let start = Instant::now();
        for _ in 0..96 {
            pace.count_at(start, 5);
        }
        assert_eq!(pace.due(start, 0), start + BETWEEN);
        assert_eq!(Pace::new(false).delay(5), Duration::ZERO);
    }
}
