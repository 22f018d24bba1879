//! The commits of tasks: their own, those of the assembly, and others that make the same change.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::engine::EngineError;
use crate::engine::blame::Credits;
use crate::git::patch_ids::PatchId;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_change::TaskChange;
use crate::report::blame::{Credit, Link};

/// The longest chain of an assembly that is followed for one task.
const LONGEST_CHAIN: usize = 1000;

/// The credits of the commits that journals name or enclose.
pub(super) struct TaskCommits(Credits);

impl TaskCommits {
    /// Reads the runs, the latest first, until each of the wanted commits is found.
    pub(super) fn read(
        store: &Store,
        runs: &[RunState],
        wanted: &BTreeSet<Oid>,
    ) -> Result<TaskCommits, EngineError> {
        let mut found = TaskCommits(HashMap::new());
        for (place, state) in runs.iter().enumerate() {
            if wanted.iter().all(|oid| found.has(*oid)) {
                break;
            }
            found.add_own(store, place, state)?;
            found.add_assembled(store, place, state);
        }
        Ok(found)
    }

    pub(super) fn has(&self, commit: Oid) -> bool {
        self.0.contains_key(&commit)
    }

    pub(super) fn get(&self, commit: Oid) -> Option<&Credit> {
        self.0.get(&commit)
    }

    fn add(&mut self, commit: Oid, run: usize, task: TaskNumber, link: Link) {
        let credit = Credit { run, task, link };
        self.0.entry(commit).or_insert(credit);
    }

    fn add_own(&mut self, store: &Store, run: usize, state: &RunState) -> Result<(), EngineError> {
        // A task that stands on another has its commits above the other's, so none is counted twice.
        for (task, change) in changes(state) {
            for (commit, _) in own_commits(store, change)? {
                self.add(commit, run, task, Link::Own);
            }
        }
        Ok(())
    }

    /// Adds the commits of the integration branch: of each task the one that the journal names, and in a
    /// linear history those below it.
    fn add_assembled(&mut self, store: &Store, run: usize, state: &RunState) {
        let Some(integration) = &state.integration else {
            return;
        };
        let mut ends: HashSet<Oid> = integration
            .merged
            .iter()
            .map(|merged| merged.commit)
            .collect();
        ends.insert(state.base);
        for merged in &integration.merged {
            self.add(merged.commit, run, merged.task, Link::Assembled);
            let mut next = merged.commit;
            for _ in 0..LONGEST_CHAIN {
                let parents = store.commit(next).map(|commit| commit.parents);
                let Ok([parent]) = parents.as_deref() else {
                    break;
                };
                if ends.contains(parent) || self.has(*parent) {
                    break;
                }
                next = *parent;
                self.add(next, run, merged.task, Link::Assembled);
            }
        }
    }
}

/// Lists the tasks of a run that have a change.
fn changes(state: &RunState) -> impl Iterator<Item = (TaskNumber, TaskChange)> + '_ {
    let numbers = state.plan.tasks().iter().map(|task| task.number);
    numbers.filter_map(|task| Some((task, state.task_change(task)?)))
}

/// Lists the commits of a change with their first parents. A history that is gone has none.
fn own_commits(store: &Store, change: TaskChange) -> Result<Vec<(Oid, Oid)>, EngineError> {
    if change.from == change.to || !store.has(change.to) || !store.has(change.from) {
        return Ok(Vec::new());
    }
    let commits = store.commits_above(change.to, Some(change.from))?;
    let commits = commits.into_iter();
    Ok(commits
        .filter_map(|(commit, parents)| Some((commit, *parents.first()?)))
        .collect())
}

/// Finds the tasks that make the same change as these commits: with one of their commits, or with all of
/// them together.
pub(super) fn same_change(
    repo: &Repo,
    store: &Store,
    runs: &[RunState],
    commits: &BTreeSet<Oid>,
) -> Result<Credits, EngineError> {
    let mut pairs = Vec::new();
    for commit in commits {
        let parents = store.commit(*commit)?.parents;
        // A merge makes no change of its own, and a root commit no change to anything.
        if let [parent] = parents[..] {
            pairs.push((*commit, parent));
        }
    }
    let mut wanted: HashMap<PatchId, Vec<Oid>> = HashMap::new();
    for (commit, id) in repo.patch_ids(&pairs, None)? {
        wanted.entry(id).or_default().push(commit);
    }
    let mut credits = Credits::new();
    for (place, state) in runs.iter().enumerate() {
        if wanted.is_empty() {
            break;
        }
        let (each, whole) = changes_of_run(store, state)?;
        for (pairs, tasks) in [each, whole] {
            for (commit, id) in repo.patch_ids(&pairs, None)? {
                let Some(found) = wanted.remove(&id) else {
                    continue;
                };
                let task = tasks[&commit];
                credits.extend(found.into_iter().map(|oid| {
                    let link = Link::SameChange;
                    (
                        oid,
                        Credit {
                            run: place,
                            task,
                            link,
                        },
                    )
                }));
            }
        }
    }
    Ok(credits)
}

/// Pairs of a commit and its base, and the task of each commit.
type Pairs = (Vec<(Oid, Oid)>, HashMap<Oid, TaskNumber>);

/// Lists the changes of a run, commit by commit, and those of tasks with several commits as one.
fn changes_of_run(store: &Store, state: &RunState) -> Result<(Pairs, Pairs), EngineError> {
    let (mut each, mut whole): (Pairs, Pairs) = Default::default();
    for (task, change) in changes(state) {
        let own = own_commits(store, change)?;
        if own.len() > 1 {
            whole.0.push((change.to, change.from));
            whole.1.insert(change.to, task);
        }
        each.1.extend(own.iter().map(|(commit, _)| (*commit, task)));
        each.0.extend(own);
    }
    Ok((each, whole))
}
