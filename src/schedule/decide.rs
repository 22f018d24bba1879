//! Decides what a run does now.
//!
//! A decision depends on nothing but the arguments, and acting on it changes the state so that it is
//! not taken again. So a run that was interrupted is resumed by replaying its events and deciding.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::merge::oid::Oid;
use crate::model::ids::{TaskNumber, TaskVariant};
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::schedule::parking::parking_due;
use crate::schedule::queues::Queues;
use crate::schedule::starts::{exhausted_cost, starts};
use crate::schedule::{Action, Limits, redispatch};

/// Returns the actions that are due. The queues must be those of this state.
pub fn decide(state: &RunState, limits: &Limits, queues: &Queues) -> Vec<Action> {
    // A pause lasts until the user ends it, also when nothing is alive any more.
    if matches!(state.phase, RunPhase::Ended(_) | RunPhase::Paused) {
        return Vec::new();
    }
    // Every next step needs space; live attempts continue.
    if state.phase == RunPhase::Running && state.shortage.is_some() {
        return Vec::new();
    }
    let mut actions = Vec::new();
    if state.phase == RunPhase::Running {
        let parks = parks(state, limits, queues);
        if !parks.is_empty() {
            // Everything else depends on which workers are parked.
            return parks;
        }
        actions.extend(retries(limits, queues));
        actions.extend(choices(state, queues.choosing.iter().copied()));
        actions.extend(starts(state, limits, queues));
        actions.extend(wake(queues));
    }
    let is_near = |action: &Action| match action {
        Action::UnparkAt { at, .. } => {
            let wait = at.duration_since(state.updated);
            Duration::try_from(wait).is_ok_and(|wait| wait <= limits.quota_wait)
        }
        _ => true,
    };
    if !queues.running.is_empty() || actions.iter().any(is_near) {
        return actions;
    }
    last_steps(state, limits, queues)
}

/// Returns the steps after the last attempt: an earlier result in place of a failed one, the
/// assembly, tasks that are done again because of it, the end.
pub(super) fn last_steps(state: &RunState, limits: &Limits, queues: &Queues) -> Vec<Action> {
    let is_running = state.phase == RunPhase::Running;
    if is_running {
        let open = choices(state, unfinished_choices(state));
        if !open.is_empty() {
            return open;
        }
        let given_up = redispatch::failed(state);
        if !given_up.is_empty() {
            return given_up;
        }
    }
    let may_assemble = is_running && state.assemble && state.assembly_refused.is_none();
    if may_assemble && !is_assembled(state) {
        return vec![Action::Assemble];
    }
    // A task that cannot be started now would only lose the result it offers.
    let may_start = state.cost_limit_reached.is_none()
        && state.setup.tripped().is_none()
        && state.worker_health.all_denied().next().is_none()
        && exhausted_cost(state, limits, queues).is_none();
    if may_assemble && !state.redispatch_suspended && may_start {
        let again = redispatch::redispatches(state, limits, queues);
        if !again.is_empty() {
            return again;
        }
    }
    vec![Action::End {
        exit: state.exit_code(),
    }]
}

fn retries(limits: &Limits, queues: &Queues) -> Vec<Action> {
    let left = limits.budget.saturating_sub(queues.retries_spent) as usize;
    let schedule = queues.retries.iter().take(left);
    let schedule = schedule.map(|(of, due)| Action::ScheduleRetry {
        task: of.task,
        variant: of.variant,
        due: *due,
    });
    let first_without = queues.retries.keys().nth(left).into_iter();
    let rest = first_without.flat_map(|first| queues.unannounced.range(*first..));
    let give_up = rest.map(|of| Action::RecordRetryBudget {
        task: of.task,
        variant: of.variant,
        budget: limits.budget,
    });
    schedule.chain(give_up).collect()
}

fn parks(state: &RunState, limits: &Limits, queues: &Queues) -> Vec<Action> {
    let mut parks: Vec<Action> = Vec::new();
    for of in queues.over_quota.iter().copied() {
        let Some((worker, until, reason)) = parking_due(state, of, limits) else {
            continue;
        };
        let task = of.task;
        let same =
            |park: &Action| matches!(park, Action::Park { worker: other, .. } if *other == worker);
        if !parks.iter().any(same) {
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

/// The first retry; the one after it is decided on once this one is due.
fn wake(queues: &Queues) -> Option<Action> {
    let (at, of) = queues.waiting.first().copied()?;
    let TaskVariant { task, variant } = of;
    Some(Action::WakeAt { task, variant, at })
}

/// Returns the next step of the choice among the variants of these tasks.
pub(super) fn choices(state: &RunState, tasks: impl Iterator<Item = TaskNumber>) -> Vec<Action> {
    let step = |task: TaskNumber| match state.task(task).variant_choice() {
        Some(_) => Action::AcceptVariant(task),
        None => Action::ChooseVariant(task),
    };
    tasks.map(step).collect()
}

/// Returns the tasks with a variant that passed and others that cannot start any more: the choice
/// does not wait for them.
fn unfinished_choices(state: &RunState) -> impl Iterator<Item = TaskNumber> {
    let numbers = state.plan.tasks().iter().map(|task| task.number);
    numbers.filter(|number| {
        let task = state.task(*number);
        let mut states = task.variant_states().iter();
        let is_open = matches!(task.phase, TaskPhase::Queued | TaskPhase::RetryAt(_));
        is_open && states.any(|state| state.phase == TaskPhase::Done)
    })
}

/// Returns `true` if the integration branch holds, or names as left out, exactly the candidates there
/// are.
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
