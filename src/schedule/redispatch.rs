//! Selects the tasks to re-dispatch because their candidates conflict with others.
//!
//! Only agents are asked again: a shell command would repeat its change and overwrite the other
//! one.

use crate::model::ids::TaskNumber;
use crate::model::integration::{LeftOut, LeftOutReason};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::TaskPhase;
use crate::schedule::action::Action;
use crate::schedule::limits::Limits;
use crate::schedule::queues::Queues;
use crate::schedule::worker_pool::WorkerChoice;

/// Returns the re-dispatches that are due, within the retry budget.
///
/// Of two tasks that conflict with each other only one is selected; the other follows on top of it.
pub(super) fn redispatches(state: &RunState, limits: &Limits, queues: &Queues) -> Vec<Action> {
    let left_out = state.integration.iter().flat_map(|found| &found.left_out);
    let budget = limits.budget.saturating_sub(queues.retries_spent) as usize;
    let mut chosen: Vec<TaskNumber> = Vec::new();
    let mut actions = Vec::new();
    for out in left_out.filter(|out| may_redispatch(state, out, limits)) {
        let meets = |other: &TaskNumber| conflicts(state, out.task, *other);
        let Some(conflict) = state.assembly_conflict(out.task) else {
            continue;
        };
        if actions.len() < budget && !chosen.iter().any(meets) {
            chosen.push(out.task);
            let task = out.task;
            actions.push(Action::Redispatch { task, conflict });
        }
    }
    actions
}

fn may_redispatch(state: &RunState, out: &LeftOut, limits: &Limits) -> bool {
    let LeftOutReason::Conflict { class, .. } = &out.reason else {
        return false;
    };
    let task = state.task(out.task);
    let has_author = state.plan.task(out.task).fields.run.is_none();
    let offers = task.candidate() == Some(out.candidate);
    let is_there = matches!(
        limits.pool.choose(state, out.task.into()),
        WorkerChoice::Worker(_)
    );
    let is_its_own = task.manual_resolution.is_none() && task.open_resolution.is_none();
    has_author
        && is_its_own
        && is_there
        && offers
        && class.is_redoable()
        && task.redispatches < limits.redispatches
}

fn conflicts(state: &RunState, one: TaskNumber, other: TaskNumber) -> bool {
    let pair = (one.min(other), one.max(other));
    let is_it = |conflict: &TaskConflict| conflict.pair() == pair && !conflict.inherited;
    state.conflicts.iter().any(is_it)
}

/// Returns the re-dispatched tasks that failed for good.
pub(super) fn failed(state: &RunState) -> Vec<Action> {
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    let failed = tasks.filter(|number| {
        let task = state.task(*number);
        task.phase == TaskPhase::Failed && task.redispatched_for.is_some() && task.redispatches > 0
    });
    failed.map(Action::FailRedispatch).collect()
}
