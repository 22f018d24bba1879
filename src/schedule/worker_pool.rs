//! Chooses the worker of a task: its own, or a fallback while that is parked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::ids::{TaskNumber, TaskVariant};
use crate::model::run::RunState;

/// The workers of a run, with the facts that decisions need.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkerPool {
    /// The worker of each task, in plan order.
    pub assigned: Vec<String>,
    /// The judges of the tasks that have one.
    pub judges: BTreeMap<TaskNumber, String>,
    /// The workers with a command of their own, by name; others have no provider with limits.
    pub workers: BTreeMap<String, WorkerLimits>,
    /// The workers in a short cooldown after a start or a rate limit.
    pub cooling_down: BTreeSet<String>,
}

/// The limits of a worker.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkerLimits {
    /// The maximum number of concurrent attempts.
    pub concurrency: Option<usize>,
    /// The minimum time between two starts.
    pub stagger: Duration,
    /// The installed workers that replace it while it is parked, in this order.
    pub fallback: Vec<String>,
}

/// The worker chosen for a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WorkerChoice<'a> {
    /// This worker.
    Worker(&'a str),
    /// No worker until this time, when this one may start again.
    Parked(&'a str, Timestamp),
}

impl WorkerPool {
    /// Returns the judges of these tasks, which wait for a choice: each works, or is about to.
    pub(super) fn judges_of<'a>(
        &'a self,
        state: &'a RunState,
        choosing: impl Iterator<Item = TaskNumber> + 'a,
    ) -> impl Iterator<Item = &'a str> {
        let open = choosing.filter(|task| state.task(*task).variant_choice().is_none());
        open.filter_map(|task| self.judges.get(&task).map(String::as_str))
    }

    /// Returns the worker of a task or variant: the user's choice, or the plan's. A task that is
    /// re-dispatched has the worker of its chosen variant.
    pub(super) fn assigned_worker<'a>(&'a self, state: &'a RunState, of: TaskVariant) -> &'a str {
        let now = state.task(of.task);
        let chosen = now.variant_choice().map(|choice| choice.variant);
        let picked = now.picked_attempt().and_then(|picked| picked.variant);
        let chosen = picked.or(chosen);
        let variants = state.plan.task(of.task).fields.variants.as_ref();
        let own = || variants?.worker(of.variant.or(chosen)?);
        let by_user = now.worker_override.as_deref();
        by_user
            .or_else(own)
            .unwrap_or_else(|| self.assigned[of.task.index()].as_str())
    }

    /// Returns the first unparked worker among the task's own and its fallbacks.
    pub fn choose<'a>(&'a self, state: &'a RunState, of: TaskVariant) -> WorkerChoice<'a> {
        let first = self.assigned_worker(state, of);
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
