//! The decision by a scan of all tasks, which the one by queues is compared with.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::{TaskPhase, TaskState};
use crate::schedule::decide::last_steps;
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

fn running(state: &RunState) -> impl Iterator<Item = &TaskState> {
    let tasks = state.tasks.iter().map(|task| &**task);
    tasks.filter(|task| task.phase == TaskPhase::Running)
}

fn parks(state: &RunState, limits: &Limits) -> Vec<Action> {
    let (mut parks, mut parked) = (Vec::new(), BTreeSet::new());
    for task in numbers(state) {
        if let Some((worker, until, reason)) = parking_due(state, task, limits)
            && parked.insert(worker.clone())
        {
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
    let spent = |task: &TaskState| match task.phase {
        TaskPhase::RetryAt(_) | TaskPhase::Queued => task.retries(),
        _ => task.retries().saturating_sub(1),
    };
    let spent: u32 = state.tasks.iter().map(|task| spent(task)).sum();
    let (mut left, budget) = (limits.budget.saturating_sub(spent), limits.budget);
    let mut actions = Vec::new();
    for task in numbers(state) {
        let Some(due) = retry_due(state, task, limits) else {
            continue;
        };
        if left > 0 {
            left -= 1;
            actions.push(Action::ScheduleRetry { task, due });
        } else if state.task(task).retry_budget_spent.is_none() {
            actions.push(Action::RecordRetryBudget { task, budget });
        }
    }
    actions
}

fn starts(state: &RunState, limits: &Limits) -> Vec<Action> {
    let live: Vec<&TaskState> = running(state).collect();
    let mut free = limits.max_parallel.saturating_sub(live.len());
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
    let at_work = live.iter().filter_map(|task| task.last_attempt());
    workers.extend(at_work.map(|attempt| attempt.worker.as_str()));
    let (mut actions, mut started) = (Vec::new(), BTreeSet::new());
    for task in ready {
        if free == 0 {
            break;
        }
        let action = match limits.pool.choose(state, task) {
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
                    Action::Start { task, worker }
                }
            }
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

fn ready(state: &RunState, limits: &Limits) -> Vec<TaskNumber> {
    let is_ready = |task: &TaskNumber| {
        state.task(*task).phase == TaskPhase::Queued
            && state.unmet_dependencies(*task).is_empty()
            && !(limits.hold_back && state.speculative_conflict_for(*task).is_some())
    };
    let mut ready: Vec<TaskNumber> = numbers(state).filter(is_ready).collect();
    let lengths = path_lengths(&state.plan);
    ready.sort_by_key(|task| {
        let priority = state.plan.task(*task).fields.priority;
        (Reverse(priority), Reverse(lengths[task.index()]), *task)
    });
    ready
}

fn wake(state: &RunState) -> Option<Action> {
    let waiting = numbers(state).filter_map(|task| match state.task(task).phase {
        TaskPhase::RetryAt(at) => Some((at, task)),
        _ => None,
    });
    let (at, task) = waiting.min()?;
    Some(Action::WakeAt { task, at })
}
