//! The candidates of a run: starting points, ancestry, conflicts between tasks.

use crate::assembly::selection::OrderInput;
use crate::assembly::selection::OrderTask;
use crate::engine::EngineError;
use crate::engine::candidates::ancestry::BuiltOn;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
pub(crate) mod ancestry;
pub(crate) mod conflicts;
pub mod newer_commits;
pub mod pair;
pub(crate) mod starting_point;
pub mod submodule_commits;
pub mod task_conflicts;

/// Returns the input of the selection and the order of candidates.
pub(super) fn order_input(
    context: &Context,
    state: &RunState,
    conflicts: &[TaskConflict],
) -> Result<OrderInput, EngineError> {
    let store = Store::open(&context.repo)?;
    let base_tree = store.tree_of(context.base)?;
    let built_on = BuiltOn::read(&store, state)?;
    let mut tasks = Vec::new();
    for (number, candidate) in state.candidates() {
        let task = state.plan.task(number);
        let changes = store.changes(base_tree, store.tree_of(candidate)?)?;
        tasks.push(OrderTask {
            number,
            priority: task.fields.priority,
            depends_on: built_on.of(number),
            moves_or_deletes: changes.iter().any(|change| change.new.is_none()),
            left_out: state.is_left_out(number),
        });
    }
    let conflicts = conflicts.iter().filter(|conflict| !conflict.inherited);
    let conflicts = conflicts.map(|conflict| (conflict.a, conflict.b)).collect();
    Ok(OrderInput {
        tasks,
        conflicts,
        first: state.assembly_order.clone(),
    })
}
