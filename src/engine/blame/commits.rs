//! The commits of tasks: their own, those of the assembly, and others that make the same change.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::engine::EngineError;
use crate::engine::blame::Credits;
use crate::git::patch_ids::PatchId;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::outcome::Outcome;
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

    fn add(&mut self, commit: Oid, credit: Credit) {
        self.0.entry(commit).or_insert(credit);
    }

    fn add_own(&mut self, store: &Store, run: usize, state: &RunState) -> Result<(), EngineError> {
        // A task that stands on another has its commits above the other's, so none is counted twice.
        for (task, change) in changes(state) {
            for own in own_commits(store, state, task, change)? {
                let (attempt, link) = (own.attempt, Link::Own);
                self.add(
                    own.commit,
                    Credit {
                        run,
                        task,
                        attempt,
                        link,
                    },
                );
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
            let credit = Credit {
                run,
                task: merged.task,
                attempt: whole_attempt(state, merged.task),
                link: Link::Assembled,
            };
            self.add(merged.commit, credit.clone());
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
                self.add(next, credit.clone());
            }
        }
    }
}

/// Lists the tasks of a run that have a change.
fn changes(state: &RunState) -> impl Iterator<Item = (TaskNumber, TaskChange)> + '_ {
    let numbers = state.plan.tasks().iter().map(|task| task.number);
    numbers.filter_map(|task| Some((task, state.task_change(task)?)))
}

/// A commit of a task.
struct OwnCommit {
    commit: Oid,
    /// Its first parent.
    parent: Oid,
    /// The attempt that made it, as [`Credit::attempt`].
    attempt: Option<AttemptNumber>,
}

/// Lists the commits of a change. A history that is gone has none.
///
/// A commit was made by the first attempt in whose result it is. The rest was made while a conflict was
/// resolved by hand, or by the attempt that decides.
fn own_commits(
    store: &Store,
    state: &RunState,
    task: TaskNumber,
    change: TaskChange,
) -> Result<Vec<OwnCommit>, EngineError> {
    if change.from == change.to || !store.has(change.to) || !store.has(change.from) {
        return Ok(Vec::new());
    }
    let commits = store.commits_above(change.to, Some(change.from))?;
    let parents: HashMap<Oid, &[Oid]> = commits
        .iter()
        .map(|(commit, parents)| (*commit, parents.as_slice()))
        .collect();
    let task = state.task(task);
    let mut made_by = HashMap::new();
    for attempt in &task.attempts {
        let outcome = attempt.outcome.iter();
        let mut left: Vec<Oid> = outcome.flat_map(Outcome::commits).collect();
        while let Some(commit) = left.pop() {
            let Some(parents) = parents.get(&commit) else {
                continue;
            };
            if let Entry::Vacant(free) = made_by.entry(commit) {
                free.insert(attempt.number);
                left.extend_from_slice(parents);
            }
        }
    }
    let of_rest = match task.manual_resolution {
        Some(_) => None,
        None => task.deciding_attempt().map(|attempt| attempt.number),
    };
    let own = |(commit, parents): &(Oid, Vec<Oid>)| {
        Some(OwnCommit {
            commit: *commit,
            parent: *parents.first()?,
            attempt: made_by.get(commit).copied().or(of_rest),
        })
    };
    Ok(commits.iter().filter_map(own).collect())
}

/// Returns the attempt that the whole change of a task is credited to: the last one that a worker made.
fn whole_attempt(state: &RunState, task: TaskNumber) -> Option<AttemptNumber> {
    let task = state.task(task);
    let deciding = task.deciding_attempt()?.number;
    let made_by_worker = task
        .attempts
        .iter()
        .rfind(|attempt| attempt.number <= deciding && !attempt.by_hand && has_result(attempt));
    Some(made_by_worker.map_or(deciding, |attempt| attempt.number))
}

fn has_result(attempt: &Attempt) -> bool {
    attempt
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.commits().next().is_some())
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
                let (task, attempt) = tasks[&commit];
                let credit = Credit {
                    run: place,
                    task,
                    attempt,
                    link: Link::SameChange,
                };
                credits.extend(found.into_iter().map(|oid| (oid, credit.clone())));
            }
        }
    }
    Ok(credits)
}

/// Pairs of a commit and its base, and the task and the attempt of each commit.
type Pairs = (
    Vec<(Oid, Oid)>,
    HashMap<Oid, (TaskNumber, Option<AttemptNumber>)>,
);

/// Lists the changes of a run, commit by commit, and those of tasks with several commits as one.
fn changes_of_run(store: &Store, state: &RunState) -> Result<(Pairs, Pairs), EngineError> {
    let (mut each, mut whole): (Pairs, Pairs) = Default::default();
    for (task, change) in changes(state) {
        let own = own_commits(store, state, task, change)?;
        if own.len() > 1 {
            whole.0.push((change.to, change.from));
            whole
                .1
                .insert(change.to, (task, whole_attempt(state, task)));
        }
        each.1
            .extend(own.iter().map(|own| (own.commit, (task, own.attempt))));
        each.0
            .extend(own.iter().map(|own| (own.commit, own.parent)));
    }
    Ok((each, whole))
}
