//! Schedules events for a time of day; the time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::engine::run::now::Now;
use crate::model::event::Event;
use crate::model::ids::TaskVariant;

/// The longest sleep. After a suspension of the machine, less time remains than the timers show.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// An event that is due at some time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Retry(TaskVariant),
    Unpark(String),
}

/// The scheduled events, each once.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeSet<(Timestamp, Due)>,
    /// The time of each, and the end of the wait for it by the monotonic clock, in case the time of
    /// day stands still.
    waits: BTreeMap<Due, (Timestamp, Instant)>,
}

impl Timers {
    /// Sets the time of a scheduled retry.
    pub fn retry_at(&mut self, of: TaskVariant, at: Timestamp, now: Now) {
        self.set(Due::Retry(of), at, now);
    }

    /// Sets the time until which a worker is parked.
    pub fn unpark_at(&mut self, worker: String, at: Timestamp, now: Now) {
        self.set(Due::Unpark(worker), at, now);
    }

    /// Takes the events that are due.
    pub fn take_due(&mut self, now: Now) -> Vec<Event> {
        let mut events = Vec::new();
        while self.is_due(now)
            && let Some((until, due)) = self.queue.pop_first()
        {
            self.waits.remove(&due);
            events.push(match due {
                Due::Retry(TaskVariant { task, variant }) => Event::RetryDue { task, variant },
                Due::Unpark(worker) => Event::WorkerUnparked { worker, until },
            });
        }
        events
    }

    /// Returns `true` if an event is due and not taken yet.
    pub fn is_due(&self, now: Now) -> bool {
        self.queue.first().is_some_and(|(until, due)| {
            let end = self.waits.get(due).map(|(_, end)| *end);
            *until <= now.time || end.is_none_or(|end| end <= now.instant)
        })
    }

    /// Returns the time until the clock is checked next.
    pub fn due_in(&self, now: Now) -> Option<Duration> {
        let (_, first) = self.queue.first()?;
        let (_, end) = self.waits.get(first)?;
        Some(
            end.saturating_duration_since(now.instant)
                .min(LONGEST_SLEEP),
        )
    }

    /// Sets the time of an event; a later call replaces it.
    fn set(&mut self, due: Due, at: Timestamp, now: Now) {
        let known = self.waits.get(&due).map(|(known, _)| *known);
        if known == Some(at) {
            return;
        }
        if let Some(known) = known {
            self.queue.remove(&(known, due.clone()));
        }
        let wait = Duration::try_from(at.duration_since(now.time)).unwrap_or_default();
        // A time beyond the range of the clock means never.
        if let Some(end) = now.instant.checked_add(wait) {
            self.waits.insert(due.clone(), (at, end));
            self.queue.insert((at, due));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::ids::TaskNumber;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn now(start: Instant, minutes: u32, time: i64) -> Now {
        Now {
            instant: start + minutes * MINUTE,
            time: at(time),
        }
    }

    #[test]
    fn each_fact_comes_true_once_and_in_order() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let begin = now(start, 0, 0);
        timers.unpark_at("claude".to_owned(), at(5), begin);
        timers.retry_at(TaskNumber(2).into(), at(3), begin);
        timers.retry_at(TaskNumber(2).into(), at(3), begin);
        assert_eq!(timers.due_in(begin), Some(MINUTE / 2), "a short sleep");
        assert!(timers.take_due(now(start, 2, 2)).is_empty());
        let due = timers.take_due(now(start, 5, 5));
        let retry = Event::RetryDue {
            task: TaskNumber(2),
            variant: None,
        };
        let unparked = Event::WorkerUnparked {
            worker: "claude".to_owned(),
            until: at(5),
        };
        assert_eq!(due, [retry, unparked]);
        assert!(timers.take_due(now(start, 9, 9)).is_empty());
        assert_eq!(timers.due_in(now(start, 9, 9)), None);
    }

    #[test]
    fn a_fact_whose_time_changes_comes_true_at_its_new_time() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.retry_at(TaskNumber(1).into(), at(3), now(start, 0, 0));
        timers.retry_at(TaskNumber(1).into(), at(8), now(start, 1, 1));
        assert!(timers.take_due(now(start, 5, 5)).is_empty());
        assert_eq!(timers.take_due(now(start, 8, 8)).len(), 1);
    }

    #[test]
    fn a_clock_that_jumps_or_stands_still_delays_nothing() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.retry_at(TaskNumber(1).into(), at(60), now(start, 0, 0));
        // The machine slept, which the monotonic clock did not count.
        assert_eq!(timers.take_due(now(start, 1, 60)).len(), 1);
        timers.retry_at(TaskNumber(1).into(), at(60), now(start, 1, 50));
        assert!(timers.take_due(now(start, 10, 50)).is_empty());
        assert_eq!(timers.take_due(now(start, 11, 50)).len(), 1);
    }
}
