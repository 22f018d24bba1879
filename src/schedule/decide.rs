//! [`decide`]: from the state of a run to the actions that are due.
//!
//! The answer depends on nothing but the arguments, and acting on it changes the state so that it
//! is not given again; that is why a run can be taken up after a crash by replaying and deciding.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::ids::{Oid, TaskNumber};
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunPhase, RunState, TaskPhase};
use crate::schedule::{priority, retry};

/// What bounds the run.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// How many attempts may be alive at once.
    pub max_parallel: usize,
    /// Retries of a transient failure, where the task does not say.
    pub transient_retries: u32,
    /// The first delay before a retry.
    pub base_delay: Duration,
    /// The longest delay before a retry.
    pub max_delay: Duration,
    /// How many retries the whole run may spend.
    pub budget: u32,
    /// Whether tasks wait that would make a conflict of running work worse.
    pub hold_back: bool,
}

/// Something to do now.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Start the next attempt at a task.
    Start(TaskNumber),
    /// Record that a failed task will be tried again.
    ScheduleRetry {
        /// The task.
        task: TaskNumber,
        /// Not before this time.
        due: Timestamp,
    },
    /// Come back at this time for a scheduled retry.
    WakeAt {
        /// The task.
        task: TaskNumber,
        /// When.
        at: Timestamp,
    },
    /// Assemble the candidates.
    Assemble,
    /// Nothing is left to do: end the run.
    End {
        /// Its exit code.
        exit: u8,
    },
}

/// Everything that is due.
pub fn decide(state: &RunState, limits: &Limits) -> Vec<Action> {
    // A pause lasts until a person ends it, also when nothing is alive any more.
    if matches!(state.phase, RunPhase::Ended(_) | RunPhase::Paused) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    if state.phase == RunPhase::Running {
        actions.extend(retries(state, limits));
        actions.extend(starts(state, limits));
        actions.extend(wakes(state));
    }
    let alive = state
        .tasks
        .iter()
        .any(|task| task.phase == TaskPhase::Running);
    if !actions.is_empty() || alive {
        return actions;
    }
    let may_assemble = state.assemble && state.refused.is_none();
    if state.phase == RunPhase::Running && may_assemble && !is_assembled(state) {
        return vec![Action::Assemble];
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
    let budget = limits.budget.saturating_sub(retry::spent(state)) as usize;
    let scheduled = numbers(state).filter_map(due).take(budget);
    scheduled.map(|(task, due)| Action::ScheduleRetry { task, due })
}

fn starts(state: &RunState, limits: &Limits) -> Vec<Action> {
    let alive = state
        .tasks
        .iter()
        .filter(|task| task.phase == TaskPhase::Running)
        .count();
    let room = limits.max_parallel.saturating_sub(alive);
    if room == 0 {
        return Vec::new();
    }
    let ready = |number: &TaskNumber| {
        state.task(*number).phase == TaskPhase::Queued
            && state.unmet(*number).is_empty()
            && !(limits.hold_back && state.conflict_ahead_of(*number).is_some())
    };
    let mut ready: Vec<TaskNumber> = numbers(state).filter(ready).collect();
    priority::sort(&state.plan, &mut ready);
    ready.into_iter().take(room).map(Action::Start).collect()
}

fn wakes(state: &RunState) -> impl Iterator<Item = Action> + '_ {
    numbers(state).filter_map(|task| match state.task(task).phase {
        TaskPhase::RetryAt(at) => Some(Action::WakeAt { task, at }),
        _ => None,
    })
}

/// Whether the integration branch holds, or names as left out, exactly the candidates there are.
fn is_assembled(state: &RunState) -> bool {
    let wanted: BTreeSet<(TaskNumber, Oid, bool)> = state
        .candidates()
        .into_iter()
        .map(|(task, candidate)| (task, candidate, state.is_left_out(task)))
        .collect();
    let Some(integration) = &state.integration else {
        return wanted.is_empty();
    };
    let merged = integration
        .merged
        .iter()
        .map(|merged| (merged.task, merged.candidate, false));
    let left_out = integration
        .left_out
        .iter()
        .map(|out| (out.task, out.candidate, out.reason == LeftOutReason::Person));
    wanted == merged.chain(left_out).collect()
}
