//! Which candidates contain which others: by history, which also knows what was dispatched again on
//! top of others, and what a worker merged by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::engine::EngineError;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// What each candidate contains, directly or through others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BuiltOn(BTreeMap<TaskNumber, Vec<TaskNumber>>);

impl BuiltOn {
    /// Reads the history of every candidate; where it cannot be walked, what the journal says holds.
    pub fn read(store: &Store, state: &RunState) -> Result<BuiltOn, EngineError> {
        let candidates = state.candidates();
        let by_commit: HashMap<Oid, TaskNumber> =
            candidates.iter().map(|(task, oid)| (*oid, *task)).collect();
        let mut found = BTreeMap::new();
        for (task, candidate) in &candidates {
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

    /// What this candidate contains.
    pub fn of(&self, task: TaskNumber) -> Vec<TaskNumber> {
        self.0.get(&task).cloned().unwrap_or_default()
    }

    /// All of it, as [`crate::assembly::culprit::Blame`] takes it.
    pub fn map(&self) -> BTreeMap<TaskNumber, Vec<TaskNumber>> {
        self.0.clone()
    }
}
