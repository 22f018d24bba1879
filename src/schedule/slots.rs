//! Free slots for further attempts: in the run, and per worker.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::schedule::Limits;
use crate::schedule::queues::Queues;

/// The free slots for further attempts.
pub(super) struct Slots<'a> {
    /// The free slots of the run.
    pub(super) free: usize,
    state: &'a RunState,
    limits: &'a Limits,
    alive: BTreeMap<&'a str, usize>,
    just_started: BTreeSet<&'a str>,
}

/// The answer to a request for a worker's slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// A slot was free and is taken now.
    Free,
    /// A slot is free after a short cooldown.
    CoolingDown,
    /// No slot until another attempt of the worker ends.
    None,
}

impl<'a> Slots<'a> {
    /// Counts the slots not used by running attempts and judges.
    pub(super) fn new(state: &'a RunState, limits: &'a Limits, queues: &Queues) -> Slots<'a> {
        let mut alive: BTreeMap<&str, usize> = BTreeMap::new();
        for of in &queues.running {
            if let Some(attempt) = state.task(of.task).last_attempt_of(of.variant) {
                *alive.entry(attempt.worker.as_str()).or_default() += 1;
            }
        }
        let choosing: Vec<TaskNumber> = queues.choosing.iter().copied().collect();
        for judge in limits.pool.judges_of(state, choosing.into_iter()) {
            *alive.entry(judge).or_default() += 1;
        }
        Slots {
            free: limits.max_parallel.saturating_sub(alive.values().sum()),
            state,
            limits,
            alive,
            just_started: BTreeSet::new(),
        }
    }

    /// Takes a slot for one more attempt of this worker, if one is free.
    pub(super) fn take(&mut self, worker: &'a str) -> Slot {
        let pool = &self.limits.pool;
        let alive = self.alive.entry(worker).or_default();
        let profile = pool.workers.get(worker);
        let most = profile.and_then(|profile| profile.concurrency);
        if most.is_some_and(|most| *alive >= most) {
            return Slot::None;
        }
        if pool.cooling_down.contains(worker) || self.just_started.contains(worker) {
            return Slot::CoolingDown;
        }
        *alive += 1;
        self.free -= 1;
        if !start_interval(self.state, self.limits, worker).is_zero() {
            self.just_started.insert(worker);
        }
        Slot::Free
    }
}

/// Returns the time between two starts, doubled for every halving of the rate.
fn interval(stagger: Duration, slowness: u32, limits: &Limits) -> Duration {
    if slowness == 0 {
        return stagger;
    }
    let slowed = stagger
        .max(limits.base_delay / 4)
        .saturating_mul(1 << slowness.min(16));
    slowed.min(limits.max_delay.max(stagger))
}

/// Returns the minimum time between two starts of a worker.
pub fn start_interval(state: &RunState, limits: &Limits, worker: &str) -> Duration {
    let profile = limits.pool.workers.get(worker);
    interval(
        profile.map(|profile| profile.stagger).unwrap_or_default(),
        state.worker_health.slowdown(worker),
        limits,
    )
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
