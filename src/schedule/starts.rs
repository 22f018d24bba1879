//! Decides which tasks start now. A lower task whose worker is free goes before a higher one whose
//! worker is not.

use std::collections::BTreeMap;

use crate::model::ids::TaskVariant;
use crate::model::run::RunState;
use crate::model::usage::Cost;
use crate::schedule::queues::{Queues, Rank};
use crate::schedule::slots::{Slot, Slots};
use crate::schedule::worker_pool::WorkerChoice;
use crate::schedule::{Action, Limits};

/// Returns the starts that are possible now, and what has to be waited for so that more are.
pub(super) fn starts(state: &RunState, limits: &Limits, queues: &Queues) -> Vec<Action> {
    let mut slots = Slots::new(state, limits, queues);
    if slots.free == 0 || state.cost_limit_reached.is_some() || state.setup.tripped().is_some() {
        return Vec::new();
    }
    let mut ready = Ready::new(state, limits, queues);
    if ready.is_empty() {
        return Vec::new();
    }
    if let Some(broken) = state.setup.ready_to_trip() {
        let (tasks, message) = (broken.tasks.clone(), broken.message.clone());
        return vec![Action::TripSetup { tasks, message }];
    }
    if let Some((spent, max_cost)) = exhausted_cost(state, limits, queues) {
        return vec![Action::RecordCostLimit { spent, max_cost }];
    }
    let mut actions: Vec<Action> = Vec::new();
    while slots.free > 0
        && let Some(of) = ready.first()
    {
        let Some(action) = next(state, limits, &mut slots, of) else {
            ready.skip_worker();
            continue;
        };
        match action {
            Action::Start { .. } => ready.pop(),
            Action::DenyAccess { .. } => return vec![action],
            _ => ready.skip_worker(),
        }
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

/// Returns the action for a ready task; none if its worker starts nothing until another attempt of it
/// has ended.
fn next<'a>(
    state: &'a RunState,
    limits: &'a Limits,
    slots: &mut Slots<'a>,
    of: TaskVariant,
) -> Option<Action> {
    let name = match limits.pool.choose(state, of) {
        WorkerChoice::Worker(name) => name,
        WorkerChoice::Parked(name, at) => {
            let worker = name.to_owned();
            return Some(Action::UnparkAt { worker, at });
        }
    };
    let worker = name.to_owned();
    if state.worker_health.access_denied(name).is_some() {
        return None;
    }
    if let Some(broken) = state.worker_health.newly_denied(name) {
        let (tasks, message) = (broken.tasks.clone(), broken.message.clone());
        return Some(Action::DenyAccess {
            worker,
            tasks,
            message,
        });
    }
    match slots.take(name) {
        Slot::Free => Some(Action::Start {
            task: of.task,
            variant: of.variant,
            worker,
        }),
        Slot::CoolingDown => Some(Action::WaitForCooldown { worker }),
        Slot::None => None,
    }
}

/// Returns what has been spent and the most that may be, once that is reached.
pub(super) fn exhausted_cost(
    state: &RunState,
    limits: &Limits,
    queues: &Queues,
) -> Option<(f64, f64)> {
    let max_cost = state.max_cost.or(limits.max_cost)?;
    let spent = match queues.known_cost {
        Cost::Known(dollars) => dollars,
        Cost::Unknown => 0.0,
    };
    (spent >= max_cost).then_some((spent, max_cost))
}

type Line<'a> = Box<dyn Iterator<Item = Rank> + 'a>;

/// The ready tasks, the most important first: the first of each worker, with those behind it.
struct Ready<'a>(BTreeMap<Rank, Line<'a>>);

impl<'a> Ready<'a> {
    fn new(state: &'a RunState, limits: &'a Limits, queues: &'a Queues) -> Ready<'a> {
        let is_held_back = move |rank: &Rank| {
            limits.hold_back && state.speculative_conflict_for(rank.of.task).is_some()
        };
        let mut ready = Ready(BTreeMap::new());
        for line in queues.ready.values() {
            let line = line.iter().copied();
            ready.push(Box::new(line.filter(move |rank| !is_held_back(rank))));
        }
        ready
    }

    fn push(&mut self, mut line: Line<'a>) {
        if let Some(first) = line.next() {
            self.0.insert(first, line);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first(&self) -> Option<TaskVariant> {
        self.0.first_key_value().map(|(rank, _)| rank.of)
    }

    /// Takes the first task away.
    fn pop(&mut self) {
        if let Some((_, line)) = self.0.pop_first() {
            self.push(line);
        }
    }

    /// Takes every task of the first one's worker away.
    fn skip_worker(&mut self) {
        self.0.pop_first();
    }
}
