//! Records events: each is in the journal before any effect of it.
//!
//! Facts that come in together share a commit. Effects wait here for the facts that announce them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::run::effect::Effect;
use crate::model::event::{Event, Recorded};

/// The longest time that an event without effects waits for others to share its commit.
const PATIENCE: Duration = Duration::from_millis(200);

/// The events that are not in the journal yet, and the effects that wait for them.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Events that are applied and not sent to the journal yet.
    unwritten: Vec<Recorded>,
    since: Option<Instant>,
    is_writing: bool,
    /// The number of the last event in the journal.
    last_written: u64,
    /// `true` if the journal could not be written because the disk is full.
    is_full: bool,
    /// `true` if one more write may be tried although the disk is full.
    may_retry: bool,
    /// Events in the journal that were not shown yet.
    unseen: Vec<Recorded>,
    /// Effects in order, each with the number of the event it waits for.
    waiting: VecDeque<(u64, Effect)>,
}

impl Recorder {
    /// Creates the recorder of a run whose journal ends with this event.
    pub(super) fn new(last_written: u64) -> Recorder {
        Recorder {
            last_written,
            ..Recorder::default()
        }
    }

    /// Adds an event that was just applied.
    pub(super) fn add(&mut self, fact: Recorded, now: Instant) {
        self.since.get_or_insert(now);
        self.unwritten.push(fact);
    }

    /// Keeps an effect until the events up to this number are written.
    pub(super) fn wait_for(&mut self, seq: u64, effect: Effect) {
        self.waiting.push_back((seq, effect));
    }

    /// Returns the write that is due, if any.
    pub(super) fn write(&mut self) -> Option<Effect> {
        let is_blocked = self.is_full && !self.may_retry;
        if self.unwritten.is_empty() || self.is_writing || is_blocked {
            return None;
        }
        (self.is_writing, self.may_retry, self.since) = (true, false, None);
        Some(Effect::Write(std::mem::take(&mut self.unwritten)))
    }

    /// Returns how long the unwritten events may wait for others; `None` if there are none, or if
    /// an effect waits for one.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let since = self.since.filter(|_| !self.is_full && self.is_patient())?;
        Some(PATIENCE.saturating_sub(now.saturating_duration_since(since)))
    }

    /// Handles written events, and returns the effects that waited for them.
    pub(super) fn written(&mut self, mut facts: Vec<Recorded>) -> Vec<Effect> {
        (self.is_writing, self.is_full) = (false, false);
        let last = facts.last().map_or(self.last_written, |fact| fact.seq);
        self.last_written = last;
        self.unseen.append(&mut facts);
        let mut released = Vec::new();
        while self.waiting.front().is_some_and(|(seq, _)| *seq <= last) {
            released.extend(self.waiting.pop_front().map(|(_, effect)| effect));
        }
        released
    }

    /// Takes back events that could not be written on a full disk.
    pub(super) fn not_written(&mut self, mut facts: Vec<Recorded>, now: Instant) {
        facts.append(&mut self.unwritten);
        self.unwritten = facts;
        self.since.get_or_insert(now);
        (self.is_writing, self.is_full) = (false, true);
    }

    /// Drops events that cannot be written for another reason than a full disk.
    pub(super) fn give_up(&mut self) {
        self.is_writing = false;
        self.unwritten.clear();
        self.waiting.clear();
    }

    /// Records that the repository cannot be written.
    pub(super) fn out_of_space(&mut self) {
        self.is_full = true;
    }

    /// Allows one more write although the disk is full.
    pub(super) fn retry(&mut self) {
        self.may_retry = true;
    }

    /// Records that there is space again.
    pub(super) fn space_returned(&mut self) {
        self.is_full = false;
    }

    /// Returns `true` if the repository cannot be written.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns the number of the last event in the journal.
    pub(super) fn last_written(&self) -> u64 {
        self.last_written
    }

    /// Returns `true` while events are being written.
    pub(super) fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Returns `true` if every event is in the journal.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty() && !self.is_writing
    }

    /// Returns `true` if no effect waits for an unwritten event.
    pub(super) fn is_patient(&self) -> bool {
        !self.is_writing && self.unwritten.iter().all(may_wait)
    }

    /// Takes the events that were not shown yet.
    pub(super) fn take_unseen(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.unseen)
    }
}

/// Returns `true` for events that are detected again after a crash and have no effects.
fn may_wait(fact: &Recorded) -> bool {
    matches!(
        fact.event,
        Event::AttemptStarted { .. } | Event::ProgressReported { .. }
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::fixture::start;
    use crate::model::ids::TaskNumber;

    fn note(seq: u64) -> Recorded {
        let (task, note) = (TaskNumber(1), format!("step {seq}"));
        fact(seq, Event::ProgressReported { task, note })
    }

    fn fact(seq: u64, event: Event) -> Recorded {
        let time = start();
        Recorded { seq, time, event }
    }

    fn written(recorder: &mut Recorder) -> Vec<Effect> {
        let Some(Effect::Write(facts)) = recorder.write() else {
            panic!("nothing to write");
        };
        recorder.written(facts)
    }

    #[test]
    fn an_effect_waits_for_the_fact_that_announces_it() {
        let (mut recorder, now) = (Recorder::default(), Instant::now());
        recorder.add(fact(1, Event::Paused {}), now);
        recorder.wait_for(1, Effect::MeasureDisk);
        let Some(Effect::Write(first)) = recorder.write() else {
            panic!("nothing to write");
        };
        recorder.add(fact(2, Event::Unpaused {}), now);
        recorder.wait_for(2, Effect::MeasureQuota);
        assert!(recorder.write().is_none(), "one write at a time");
        assert!(!recorder.is_written());
        let released = recorder.written(first);
        assert!(matches!(released[..], [Effect::MeasureDisk]));
        assert!(matches!(written(&mut recorder)[..], [Effect::MeasureQuota]));
        let seen: Vec<u64> = recorder.take_unseen().iter().map(|fact| fact.seq).collect();
        assert_eq!(seen, [1, 2]);
        assert!(recorder.is_written());
    }

    #[test]
    fn facts_that_nothing_acts_on_wait_for_company() {
        let (mut recorder, now) = (Recorder::default(), Instant::now());
        recorder.add(note(1), now);
        assert_eq!(recorder.patience(now), Some(PATIENCE));
        let later = now + PATIENCE / 2;
        recorder.add(note(2), later);
        assert_eq!(recorder.patience(later), Some(PATIENCE / 2));
        assert_eq!(recorder.patience(now + 2 * PATIENCE), Some(Duration::ZERO));
        recorder.add(fact(3, Event::Paused {}), later);
        assert_eq!(recorder.patience(later), None, "something acts on it");
    }

    #[test]
    fn facts_that_did_not_fit_are_written_later_and_in_order() {
        let (mut recorder, now) = (Recorder::default(), Instant::now());
        recorder.add(fact(1, Event::Paused {}), now);
        recorder.wait_for(1, Effect::MeasureDisk);
        let Some(Effect::Write(first)) = recorder.write() else {
            panic!("nothing to write");
        };
        recorder.not_written(first, now);
        recorder.add(fact(2, Event::Unpaused {}), now);
        assert!(recorder.write().is_none() && recorder.is_full());
        recorder.retry();
        let Some(Effect::Write(both)) = recorder.write() else {
            panic!("nothing to write");
        };
        assert_eq!((both[0].seq, both.len()), (1, 2));
        recorder.not_written(both, now);
        assert!(recorder.write().is_none(), "one retry is one write");
        recorder.space_returned();
        assert_eq!(written(&mut recorder).len(), 1);
        assert!(!recorder.is_full());
    }
}
