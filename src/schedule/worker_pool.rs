//! Who does a task now: the worker it names, or one that takes over while that is parked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// The workers of a run, as far as deciding needs to know them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkerPool {
    /// The worker of each task, in the order of the plan.
    pub assigned: Vec<String>,
    /// The workers with a command of their own, by name. The others are no providers that could run
    /// out of anything.
    pub workers: BTreeMap<String, WorkerLimits>,
    /// The workers that start nothing at this moment, because they just did or because their
    /// provider asked for patience. It passes by itself, soon.
    pub cooling_down: BTreeSet<String>,
}

/// What is to be known about a worker.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkerLimits {
    /// How many of it may be alive at once.
    pub concurrency: Option<usize>,
    /// The least time between two starts.
    pub stagger: Duration,
    /// Who takes over while it is parked, in this order; only what is installed.
    pub fallback: Vec<String>,
}

/// Who could do a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WorkerChoice<'a> {
    /// This one.
    Worker(&'a str),
    /// Nobody before this time, when this one may start again.
    Parked(&'a str, Timestamp),
}

impl WorkerPool {
    /// The worker of a task: the one a person chose since, else that of the plan.
    pub(super) fn assigned_worker<'a>(&'a self, state: &'a RunState, task: TaskNumber) -> &'a str {
        let chosen = state.task(task).worker_override.as_deref();
        chosen.unwrap_or_else(|| self.assigned[task.index()].as_str())
    }

    /// The first of a task's worker and those who take over for it that is not parked.
    pub fn choose<'a>(&'a self, state: &'a RunState, task: TaskNumber) -> WorkerChoice<'a> {
        let first = self.assigned_worker(state, task);
        let others = self.workers.get(first).map(|profile| &profile.fallback);
        let others = others.into_iter().flatten().map(String::as_str);
        let mut soonest: Option<(&str, Timestamp)> = None;
        for worker in std::iter::once(first).chain(others) {
            match state.worker_health.parking(worker, state.updated) {
                None => return WorkerChoice::Worker(worker),
                Some(parking) if soonest.is_none_or(|(_, until)| parking.until < until) => {
                    soonest = Some((worker, parking.until));
                }
                Some(_) => {}
            }
        }
        let (worker, until) = soonest.unwrap_or((first, state.updated));
        WorkerChoice::Parked(worker, until)
    }
}
