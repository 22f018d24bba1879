//! Who does a task now: the worker it names, or one that takes over while that is parked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::event::{End, Failure, FailureClass};
use crate::model::ids::TaskNumber;
use crate::model::run::{Attempt, RunState, TaskPhase};
use crate::schedule::decide::Limits;

/// How long a worker is parked whose output names no time; it doubles each time that was too short.
const UNKNOWN_RESET: Duration = Duration::from_secs(30 * 60);

/// The longest such wait: the limits of most agents are counted over five hours.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(5 * 3600);

/// The workers of a run, as far as deciding needs to know them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Crew {
    /// The worker of each task, in the order of the plan.
    pub assigned: Vec<String>,
    /// The workers with a command of their own, by name. The others are no providers that could run
    /// out of anything.
    pub profiles: BTreeMap<String, Profile>,
    /// The workers that start nothing at this moment, because they just did or because their
    /// provider asked for patience. It passes by itself, soon.
    pub resting: BTreeSet<String>,
}

/// What is to be known about a worker.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Profile {
    /// How many of it may be alive at once.
    pub concurrency: Option<usize>,
    /// The least time between two starts.
    pub stagger: Duration,
    /// Who takes over while it is parked, in this order; only what is installed.
    pub fallback: Vec<String>,
}

/// Who could do a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice<'a> {
    /// This one.
    Worker(&'a str),
    /// Nobody before this time, when this one may start again.
    Parked(&'a str, Timestamp),
}

impl Crew {
    /// The worker of a task: the one a person chose since, else that of the plan.
    fn first<'a>(&'a self, state: &'a RunState, task: TaskNumber) -> &'a str {
        let chosen = state.task(task).chosen_worker.as_deref();
        chosen.unwrap_or_else(|| self.assigned[task.index()].as_str())
    }

    /// The first of a task's worker and those who take over for it that is not parked.
    pub fn choose<'a>(&'a self, state: &'a RunState, task: TaskNumber) -> Choice<'a> {
        let first = self.first(state, task);
        let others = self.profiles.get(first).map(|profile| &profile.fallback);
        let others = others.into_iter().flatten().map(String::as_str);
        let mut soonest: Option<(&str, Timestamp)> = None;
        for worker in std::iter::once(first).chain(others) {
            match state.roster.parking(worker, state.updated) {
                None => return Choice::Worker(worker),
                Some(parking) if soonest.is_none_or(|(_, until)| parking.until < until) => {
                    soonest = Some((worker, parking.until));
                }
                Some(_) => {}
            }
        }
        let (worker, until) = soonest.unwrap_or((first, state.updated));
        Choice::Parked(worker, until)
    }

    /// The least time between two starts of a worker, as things stand.
    pub fn interval(&self, state: &RunState, limits: &Limits, worker: &str) -> Duration {
        let stagger = self.profiles.get(worker).map(|profile| profile.stagger);
        interval(
            stagger.unwrap_or_default(),
            state.roster.slowness(worker),
            limits,
        )
    }
}

/// The room there is for further attempts.
pub(super) struct Seats<'a> {
    /// For how many, whoever does them.
    pub(super) room: usize,
    state: &'a RunState,
    limits: &'a Limits,
    alive: BTreeMap<&'a str, usize>,
    just_started: BTreeSet<&'a str>,
}

/// What there is for one more attempt of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seat {
    /// A place, which is taken now.
    Free,
    /// One in a moment.
    Resting,
    /// None until another attempt of it is over.
    None,
}

impl<'a> Seats<'a> {
    /// As things stand.
    pub(super) fn new(state: &'a RunState, limits: &'a Limits) -> Seats<'a> {
        let mut alive: BTreeMap<&str, usize> = BTreeMap::new();
        for task in &state.tasks {
            if task.phase == TaskPhase::Running
                && let Some(attempt) = task.last_attempt()
            {
                *alive.entry(attempt.worker.as_str()).or_default() += 1;
            }
        }
        Seats {
            room: limits.max_parallel.saturating_sub(alive.values().sum()),
            state,
            limits,
            alive,
            just_started: BTreeSet::new(),
        }
    }

    /// Takes a place for one more attempt of this worker, if there is one.
    pub(super) fn take(&mut self, worker: &'a str) -> Seat {
        let crew = &self.limits.crew;
        let alive = self.alive.entry(worker).or_default();
        let profile = crew.profiles.get(worker);
        let most = profile.and_then(|profile| profile.concurrency);
        if most.is_some_and(|most| *alive >= most) {
            return Seat::None;
        }
        if crew.resting.contains(worker) || self.just_started.contains(worker) {
            return Seat::Resting;
        }
        *alive += 1;
        self.room -= 1;
        if !crew.interval(self.state, self.limits, worker).is_zero() {
            self.just_started.insert(worker);
        }
        Seat::Free
    }
}

/// Every halving of the rate doubles the time between two starts.
fn interval(stagger: Duration, slowness: u32, limits: &Limits) -> Duration {
    if slowness == 0 {
        return stagger;
    }
    let slowed = stagger
        .max(limits.base_delay / 4)
        .saturating_mul(1 << slowness.min(16));
    slowed.min(limits.max_delay.max(stagger))
}

/// The worker whose limit a task ran into with its last attempt, and until when it is to be parked.
pub(super) fn parking_due(
    state: &RunState,
    task: TaskNumber,
    limits: &Limits,
) -> Option<(String, Timestamp, String)> {
    let now = state.task(task);
    if now.phase != TaskPhase::Failed {
        return None;
    }
    let last = now.last_attempt()?;
    if !limits.crew.profiles.contains_key(&last.worker) || !now.ran_into_quota_of(&last.worker) {
        return None;
    }
    let until = parked_until(state, last, limits)?;
    Some((last.worker.clone(), until, failure(last)?.message.clone()))
}

fn failure(attempt: &Attempt) -> Option<&Failure> {
    match &attempt.outcome.as_ref()?.end {
        End::Failed(failure) if failure.class == FailureClass::Quota => Some(failure),
        _ => None,
    }
}

/// The time the worker named, plus a little, so that not everybody asks in the same moment. Where it
/// named none, or one that turned out to be too early, longer each time.
fn parked_until(state: &RunState, last: &Attempt, limits: &Limits) -> Option<Timestamp> {
    let ended = last.ended?;
    let known = state.roster.standing(&last.worker);
    let before = known.map_or(0, |known| {
        known.parkings - u32::from(known.parked.is_some())
    });
    let named = failure(last)?.reset_at;
    let pause = match (named, before) {
        (Some(_), 0) => Duration::ZERO,
        (Some(_), again) => limits.base_delay.saturating_mul(1 << again.min(16)),
        (None, again) => UNKNOWN_RESET.saturating_mul(1 << again.min(16)),
    };
    let at_least = later(ended, pause.min(LONGEST_UNKNOWN))?;
    let until = named.map_or(at_least, |named| named.max(at_least));
    let jitter = limits.base_delay.mul_f64(last.jitter.clamp(0.0, 1.0));
    later(until, Duration::from_millis(jitter.as_millis() as u64))
}

fn later(time: Timestamp, by: Duration) -> Option<Timestamp> {
    time.checked_add(SignedDuration::try_from(by).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_limit_halves_the_rate_of_starts_up_to_a_bound() {
        let limits = |base: u64| Limits {
            base_delay: Duration::from_secs(base),
            max_delay: Duration::from_secs(60),
            ..Limits::default()
        };
        let times = |stagger: u64, base: u64| {
            let stagger = Duration::from_millis(stagger);
            let times = (0..7).map(|slowness| interval(stagger, slowness, &limits(base)));
            let times: Vec<String> = times.map(|time| format!("{:?}", time)).collect();
            times.join(" ")
        };
        assert_eq!(times(0, 4), "0ns 2s 4s 8s 16s 32s 60s");
        assert_eq!(times(500, 1), "500ms 1s 2s 4s 8s 16s 32s");
    }
}
