//! Removing what a finished run no longer needs: worktrees and branches, never work that is
//! nowhere else, and never the journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::base::{fault, parallel};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::conflict_worktree::is_untouched;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::prepare::worker_folder;
use crate::engine::worktree::setup::tear_down;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;

/// What can go and what has to stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Worktrees that can go.
    pub worktrees: Vec<Worktree>,
    /// Branches that can go, with the commits they are at.
    pub branches: Vec<(String, Oid)>,
    /// What stays, and why.
    pub kept: Vec<(String, String)>,
}

/// Looks at everything a run made. `forced` names tasks (by tag or number) whose worktrees go even
/// with uncommitted work in them.
///
/// # Errors
/// When the store cannot be read.
pub fn plan(
    context: &Context,
    state: &RunState,
    forced: &[TaskNumber],
) -> Result<Plan, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut plan = Plan::default();
    let found = worktrees(context, state);
    let hindrances = parallel::map(&found, |found| {
        let store = Store::open(&context.repo)?;
        match found.used && !is_untouched_conflict(context, found) {
            true => hindrance(context, &store, state, &found.worktree),
            false => Ok(None),
        }
    });
    for (found, hindrance) in found.into_iter().zip(hindrances) {
        let is_forced = found.task.is_some_and(|task| forced.contains(&task));
        match hindrance? {
            Some(why) if !is_forced => {
                plan.kept
                    .push((found.worktree.path.display().to_string(), why));
            }
            _ => plan.worktrees.push(found.worktree),
        }
    }
    let gone: HashSet<&PathBuf> = plan.worktrees.iter().map(|gone| &gone.path).collect();
    let checkouts = context.repo.checkouts();
    let in_use: HashMap<String, PathBuf> = checkouts
        .into_iter()
        .filter(|(_, place)| !gone.contains(place))
        .collect();
    for (branch, tip, is_saved) in branches(&store, context, state)? {
        if let Some(place) = in_use.get(&branch) {
            plan.kept
                .push((branch, format!("checked out in {}", place.display())));
        } else if is_saved {
            plan.branches.push((branch, tip));
        } else {
            plan.kept
                .push((branch, "has work that is not landed".to_owned()));
        }
    }
    Ok(plan)
}

fn worktrees(context: &Context, state: &RunState) -> Vec<Found> {
    let mut wanted: Vec<(Option<TaskNumber>, bool, PathBuf)> = Vec::new();
    for task in state.plan.tasks() {
        let attempts = &state.task(task.number).attempts;
        wanted.extend(attempts.iter().map(|attempt| {
            let path = context.recorded_worktree(&attempt.worktree);
            (
                Some(task.number),
                was_used(context, task.number, attempt),
                path,
            )
        }));
    }
    let resolves = state.plan.tasks().iter();
    wanted.extend(resolves.map(|task| {
        let number = task.number;
        (Some(number), true, context.resolve_worktree(number))
    }));
    // Checks leave build output there; its commit is on the integration branch.
    wanted.push((None, false, context.integration_worktree()));
    wanted.push((None, false, context.landing_worktree()));
    let known = context.repo.worktrees();
    let find = |path: &PathBuf| known.iter().find(|found| found.path == *path).cloned();
    // Attempts that went on in place share one.
    let mut used_at: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for (_, used, path) in &wanted {
        *used_at.entry(path.clone()).or_default() |= used;
    }
    wanted
        .into_iter()
        .filter_map(|(task, _, path)| Some((task, used_at.remove(&path)?, path)))
        .filter_map(|(task, used, path)| {
            Some(Found {
                task,
                used,
                worktree: find(&path)?,
            })
        })
        .collect()
}

/// A conflict that was opened and in which nobody has done anything.
fn is_untouched_conflict(context: &Context, found: &Found) -> bool {
    found.task.is_some_and(|task| {
        found.worktree.path == context.resolve_worktree(task)
            && is_untouched(context, task, &found.worktree)
    })
}

/// A worktree of the run.
struct Found {
    task: Option<TaskNumber>,
    /// Whether anybody can have worked in it.
    used: bool,
    worktree: Worktree,
}

/// An attempt that was cut off before its worker started left at most a half-filled worktree.
fn was_used(context: &Context, task: TaskNumber, attempt: &Attempt) -> bool {
    let cut_off = match &attempt.outcome {
        Some(outcome) => matches!(outcome.end, End::Interrupted {}),
        None => true,
    };
    !cut_off || worker_folder(context, task, attempt.number).exists()
}

/// Whether nothing would be lost with a worktree of the run.
///
/// # Errors
/// When the store or the worktree cannot be read.
pub fn is_safe(
    context: &Context,
    state: &RunState,
    worktree: &Worktree,
) -> Result<bool, EngineError> {
    let store = Store::open(&context.repo)?;
    Ok(worktree.path.is_dir() && hindrance(context, &store, state, worktree)?.is_none())
}

/// Removes one worktree, as cleaning does.
///
/// # Errors
/// When its teardown fails, or files cannot be removed.
pub fn remove(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    tear_down(context, worktree)?;
    Ok(context.repo.remove_worktree(worktree)?)
}

/// What would be lost with a worktree: changes in no commit, or commits that nothing else names.
fn hindrance(
    context: &Context,
    store: &Store,
    state: &RunState,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if !worktree.path.is_dir() {
        return Ok(None);
    }
    if let Err(error) = worktree.verify() {
        return Ok(Some(error.to_string()));
    }
    if store.has_changes(worktree, &links_in(context, &worktree.path))? {
        return Ok(Some("has uncommitted changes".to_owned()));
    }
    let head = match worktree.head() {
        Some(Head::Detached(oid)) => oid,
        Some(Head::Branch(branch)) => store.reference(&branch_ref(&branch))?.unwrap_or(Oid::ZERO),
        None => Oid::ZERO,
    };
    let on_branch = matches!(worktree.head(), Some(Head::Branch(_)));
    Ok((!on_branch && !is_saved(store, state, head)?)
        .then(|| format!("is at {}, which no reference keeps", head.short())))
}

/// Whether the journal, or the base itself, keeps a commit.
fn is_saved(store: &Store, state: &RunState, commit: Oid) -> Result<bool, StoreError> {
    if commit.is_zero() || store.is_ancestor(commit, state.base)? {
        return Ok(true);
    }
    for outcome in state
        .tasks
        .iter()
        .flat_map(|t| &t.attempts)
        .filter_map(|a| a.outcome.as_ref())
    {
        let candidate = match outcome.end {
            End::Passed { candidate, .. } => candidate,
            _ => None,
        };
        for kept in candidate.into_iter().chain(outcome.kept) {
            if store.is_ancestor(commit, kept)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The run's branches, and whether each holds nothing that is not landed or empty.
fn branches(
    store: &Store,
    context: &Context,
    state: &RunState,
) -> Result<Vec<(String, Oid, bool)>, EngineError> {
    let mut found = Vec::new();
    let landed = state.landed.is_some();
    let merged = state
        .integration
        .iter()
        .flat_map(|integration| &integration.merged);
    let merged: Vec<(TaskNumber, Oid)> = merged.map(|m| (m.task, m.candidate)).collect();
    for task in state.plan.tasks() {
        let branch = context.branch(task.number);
        let Some(tip) = store.reference(&branch_ref(&branch))? else {
            continue;
        };
        let is_landed = landed && merged.contains(&(task.number, tip));
        let is_empty = store.is_ancestor(tip, state.base)?;
        found.push((branch, tip, is_landed || is_empty));
    }
    let branch = context.integration_branch();
    if let Some(tip) = store.reference(&branch_ref(&branch))? {
        let is_ours = store.commit(tip)?.trailer("Dispatch-Run") == Some(state.run.as_str());
        found.push((branch, tip, landed && is_ours));
    }
    Ok(found)
}

/// Removes what the plan says can go, and empty folders above it.
///
/// # Errors
/// When something cannot be removed; what was removed until then is gone.
pub fn carry_out(context: &Context, plan: &Plan) -> Result<(), EngineError> {
    fault::point("cleaning", "before it begins");
    let removed = parallel::map(&plan.worktrees, |worktree| remove(context, worktree));
    fault::point("cleaning", "without worktrees");
    for (worktree, removed) in plan.worktrees.iter().zip(removed) {
        removed?;
        // Only empty folders go: the run's, then the repository's.
        let parents = worktree.path.ancestors().skip(1).take(2);
        parents.for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
    let store = Store::open(&context.repo)?;
    for (branch, tip) in &plan.branches {
        match store.delete_reference(&branch_ref(branch), *tip) {
            Err(StoreError::Moved { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}
