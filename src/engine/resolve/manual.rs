//! Resolves a conflict by hand: finds it, records the resolution, keeps abandoned work.
//!
//! Accepting a resolution writes a commit with both sides as parents and touches nothing in the
//! worktree, so that the user can continue there when the checks fail.

use std::path::PathBuf;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::pair_verdict;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::conflict_worktree::{
    initial_tree, open_conflict, reason_to_stay, remove,
};
use crate::engine::resolve::error::ResolveError;
use crate::engine::resolve::file_conflict::{FileConflict, file_conflicts};
use crate::engine::resolve::recorded::record;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::work::{capture, without_set_up};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_engine::MergeEngine;
use crate::git::worktree::Worktree;
use crate::merge::answer::MergeAnswer;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::AssemblyConflict;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// Finds the conflict because of which a task was left out.
///
/// # Errors
/// When the task was not left out because of a conflict with what is merged.
pub fn find_conflict(state: &RunState, task: TaskNumber) -> Result<AssemblyConflict, ResolveError> {
    if let TaskPhase::DependenciesConflict { between, .. } = &state.task(task).phase {
        let between = between.clone();
        return Err(ResolveError::Waits { task, between });
    }
    let no_conflict = |why: String| ResolveError::NoConflict { task, why };
    let Some(integration) = &state.integration else {
        return Err(no_conflict("nothing is assembled".to_owned()));
    };
    let out = integration.left_out.iter().find(|out| out.task == task);
    match out.map(|out| &out.reason) {
        Some(LeftOutReason::Conflict { .. }) => {}
        Some(LeftOutReason::BuiltOn { task: on }) => {
            return Err(ResolveError::BuiltOn { task, on: *on });
        }
        Some(reason) => return Err(no_conflict(other_reason(reason))),
        None if integration.contains(task) => {
            return Err(no_conflict("it is merged".to_owned()));
        }
        None => return Err(no_conflict(format!("it is {}", state.status(task)))),
    }
    let conflict = state.assembly_conflict(task).ok_or(ResolveError::Stale)?;
    if state.task(task).candidate() != Some(conflict.candidate) {
        return Err(ResolveError::Stale);
    }
    Ok(conflict)
}

fn other_reason(reason: &LeftOutReason) -> String {
    match reason {
        LeftOutReason::FailedChecks {
            command,
            timed_out: true,
            ..
        } => format!("it times out in `{command}`"),
        LeftOutReason::FailedChecks { command, .. } => format!("it fails `{command}`"),
        LeftOutReason::ByUser => "it was left out in review".to_owned(),
        LeftOutReason::Conflict { .. } | LeftOutReason::BuiltOn { .. } => String::new(),
    }
}

/// The fate of the worktree of a conflict that is resolved.
pub enum Finished {
    /// It stays, with the reason.
    Kept(PathBuf, String),
    /// It is removed, with a message that names what went with it.
    Removed(Option<String>),
}

/// Finishes a resolution that passed the checks: records it, and removes the worktree unless it has
/// work that is not in the result.
///
/// # Errors
/// When the store cannot be written.
pub fn finish(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Finished, ResolveError> {
    let resolving = open_conflict(state, task)?;
    let Some(by_hand) = &state.task(task).manual_resolution else {
        return Err(ResolveError::NotOpen(task));
    };
    let store = Store::open(&context.repo)?;
    let tree = store.tree_of(by_hand.candidate)?;
    record_files(context, &store, task, &resolving.conflict, tree)?;
    fault::point("resolve", "recorded");
    let path = context.recorded_worktree(&resolving.worktree);
    let worktree = context.repo.find_worktree(&path);
    if let Some(worktree) = worktree.filter(Worktree::exists) {
        let now = capture(context, &store, &worktree).map_err(EngineError::from)?;
        let why = match without_set_up(&store, &worktree, now.tree)?.tree == tree {
            true => reason_to_stay(context, task, &worktree)?,
            false => Some("has files that are not in the result".to_owned()),
        };
        if let Some(why) = why {
            if worktree.lock_by_user().is_none() {
                worktree.unlock();
            }
            return Ok(Finished::Kept(path, format!("it {why}")));
        }
    }
    Ok(Finished::Removed(remove(context, state, task)?))
}

/// Records the resolution of every file that was in conflict.
fn record_files(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    conflict: &AssemblyConflict,
    tree: Oid,
) -> Result<(), ResolveError> {
    let verdict = pair_verdict(context, conflict.chain_tip, conflict.candidate)?;
    let engine = MergeEngine::writing(&context.repo, context.base).map_err(EngineError::from)?;
    let answer = engine.merge(conflict.chain_tip, conflict.candidate);
    let MergeAnswer::Done(result) = answer.map_err(EngineError::from)? else {
        return Ok(());
    };
    let units = verdict.into_iter().flat_map(|pair| pair.units);
    let units = units.filter(|unit| unit.class.is_conflict());
    let files = units.filter_map(|unit| file_conflicts(&unit, &result));
    let mut resolved: Vec<(FileConflict, Oid)> = Vec::new();
    for file in files.flatten() {
        // The resolution of a deleted or moved file cannot be recorded.
        if let Some(entry) = store.entry_at(tree, &file.path)?
            && entry.mode == file.mode
        {
            resolved.push((file, entry.oid));
        }
    }
    let tag = &context.plan.task(task).tag;
    let trailers = format!(
        "Dispatch-Run: {}\nDispatch-Task: {} {tag}\n",
        context.run, task.0
    );
    let now = context.clock.now();
    Ok(record(&context.repo, &resolved, &trailers, now)?)
}

/// Keeps the work in the worktree of a conflict that is aborted, and returns the reference.
///
/// # Errors
/// When it cannot be kept.
pub fn keep_work(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<String>, ResolveError> {
    let resolving = open_conflict(state, task)?;
    let path = context.recorded_worktree(&resolving.worktree);
    let worktree = context.repo.find_worktree(&path);
    let Some(worktree) = worktree.filter(Worktree::exists) else {
        return Ok(None);
    };
    let Some(untouched) = initial_tree(context, task) else {
        return Ok(None);
    };
    let store = Store::open(&context.repo)?;
    let now = capture(context, &store, &worktree).map_err(EngineError::from)?;
    if now.tree == untouched && now.head == resolving.conflict.chain_tip {
        return Ok(None);
    }
    let attempt = state.task(task).deciding_attempt();
    let attempt = attempt.map_or(1, |attempt| attempt.number);
    let trailers = context.trailers(task, attempt);
    let commit = store.write_commit(&NewCommit {
        tree: without_set_up(&store, &worktree, now.tree)?.tree,
        parents: &[now.head, resolving.conflict.candidate],
        message: &format!("Unfinished resolution of the conflict of {task}\n\n{trailers}"),
        time: context.clock.now(),
        by: By::User,
    })?;
    let (run, slug) = (&context.run, context.slug(task));
    let name = format!("refs/dispatch/attempts/{run}/{slug}/by-hand");
    keep(&store, &name, commit)?;
    fault::point("resolve", "work kept");
    Ok(Some(name))
}
