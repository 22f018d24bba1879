//! Limits the turns and dollars of an attempt: the agent applies limits that its command receives,
//! dispatch the others, from the output.

use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::failure::evidence::Fact;
use crate::model::plan::Task;
use crate::model::usage::{Cost, Dollars};
use crate::model::worker::Worker;
use crate::worker::command::{MAX_COST, MAX_TURNS};

/// The limits of an attempt. The task's values override the worker's.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Bounds {
    /// The maximum number of turns.
    pub max_turns: Option<u64>,
    /// The maximum cost in dollars.
    pub max_cost: Option<f64>,
}

impl Bounds {
    /// Returns the limits of a worker for a task.
    pub fn of(worker: &Worker, task: &Task) -> Bounds {
        let turns = task.fields.max_turns.map(u64::from);
        let cost = task.fields.max_cost.map(Dollars::amount);
        Bounds {
            max_turns: turns.or(worker.max_turns.map(|turns| turns as u64)),
            max_cost: cost.or(worker.max_cost),
        }
    }

    /// Returns the limits of an attempt that its agent's command does not receive.
    pub fn untold(context: &Context, spec: &AttemptSpec) -> Bounds {
        let bounds = Bounds::of(&spec.worker, context.plan.task(spec.task));
        let is_told = |place: &str| spec.worker.command.iter().any(|arg| arg.contains(place));
        Bounds {
            max_turns: bounds.max_turns.filter(|_| !is_told(MAX_TURNS)),
            max_cost: bounds.max_cost.filter(|_| !is_told(MAX_COST)),
        }
    }

    /// Returns the exceeded limit, if any. Unknown values exceed none.
    pub fn passed(&self, turns: u64, cost: Cost) -> Option<Fact> {
        let by_turns = self.max_turns.filter(|most| turns > *most);
        let by_cost = self
            .max_cost
            .filter(|most| matches!(cost, Cost::Known(spent) if spent > *most));
        by_turns
            .map(Fact::OutOfTurns)
            .or_else(|| by_cost.map(|most| Fact::OutOfBudget(Cost::Known(most).to_string())))
    }
}
