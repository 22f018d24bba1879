//! What a run has learnt about its workers while it went on: which ran into a limit, and which ask
//! their provider too often.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::circuit_breaker::{CircuitBreaker, SharedFailure};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};

/// The rate of starts is never halved more often than this.
const SLOWEST: u32 = 6;

/// After so many attempts without a rate limit the rate of starts is doubled again.
const CALM: u32 = 3;

/// What is known about the workers of a run, by name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerHealth(BTreeMap<String, WorkerRecord>);

/// What is known about one worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// It starts nothing for a while.
    pub parked: Option<Parking>,
    /// How often it was parked since it last passed a task.
    pub parkings: u32,
    /// How often its rate of starts is halved.
    pub slowdown: u32,
    /// Until when its provider, which was asked too often, wants to be left alone.
    pub cooldown_until: Option<Timestamp>,
    /// Whether its provider lets it in at all.
    access: CircuitBreaker,
    calm: u32,
}

/// A worker that ran into a limit which ends at some time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Parking {
    /// When it may start again.
    pub until: Timestamp,
    /// What it said.
    pub reason: String,
    /// The task whose attempt ran into the limit.
    pub task: TaskNumber,
}

impl WorkerHealth {
    /// What is known about a worker; nothing is known about most.
    pub fn record(&self, worker: &str) -> Option<&WorkerRecord> {
        self.0.get(worker)
    }

    /// How often the rate of starts of a worker is halved.
    pub fn slowdown(&self, worker: &str) -> u32 {
        self.record(worker).map_or(0, |known| known.slowdown)
    }

    /// The limit a worker is waiting for to end, at this time.
    pub fn parking(&self, worker: &str, now: Timestamp) -> Option<&Parking> {
        let parking = self.record(worker)?.parked.as_ref()?;
        (parking.until > now).then_some(parking)
    }

    /// All workers that wait for a limit to end, at this time, by name.
    pub fn parked(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Parking)> {
        let names = self.0.keys().map(String::as_str);
        names.filter_map(move |name| Some((name, self.parking(name, now)?)))
    }

    /// Until when each worker whose provider was asked too often starts nothing, by name.
    pub fn cooldowns(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let all = self.0.iter();
        all.filter_map(|(name, known)| Some((name.as_str(), known.cooldown_until?)))
    }

    /// What keeps a worker from being started, whose provider lets it in for no task.
    pub fn access_denied(&self, worker: &str) -> Option<&SharedFailure> {
        self.record(worker)?.access.tripped()
    }

    /// What is to be recorded as that.
    pub fn newly_denied(&self, worker: &str) -> Option<&SharedFailure> {
        self.record(worker)?.access.ready_to_trip()
    }

    /// All workers that are not let in, by name.
    pub fn all_denied(&self) -> impl Iterator<Item = (&str, &SharedFailure)> {
        let all = self.0.iter();
        all.filter_map(|(name, known)| Some((name.as_str(), known.access.tripped()?)))
    }

    pub(crate) fn deny_access(&mut self, worker: &str, broken: SharedFailure) {
        let known = self.0.entry(worker.to_owned()).or_default();
        known.access.trip(broken);
    }

    /// A person has seen to it.
    pub(crate) fn reset_access(&mut self) {
        let all = self.0.values_mut();
        all.for_each(|known| known.access.reset());
    }

    /// A second word about the same limit makes it no second one.
    pub(crate) fn park(&mut self, worker: &str, parking: Parking) {
        let known = self.0.entry(worker.to_owned()).or_default();
        known.parkings += u32::from(known.parked.is_none());
        known.parked = Some(parking);
    }

    pub(crate) fn unpark(&mut self, worker: &str) {
        if let Some(known) = self.0.get_mut(worker) {
            known.parked = None;
        }
    }

    /// What the end of an attempt says about its worker.
    pub(crate) fn learn(&mut self, worker: &str, task: TaskNumber, outcome: &Outcome) {
        if let End::Failed(failure) = &outcome.end
            && failure.access_denied
        {
            let known = self.0.entry(worker.to_owned()).or_default();
            known.access.record_failure(task, failure);
        }
        if let End::Failed(failure) = &outcome.end
            && failure.rate_limited
        {
            let known = self.0.entry(worker.to_owned()).or_default();
            known.slowdown = (known.slowdown + 1).min(SLOWEST);
            known.calm = 0;
            known.cooldown_until = known.cooldown_until.max(failure.reset_at);
            return;
        }
        let Some(known) = self.0.get_mut(worker) else {
            return;
        };
        if outcome.is_kind(FailureKind::Setup) {
            return;
        }
        if let End::Passed { .. } = outcome.end {
            known.parkings = 0;
            known.access.reset();
        }
        if known.slowdown > 0 && !matches!(outcome.end, End::Interrupted {}) {
            known.calm += 1;
        }
        if known.calm >= CALM {
            known.calm = 0;
            known.slowdown -= 1;
        }
    }
}
