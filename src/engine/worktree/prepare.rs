//! The branch and worktree of an attempt: made before it, kept and settled after it.

use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::populate::links_in;
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};

/// Puts the task's branch at `base` and checks it out in a worktree of its own.
///
/// # Errors
/// When the branch is in use elsewhere, was moved by somebody, or files cannot be written.
pub fn prepare(
    context: &Context,
    task: TaskNumber,
    attempt: AttemptNumber,
    base: Oid,
) -> Result<Worktree, EngineError> {
    let store = Store::open(&context.repo)?;
    let branch = context.branch(task);
    fault::point("branch", "before it is placed");
    place_branch(context, &store, task, attempt, base)?;
    fault::point("branch", "placed");
    let path = context.worktree_path(task, attempt);
    discard_leftover(context, task, attempt, &path)?;
    let reason = format!("dispatch {}/{}", context.run, context.slug(task));
    Ok(context
        .repo
        .add_worktree(&path, &Head::Branch(branch), &reason)?)
}

fn place_branch(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    attempt: AttemptNumber,
    base: Oid,
) -> Result<(), EngineError> {
    let branch = context.branch(task);
    let name = branch_ref(&branch);
    let Some(old) = store.reference(&name)? else {
        return Ok(store.move_reference(&name, Oid::ZERO, base, "dispatch: attempt starts")?);
    };
    detach_earlier(context, &branch, old)?;
    if !store.is_ancestor(old, base)? {
        keep(store, &context.attempt_ref(task, attempt - 1), old)?;
    }
    if old != base {
        store.move_reference(&name, old, base, "dispatch: attempt starts")?;
    }
    Ok(())
}

/// Earlier worktrees of this run let go of the branch.
///
/// # Errors
/// When anybody else has it checked out: it stays where it is.
pub fn detach_earlier(context: &Context, branch: &str, at: Oid) -> Result<(), EngineError> {
    let wanted = Head::Branch(branch.to_owned());
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
    for worktree in context.repo.worktrees() {
        if worktree.head().as_ref() == Some(&wanted) {
            worktree.set_head(&Head::Detached(at))?;
        }
    }
    Ok(())
}

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

/// An attempt number is used once, so a folder of that name is what a crash left half-made: no
/// worker has ever been in it.
fn discard_leftover(
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
            "{} exists already; move it away, then go on with `dispatch resume {}`",
            path.display(),
            context.run
        ))),
    }
}

/// Where the worker's process is recorded; it exists from the moment the worker may have run.
pub fn worker_folder(context: &Context, task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
    context.attempt_folder(task, attempt).join("worker")
}

/// Makes sure a commit stays reachable under this reference; an older value gets a suffix.
///
/// # Errors
/// When the store cannot be written.
pub fn keep(store: &Store, name: &str, commit: Oid) -> Result<(), StoreError> {
    for suffix in 0.. {
        let name = if suffix == 0 {
            name.to_owned()
        } else {
            format!("{name}-{suffix}")
        };
        match store.reference(&name)? {
            Some(found) if found == commit => return Ok(()),
            Some(_) => {}
            None => return store.move_reference(&name, Oid::ZERO, commit, "dispatch: kept"),
        }
    }
    Ok(())
}

/// Keeps everything an attempt left, committed or not, and lets its worktree show it.
///
/// # Errors
/// When the worktree cannot be read or the store cannot be written.
pub fn keep_remains(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    attempt: AttemptNumber,
    base: Oid,
    worktree: &Worktree,
) -> Result<Option<Oid>, EngineError> {
    let harvest = store.capture(worktree, &links_in(context, &worktree.path))?;
    let mut tip = harvest.head;
    if harvest.tree != store.tree_of(tip)? {
        let message = format!(
            "What attempt {attempt} at {task} left\n\n{}",
            context.trailers(task, attempt)
        );
        tip = store.write_commit(&NewCommit {
            tree: harvest.tree,
            parents: &[tip],
            message: &message,
            time: context.clock.now(),
            by: By::Dispatch,
        })?;
    }
    if tip == base {
        worktree.unlock();
        return Ok(None);
    }
    keep(store, &context.attempt_ref(task, attempt), tip)?;
    fault::point("remains", "kept");
    store.settle(worktree, &Head::Detached(tip))?;
    worktree.unlock();
    fault::point("remains", "unlocked");
    Ok(Some(tip))
}
