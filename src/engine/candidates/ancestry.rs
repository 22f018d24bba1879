//! Finds the candidates that contain others, from history, which also shows re-dispatched tasks and
//! merges made by workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::engine::EngineError;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// The candidates that each candidate contains, directly or through others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct BuiltOn(BTreeMap<TaskNumber, Vec<TaskNumber>>);

impl BuiltOn {
    /// Reads the history of every candidate; where it cannot be walked, the journal decides.
    pub(crate) fn read(store: &Store, state: &RunState) -> Result<BuiltOn, EngineError> {
        let all = state.candidates().into_iter().map(|(task, _)| task);
        BuiltOn::of_tasks(store, state, &all.collect())
    }

    /// Reads the history of the candidates of these tasks.
    pub(crate) fn of_tasks(
        store: &Store,
        state: &RunState,
        tasks: &BTreeSet<TaskNumber>,
    ) -> Result<BuiltOn, EngineError> {
        let candidates = state.candidates();
        let by_commit: HashMap<Oid, TaskNumber> =
            candidates.iter().map(|(task, oid)| (*oid, *task)).collect();
        let mut found = BTreeMap::new();
        let chosen = candidates.iter().filter(|(task, _)| tasks.contains(task));
        for (task, candidate) in chosen {
            let above = store.commits_above(*candidate, Some(state.base));
            let commits = above.unwrap_or_default().into_iter();
            let others = commits.filter(|(commit, _)| commit != candidate);
            let contained = others.filter_map(|(commit, _)| by_commit.get(&commit).copied());
            let mut on: BTreeSet<TaskNumber> = contained.collect();
            on.extend(state.built_on(*task));
            on.remove(task);
            found.insert(*task, on.into_iter().collect());
        }
        Ok(BuiltOn(found))
    }

    /// Returns the candidates that this one contains.
    pub(crate) fn of(&self, task: TaskNumber) -> Vec<TaskNumber> {
        self.0.get(&task).cloned().unwrap_or_default()
    }

    /// Returns these candidates for all tasks.
    pub(crate) fn map(&self) -> BTreeMap<TaskNumber, Vec<TaskNumber>> {
        self.0.clone()
    }
}
