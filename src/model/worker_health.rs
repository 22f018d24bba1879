//! The health of a run's workers: usage limits, rate limits and refused access.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::circuit_breaker::{CircuitBreaker, SharedFailure};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};

/// The rate of starts is halved at most this many times.
const MAX_SLOWDOWN: u32 = 6;

/// The number of attempts without a rate limit after which the rate of starts doubles again.
const CALM_ATTEMPTS_ATTEMPTS: u32 = 3;

/// The health of a run's workers, by name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerHealth(BTreeMap<String, WorkerRecord>);

/// The health of one worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// The usage limit that keeps it from starting for a while.
    pub parked: Option<Parking>,
    /// The number of times it was parked since it last passed a task.
    pub parkings: u32,
    /// The number of times its rate of starts is halved.
    pub slowdown: u32,
    /// The end of its provider's rate limit.
    pub cooldown_until: Option<Timestamp>,
    /// Trips when the provider refuses access.
    access: CircuitBreaker,
    calm: u32,
}

/// A usage limit of a worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Parking {
    /// The time from which it may start again.
    pub until: Timestamp,
    /// The worker's message.
    pub reason: String,
    /// The task whose attempt hit the limit.
    pub task: TaskNumber,
}

impl WorkerHealth {
    /// Returns the record of a worker, if it has one.
    pub fn record(&self, worker: &str) -> Option<&WorkerRecord> {
        self.0.get(worker)
    }

    /// Returns the number of times a worker's rate of starts is halved.
    pub fn slowdown(&self, worker: &str) -> u32 {
        self.record(worker).map_or(0, |known| known.slowdown)
    }

    /// Returns the usage limit in force for a worker.
    pub fn parking(&self, worker: &str, now: Timestamp) -> Option<&Parking> {
        let parking = self.record(worker)?.parked.as_ref()?;
        (parking.until > now).then_some(parking)
    }

    /// Returns all parked workers, by name.
    pub fn parked(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Parking)> {
        let names = self.0.keys().map(String::as_str);
        names.filter_map(move |name| Some((name, self.parking(name, now)?)))
    }

    /// Returns the end of each worker's rate limit, by name.
    pub fn cooldowns(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let all = self.0.iter();
        all.filter_map(|(name, known)| Some((name.as_str(), known.cooldown_until?)))
    }

    /// Returns the recorded failure of a worker without access to its provider.
    pub fn access_denied(&self, worker: &str) -> Option<&SharedFailure> {
        self.record(worker)?.access.tripped()
    }

    /// Returns a failure of access that is not recorded yet.
    pub fn newly_denied(&self, worker: &str) -> Option<&SharedFailure> {
        self.record(worker)?.access.ready_to_trip()
    }

    /// Returns all workers without access, by name.
    pub fn all_denied(&self) -> impl Iterator<Item = (&str, &SharedFailure)> {
        let all = self.0.iter();
        all.filter_map(|(name, known)| Some((name.as_str(), known.access.tripped()?)))
    }

    pub(crate) fn deny_access(&mut self, worker: &str, broken: SharedFailure) {
        let known = self.0.entry(worker.to_owned()).or_default();
        known.access.trip(broken);
    }

    /// Allows every worker again, after the user resumed or retried.
    pub(crate) fn reset_access(&mut self) {
        let all = self.0.values_mut();
        all.for_each(|known| known.access.reset());
    }

    /// Parks a worker; a repeated report of the same limit counts once.
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

    /// Updates the health of a worker from the outcome of an attempt.
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
            known.slowdown = (known.slowdown + 1).min(MAX_SLOWDOWN);
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
        if known.calm >= CALM_ATTEMPTS_ATTEMPTS {
            known.calm = 0;
            known.slowdown -= 1;
        }
    }
}
