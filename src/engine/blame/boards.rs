//! The commits with which dispatch published the board of a run.

use std::collections::{BTreeSet, HashMap};

use crate::engine::EngineError;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::run::RunState;

/// The longest history of an integration branch that is searched.
const LONGEST_HISTORY: usize = 20_000;

/// Finds out which of these commits are boards: they change the board file alone, and are in the history of
/// the integration branch of a run. Returns the number of that run for each.
pub(super) fn board_commits(
    (repo, store): (&Repo, &Store),
    runs: &[RunState],
    board: &RepoPath,
    commits: &BTreeSet<Oid>,
) -> Result<HashMap<Oid, usize>, EngineError> {
    let mut pairs = Vec::new();
    for commit in commits {
        if let [parent] = store.commit(*commit)?.parents[..] {
            pairs.push((*commit, parent));
        }
    }
    let of_more = repo.patch_ids(&pairs, Some(board))?;
    let pairs = pairs.iter().map(|(commit, _)| *commit);
    let mut left: BTreeSet<Oid> = pairs.filter(|oid| !of_more.contains_key(oid)).collect();
    let mut found = HashMap::new();
    for (place, state) in runs.iter().enumerate() {
        for tip in tips(store, state)? {
            let mut next = Some(tip).filter(|_| !left.is_empty());
            for _ in 0..LONGEST_HISTORY {
                let Some(commit) = next.filter(|commit| *commit != state.base) else {
                    break;
                };
                if left.remove(&commit) {
                    found.insert(commit, place);
                }
                let parents = store.commit(commit).map(|commit| commit.parents);
                next = parents.ok().and_then(|parents| parents.first().copied());
            }
        }
    }
    Ok(found)
}

/// Returns the known ends of the integration branch: of the branch, and of what the journal has of it.
fn tips(store: &Store, state: &RunState) -> Result<BTreeSet<Oid>, EngineError> {
    let branch = store.reference(&branch_ref(&state.integration_branch()))?;
    let recorded = state.integration.iter();
    let merged = recorded.clone().filter_map(|found| found.merged.last());
    let recorded = recorded.flat_map(|found| [found.chain_tip, found.code_tip]);
    let recorded = recorded.flatten().chain(merged.map(|merged| merged.commit));
    Ok(branch.into_iter().chain(recorded).collect())
}
