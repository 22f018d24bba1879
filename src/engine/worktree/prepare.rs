//! Prepares the branch and the worktree of an attempt.

use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};

/// Moves the branch of an attempt to `base` and checks it out in a worktree of its own.
///
/// # Errors
/// When the branch is checked out elsewhere, was moved, or files cannot be written.
pub fn prepare(context: &Context, spec: &AttemptSpec, base: Oid) -> Result<Worktree, EngineError> {
    let (task, attempt) = (spec.task, spec.attempt);
    let branch = context.attempt_branch(spec.of());
    fault::point("branch", "before it moves");
    context
        .repo
        .with_store(|store| move_branch(context, store, spec, base))?;
    fault::point("branch", "moved");
    let path = context.worktree_path(task, attempt);
    remove_unfinished(context, task, attempt, &path)?;
    let reason = format!("dispatch {}/{}", context.run, context.slug(task));
    Ok(context
        .repo
        .add_worktree(&path, &Head::Branch(branch), &reason)?)
}

fn move_branch(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
    base: Oid,
) -> Result<(), EngineError> {
    let branch = context.attempt_branch(spec.of());
    let name = branch_ref(&branch);
    let Some(old) = store.reference(&name)? else {
        return Ok(store.move_reference(&name, Oid::ZERO, base, "dispatch: attempt starts")?);
    };
    detach_earlier(context, &branch, old)?;
    if !store.is_ancestor(old, base)? {
        let before = spec.before.unwrap_or(spec.attempt - 1);
        keep(store, &context.attempt_ref(spec.task, before), old)?;
    }
    if old != base {
        store.move_reference(&name, old, base, "dispatch: attempt starts")?;
    }
    Ok(())
}

/// Detaches the earlier worktrees of this run from the branch.
///
/// # Errors
/// When it is checked out in any other worktree; the branch is not moved then.
pub fn detach_earlier(context: &Context, branch: &str, at: Oid) -> Result<(), EngineError> {
    if let Some(place) = context
        .repo
        .checkouts_of(branch)
        .into_iter()
        .find(|place| !is_ours(context, place))
    {
        return Err(EngineError::Refused(format!(
            "branch {branch} is checked out in {}, so it is not moved",
            place.display()
        )));
    }
    for worktree in context.repo.worktrees_on(branch) {
        worktree.set_head(&Head::Detached(at))?;
    }
    Ok(())
}

/// Returns `true` for a worktree that an attempt of this run has.
fn is_ours(context: &Context, place: &Path) -> bool {
    context.plan.tasks().iter().any(|task| {
        let first = context.worktree_path(task.number, 1);
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let same_folder = place.parent() == first.parent();
        let (place, first) = (
            name(place).unwrap_or_default(),
            name(&first).unwrap_or_default(),
        );
        let is_retry = || {
            let number = place
                .strip_prefix(&first)
                .and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        same_folder && (place == first || is_retry())
    })
}

/// Removes the unfinished worktree that a crash left: an attempt number is used once, so no worker
/// has ever run in it.
fn remove_unfinished(
    context: &Context,
    task: TaskNumber,
    attempt: AttemptNumber,
    path: &Path,
) -> Result<(), EngineError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let had_worker = worker_folder(context, task, attempt).exists();
    match context.repo.find_worktree(path) {
        Some(worktree) if !had_worker => Ok(context.repo.remove_worktree(&worktree)?),
        _ => Err(EngineError::Refused(format!(
            "{} already exists; move it away, then continue with `dispatch resume {}`",
            path.display(),
            context.run
        ))),
    }
}

/// Returns the folder of the worker's process record; it exists once the worker may have run.
pub fn worker_folder(context: &Context, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
    context.attempt_folder(task, attempt).join("worker")
}
