//! Finds the branches of a run, and checks if their work is kept elsewhere.

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::integration_record::is_tip_ours;
use crate::git::refs::branch_ref;
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::{TaskNumber, TaskVariant};
use crate::model::run::{RunPhase, RunState};

/// A branch of the run.
pub(super) struct BranchOfRun {
    pub(super) name: String,
    pub(super) tip: Oid,
    /// Its work has landed, or it has none.
    pub(super) is_saved: bool,
}

/// Returns the branches of the run that exist.
pub(super) fn branches(
    store: &Store,
    context: &Context,
    state: &RunState,
) -> Result<Vec<BranchOfRun>, EngineError> {
    let target = state.target.as_deref();
    let target = target.map(|target| store.reference(&branch_ref(target)));
    let target = target.transpose()?.flatten();
    let mut found = Vec::new();
    let names = state.plan.tasks().iter().flat_map(|task| {
        let variants = variant_branches(context, state, task.number);
        let names = std::iter::once(context.branch(task.number)).chain(variants);
        names.map(move |name| (task, name))
    });
    for (task, name) in names {
        let Some(tip) = store.reference(&branch_ref(&name))? else {
            continue;
        };
        let keepers = [
            Some(state.base),
            target,
            landed_candidate(state, task.number),
        ];
        let is_saved = is_contained(store, tip, keepers.into_iter().flatten())?;
        found.push(BranchOfRun {
            name,
            tip,
            is_saved,
        });
    }
    let name = context.integration_branch();
    if let Some(tip) = store.reference(&branch_ref(&name))? {
        let is_ours = is_tip_ours(store, &name, state.run.as_str(), tip)?;
        let merged = state.integration.iter().flat_map(|found| &found.merged);
        // Without a candidate it holds boards only, which the journal can render again.
        let has_no_work = state.phase == RunPhase::Ended(0) && merged.count() == 0;
        found.push(BranchOfRun {
            name,
            tip,
            is_saved: is_ours && (state.landed.is_some() || has_no_work),
        });
    }
    Ok(found)
}

/// Returns the branches of variants; they exist until one is chosen.
fn variant_branches(context: &Context, state: &RunState, task: TaskNumber) -> Vec<String> {
    let set = state.task(task).variants.as_ref();
    let numbers = 1..=set.map_or(0, |set| set.count);
    numbers
        .map(|number| TaskVariant {
            task,
            variant: Some(number),
        })
        .map(|of| context.attempt_branch(of))
        .collect()
}

/// Returns the candidate with which a task landed. The task's branch may be below it: a conflict that
/// the user resolved is a merge on top. A squash landing contains neither, so the journal decides.
fn landed_candidate(state: &RunState, task: TaskNumber) -> Option<Oid> {
    state.landed.as_ref()?;
    let mut merged = state.integration.as_ref()?.merged.iter();
    let merged = merged.find(|merged| merged.task == task)?;
    Some(merged.candidate)
}

fn is_contained(
    store: &Store,
    tip: Oid,
    keepers: impl Iterator<Item = Oid>,
) -> Result<bool, StoreError> {
    for keeper in keepers {
        if store.has(keeper) && store.is_ancestor(tip, keeper)? {
            return Ok(true);
        }
    }
    Ok(false)
}
