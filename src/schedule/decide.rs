//! Decides the actions that are due in the state of a run.
//!
//! The result depends only on the arguments, and carrying it out changes the state so that it is
//! not
//! returned again. Therefore replaying the journal and deciding again is enough to resume after a
//! crash.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::merge::oid::Oid;
use crate::model::circuit_breaker::SharedFailure;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::schedule::parking::parking_due;
use crate::schedule::slots::{Slot, Slots};
use crate::schedule::worker_pool::WorkerChoice;
use crate::schedule::{Action, Limits, priority, redispatch, retry};

/// Returns every action that is due.
pub fn decide(state: &RunState, limits: &Limits) -> Vec<Action> {
    // A pause lasts until the user ends it, even when nothing is running.
    if matches!(state.phase, RunPhase::Ended(_) | RunPhase::Paused) {
        return Vec::new();
    }
    // Every next action needs space; running attempts continue.
    if state.phase == RunPhase::Running && state.shortage.is_some() {
        return Vec::new();
    }
    let mut actions = Vec::new();
    if state.phase == RunPhase::Running {
        let parks = parks(state, limits);
        if !parks.is_empty() {
            // Parked workers affect every other decision.
            return parks;
        }
        actions.extend(retries(state, limits));
        actions.extend(starts(state, limits));
        actions.extend(wakes(state));
    }
    let alive = state
        .tasks
        .iter()
        .any(|task| task.phase == TaskPhase::Running);
    let is_near = |action: &Action| match action {
        Action::UnparkAt { at, .. } => {
            let wait = at.duration_since(state.updated);
            Duration::try_from(wait).is_ok_and(|wait| wait <= limits.quota_wait)
        }
        _ => true,
    };
    if alive || actions.iter().any(is_near) {
        return actions;
    }
    if state.phase == RunPhase::Running {
        let given_up = redispatch::failed(state);
        if !given_up.is_empty() {
            return given_up;
        }
    }
    let may_assemble = state.assemble && state.assembly_refused.is_none();
    if state.phase == RunPhase::Running && may_assemble && !is_assembled(state) {
        return vec![Action::Assemble];
    }
    let may_go_on = state.phase == RunPhase::Running && may_assemble && !state.redispatch_suspended;
    // A task that cannot start now would only lose its candidate.
    let may_start = state.cost_limit_reached.is_none()
        && state.setup.tripped().is_none()
        && state.worker_health.all_denied().next().is_none();
    if may_go_on && may_start && exhausted_cost(state, limits).is_none() {
        let again = redispatch::redispatches(state, limits);
        if !again.is_empty() {
            return again;
        }
    }
    vec![Action::End {
        exit: state.exit_code(),
    }]
}

fn numbers(state: &RunState) -> impl Iterator<Item = TaskNumber> + '_ {
    state.plan.tasks().iter().map(|task| task.number)
}

fn retries<'a>(state: &'a RunState, limits: &'a Limits) -> impl Iterator<Item = Action> + 'a {
    let due = move |task| Some((task, retry::retry_due(state, task, limits)?));
    let left = limits.budget.saturating_sub(retry::spent(state)) as usize;
    let due = numbers(state).filter_map(due).enumerate();
    due.filter_map(move |(place, (task, due))| match place < left {
        true => Some(Action::ScheduleRetry { task, due }),
        false if state.task(task).retry_budget_spent.is_some() => None,
        false => Some(Action::RecordRetryBudget {
            task,
            budget: limits.budget,
        }),
    })
}

fn parks(state: &RunState, limits: &Limits) -> Vec<Action> {
    let mut parks: Vec<Action> = Vec::new();
    for number in numbers(state) {
        let Some((worker, until, reason)) = parking_due(state, number, limits) else {
            continue;
        };
        let same =
            |park: &Action| matches!(park, Action::Park { worker: other, .. } if *other == worker);
        if !parks.iter().any(same) {
            parks.push(Action::Park {
                worker,
                task: number,
                until,
                reason,
            });
        }
    }
    parks
}

/// Returns the starts that are possible now, and the waits for further ones.
///
/// A later task whose worker is free starts before an earlier one whose worker is not.
fn starts(state: &RunState, limits: &Limits) -> Vec<Action> {
    let mut slots = Slots::new(state, limits);
    if slots.free == 0 || state.cost_limit_reached.is_some() || state.setup.tripped().is_some() {
        return Vec::new();
    }
    let ready = ready(state, limits);
    if let Some(failure) = state.setup.ready_to_trip().filter(|_| !ready.is_empty()) {
        let SharedFailure { tasks, message } = failure.clone();
        return vec![Action::TripSetup { tasks, message }];
    }
    if let Some((spent, max_cost)) = exhausted_cost(state, limits).filter(|_| !ready.is_empty()) {
        return vec![Action::RecordCostLimit { spent, max_cost }];
    }
    let mut actions: Vec<Action> = Vec::new();
    for task in ready {
        if slots.free == 0 {
            break;
        }
        let action = match limits.pool.choose(state, task) {
            WorkerChoice::Worker(name) => {
                let worker = name.to_owned();
                if state.worker_health.access_denied(name).is_some() {
                    continue;
                }
                if let Some(failure) = state.worker_health.newly_denied(name) {
                    let SharedFailure { tasks, message } = failure.clone();
                    return vec![Action::DenyAccess {
                        worker,
                        tasks,
                        message,
                    }];
                }
                match slots.take(name) {
                    Slot::Free => Action::Start { task, worker },
                    Slot::CoolingDown => Action::WaitForCooldown { worker },
                    Slot::None => continue,
                }
            }
            WorkerChoice::Parked(name, at) => {
                let worker = name.to_owned();
                Action::UnparkAt { worker, at }
            }
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

/// Returns the reported cost and the limit, once it is reached.
fn exhausted_cost(state: &RunState, limits: &Limits) -> Option<(f64, f64)> {
    let max_cost = state.max_cost.or(limits.max_cost)?;
    let spent = state.known_cost();
    (spent >= max_cost).then_some((spent, max_cost))
}

/// Returns the tasks that only wait for a free slot, the most important first.
fn ready(state: &RunState, limits: &Limits) -> Vec<TaskNumber> {
    let ready = |number: &TaskNumber| {
        state.task(*number).phase == TaskPhase::Queued
            && state.unmet_dependencies(*number).is_empty()
            && !(limits.hold_back && state.speculative_conflict_for(*number).is_some())
    };
    let mut ready: Vec<TaskNumber> = numbers(state).filter(ready).collect();
    priority::sort(&state.plan, &mut ready);
    ready
}

fn wakes(state: &RunState) -> impl Iterator<Item = Action> + '_ {
    numbers(state).filter_map(|task| match state.task(task).phase {
        TaskPhase::RetryAt(at) => Some(Action::WakeAt { task, at }),
        _ => None,
    })
}

/// Returns `true` if the last assembly covers exactly the current candidates.
fn is_assembled(state: &RunState) -> bool {
    let wanted: BTreeSet<(TaskNumber, Oid, bool)> = state
        .candidates()
        .into_iter()
        .map(|(task, candidate)| (task, candidate, state.is_left_out(task)))
        .collect();
    let Some(integration) = state
        .integration
        .as_ref()
        .filter(|_| !state.assembly_requested)
    else {
        return wanted.is_empty();
    };
    let merged = integration
        .merged
        .iter()
        .map(|merged| (merged.task, merged.candidate, false));
    let left_out = integration
        .left_out
        .iter()
        .map(|out| (out.task, out.candidate, out.reason == LeftOutReason::ByUser));
    wanted == merged.chain(left_out).collect()
}
