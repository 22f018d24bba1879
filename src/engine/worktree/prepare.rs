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

/// Moves the branch of an attempt to `base`.
///
/// # Errors
/// When the branch is checked out elsewhere, was moved, or the store cannot be written.
pub fn move_branch(context: &Context, spec: &AttemptSpec, base: Oid) -> Result<(), EngineError> {
    fault::point("branch", "before it moves");
    context
        .repo
        .with_store(|store| move_branch_in(context, store, spec, base))?;
    fault::point("branch", "moved");
    Ok(())
}

/// Checks the branch of an attempt out in a new worktree.
///
/// # Errors
/// When the folder exists, or files cannot be written.
pub fn add_worktree(context: &Context, spec: &AttemptSpec) -> Result<Worktree, EngineError> {
    let path = context.worktree_path(spec.task, spec.attempt);
    remove_unfinished(context, spec, &path)?;
    let reason = format!("dispatch {}/{}", context.run, context.slug(spec.task));
    let head = Head::Branch(context.attempt_branch(spec.of()));
    Ok(context.repo.add_worktree(&path, &head, &reason)?)
}

fn move_branch_in(
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
    let place = context.repo.known_path(place);
    context.plan.tasks().iter().any(|task| {
        let first = context.worktree_path(task.number, 1);
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let same_folder = place.parent() == first.parent();
        let (place, first) = (
            name(&place).unwrap_or_default(),
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
    spec: &AttemptSpec,
    path: &Path,
) -> Result<(), EngineError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    refuse_used(context, spec, path)?;
    match context.repo.find_worktree(path) {
        Some(worktree) => Ok(context.repo.remove_worktree(&worktree)?),
        None => Err(in_the_way(context, path)),
    }
}

/// Refuses the worktree that an attempt finds at its path if its worker may have run there.
///
/// # Errors
/// [`EngineError::Refused`] then.
pub fn refuse_used(context: &Context, spec: &AttemptSpec, path: &Path) -> Result<(), EngineError> {
    match worker_folder(context, spec.task, spec.attempt).exists() {
        true => Err(in_the_way(context, path)),
        false => Ok(()),
    }
}

fn in_the_way(context: &Context, path: &Path) -> EngineError {
    EngineError::Refused(format!(
        "{} already exists; move it away, then continue with `dispatch resume {}`",
        path.display(),
        context.run
    ))
}

/// Returns the folder of the worker's process record; it exists once the worker may have run.
pub fn worker_folder(context: &Context, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
    context.attempt_folder(task, attempt).join("worker")
}
