//! Keeps the work that an attempt left, committed or not.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::work::{capture, without_set_up};
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};

/// Keeps a commit reachable under this reference, or under the first free one with a suffix.
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

/// Keeps everything an attempt left, and moves its worktree to that commit. Returns `None` if it left
/// nothing.
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
    let captured = capture(context, store, worktree)?;
    let tree = without_set_up(store, worktree, captured.tree)?.tree;
    let mut tip = captured.head;
    if tree != store.tree_of(tip)? {
        let trailers = context.trailers(task, attempt);
        tip = store.write_commit(&NewCommit {
            tree,
            parents: &[tip],
            message: &format!("Uncommitted work of attempt {attempt} at {task}\n\n{trailers}"),
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
