//! The decision by a scan of all tasks, which the one by queues is compared with.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::{TaskNumber, TaskVariant, VariantNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::{TaskPhase, TaskState};
use crate::schedule::decide::{choices, last_steps};
use crate::schedule::parking::parking_due;
use crate::schedule::priority::path_lengths;
use crate::schedule::retry::retry_due;
use crate::schedule::slots::start_interval;
use crate::schedule::worker_pool::WorkerChoice;
use crate::schedule::{Action, Limits, Queues};

/// Returns the actions that are due.
pub(super) fn decide(state: &RunState, limits: &Limits) -> Vec<Action> {
    let rests = matches!(state.phase, RunPhase::Ended(_) | RunPhase::Paused);
    let is_running = state.phase == RunPhase::Running;
    if rests || (is_running && state.shortage.is_some()) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    if is_running {
        actions = parks(state, limits);
        if !actions.is_empty() {
            return actions;
        }
        actions.extend(retries(state, limits));
        actions.extend(choices(state, choosing(state, limits)));
        actions.extend(starts(state, limits));
        actions.extend(wake(state));
    }
    let is_near = |action: &Action| match action {
        Action::UnparkAt { at, .. } => {
            let wait = Duration::try_from(at.duration_since(state.updated));
            wait.is_ok_and(|wait| wait <= limits.quota_wait)
        }
        _ => true,
    };
    if running(state).next().is_some() || actions.iter().any(is_near) {
        return actions;
    }
    last_steps(state, limits, &Queues::new(state, limits))
}

fn numbers(state: &RunState) -> impl Iterator<Item = TaskNumber> + '_ {
    state.plan.tasks().iter().map(|task| task.number)
}

fn all(state: &RunState) -> impl Iterator<Item = TaskVariant> + '_ {
    numbers(state).flat_map(|number| state.task_variants(number))
}

fn phase(state: &RunState, of: TaskVariant) -> &TaskPhase {
    state.task(of.task).phase_of(of.variant)
}

fn running(state: &RunState) -> impl Iterator<Item = TaskVariant> + '_ {
    all(state).filter(|of| *phase(state, *of) == TaskPhase::Running)
}

fn choosing<'a>(state: &'a RunState, limits: &'a Limits) -> impl Iterator<Item = TaskNumber> + 'a {
    let may_retry = move |of: TaskVariant| {
        let budget = state.task(of.task).retry_budget_spent_of(of.variant);
        budget.is_none() && retry_due(state, of, limits).is_some()
    };
    numbers(state).filter(move |number| {
        let is_over = state.task(*number).phase == TaskPhase::Choosing;
        is_over && !state.task_variants(*number).any(may_retry)
    })
}

fn parks(state: &RunState, limits: &Limits) -> Vec<Action> {
    let (mut parks, mut parked) = (Vec::new(), BTreeSet::new());
    for of in all(state) {
        if let Some((worker, until, reason)) = parking_due(state, of, limits)
            && parked.insert(worker.clone())
        {
            let task = of.task;
            parks.push(Action::Park {
                worker,
                task,
                until,
                reason,
            });
        }
    }
    parks
}

fn retries(state: &RunState, limits: &Limits) -> Vec<Action> {
    let spent = |task: &TaskState, variant: Option<VariantNumber>| match task.phase_of(variant) {
        TaskPhase::RetryAt(_) | TaskPhase::Queued => task.retries_of(variant),
        _ => task.retries_of(variant).saturating_sub(1),
    };
    let spent: u32 = all(state)
        .map(|of| spent(state.task(of.task), of.variant))
        .sum();
    let (mut left, budget) = (limits.budget.saturating_sub(spent), limits.budget);
    let mut actions = Vec::new();
    for of in all(state) {
        let Some(due) = retry_due(state, of, limits) else {
            continue;
        };
        let TaskVariant { task, variant } = of;
        if left > 0 {
            left -= 1;
            actions.push(Action::ScheduleRetry { task, variant, due });
        } else if state.task(task).retry_budget_spent_of(variant).is_none() {
            actions.push(Action::RecordRetryBudget {
                task,
                variant,
                budget,
            });
        }
    }
    actions
}

fn starts(state: &RunState, limits: &Limits) -> Vec<Action> {
    let live: Vec<TaskVariant> = running(state).collect();
    let judges = limits.pool.judges_of(state, choosing(state, limits));
    let judges: Vec<&str> = judges.collect();
    let busy = live.len() + judges.len();
    let mut free = limits.max_parallel.saturating_sub(busy);
    if free == 0 || state.cost_limit_reached.is_some() || state.setup.tripped().is_some() {
        return Vec::new();
    }
    let ready = ready(state, limits);
    if ready.is_empty() {
        return Vec::new();
    }
    if let Some(broken) = state.setup.ready_to_trip() {
        let (tasks, message) = (broken.tasks.clone(), broken.message.clone());
        return vec![Action::TripSetup { tasks, message }];
    }
    let max_cost = state.max_cost.or(limits.max_cost);
    if let Some(max_cost) = max_cost.filter(|most| state.known_cost() >= *most) {
        let spent = state.known_cost();
        return vec![Action::RecordCostLimit { spent, max_cost }];
    }
    let mut workers: Vec<&str> = Vec::new();
    let last = |of: &TaskVariant| state.task(of.task).last_attempt_of(of.variant);
    let at_work = live.iter().filter_map(last);
    workers.extend(at_work.map(|attempt| attempt.worker.as_str()));
    workers.extend(judges);
    let (mut actions, mut started) = (Vec::new(), BTreeSet::new());
    for of in ready {
        if free == 0 {
            break;
        }
        let action = match limits.pool.choose(state, of) {
            WorkerChoice::Parked(worker, at) => Action::UnparkAt {
                worker: worker.to_owned(),
                at,
            },
            WorkerChoice::Worker(name) if state.worker_health.access_denied(name).is_some() => {
                continue;
            }
            WorkerChoice::Worker(name) => {
                let worker = name.to_owned();
                if let Some(broken) = state.worker_health.newly_denied(name) {
                    let (tasks, message) = (broken.tasks.clone(), broken.message.clone());
                    return vec![Action::DenyAccess {
                        worker,
                        tasks,
                        message,
                    }];
                }
                let profile = limits.pool.workers.get(name);
                let most = profile.and_then(|profile| profile.concurrency);
                let alive = workers.iter().filter(|other| **other == name).count();
                let waits = !start_interval(state, limits, name).is_zero();
                if most.is_some_and(|most| alive >= most) {
                    continue;
                } else if limits.pool.cooling_down.contains(name) || started.contains(name) {
                    Action::WaitForCooldown { worker }
                } else {
                    free -= 1;
                    workers.push(name);
                    started.extend(waits.then_some(name));
                    let TaskVariant { task, variant } = of;
                    Action::Start {
                        task,
                        variant,
                        worker,
                    }
                }
            }
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

fn ready(state: &RunState, limits: &Limits) -> Vec<TaskVariant> {
    let is_ready = |of: &TaskVariant| {
        *phase(state, *of) == TaskPhase::Queued
            && state.unmet_dependencies(of.task).is_empty()
            && !(limits.hold_back && state.speculative_conflict_for(of.task).is_some())
    };
    let mut ready: Vec<TaskVariant> = all(state).filter(is_ready).collect();
    let lengths = path_lengths(&state.plan);
    ready.sort_by_key(|of| {
        let priority = state.plan.task(of.task).fields.priority;
        (Reverse(priority), Reverse(lengths[of.task.index()]), *of)
    });
    ready
}

fn wake(state: &RunState) -> Option<Action> {
    let waiting = all(state).filter_map(|of| match phase(state, of) {
        TaskPhase::RetryAt(at) => Some((*at, of)),
        _ => None,
    });
    let (at, TaskVariant { task, variant }) = waiting.min()?;
    Some(Action::WakeAt { task, variant, at })
}
