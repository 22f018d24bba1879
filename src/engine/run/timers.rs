//! Facts that come true at a time of day.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::clock::Clock;
use crate::engine::kernel::message::{Message, Post};
use crate::model::event::Event;
use crate::model::ids::TaskNumber;

/// The longest time for which the time of day is not looked at.
const NAP: Duration = Duration::from_secs(30);

/// Posts each fact when its time has come, once.
#[derive(Debug)]
pub struct Timers {
    clock: Clock,
    post: Post,
    retries: BTreeSet<TaskNumber>,
    parkings: BTreeSet<(String, Timestamp)>,
}

impl Timers {
    /// None is set.
    pub fn new(clock: Clock, post: Post) -> Timers {
        Timers {
            clock,
            post,
            retries: BTreeSet::new(),
            parkings: BTreeSet::new(),
        }
    }

    /// The time of a scheduled retry.
    pub fn retry_at(&mut self, task: TaskNumber, at: Timestamp) {
        if self.retries.insert(task) {
            self.post_at(at, Event::RetryDue { task });
        }
    }

    /// The time until which a worker is parked.
    pub fn unpark_at(&mut self, worker: String, at: Timestamp) {
        if self.parkings.insert((worker.clone(), at)) {
            self.post_at(at, Event::WorkerUnparked { worker, until: at });
        }
    }

    /// This fact was posted, so that its timer may be set again.
    pub fn went_off(&mut self, event: &Event) {
        if let Event::RetryDue { task } = event {
            self.retries.remove(task);
        }
    }

    fn post_at(&self, at: Timestamp, event: Event) {
        let (clock, post) = (self.clock, self.post.clone());
        let wait = Duration::try_from(at.duration_since(clock.now())).unwrap_or_default();
        let end = Instant::now() + wait;
        tokio::spawn(async move {
            // A machine that slept has less to wait for than its timers know.
            while clock.now() < at && Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                tokio::time::sleep(left.min(NAP)).await;
            }
            // The loop is gone only when the program ends.
            let _ = post.send(Message::Fact(event));
        });
    }
}
