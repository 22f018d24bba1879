//! Captures the work in a worktree: everything but the links, copies and set-up that dispatch
//! brought.

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::starting_tree::{StartingTree, Work};
use crate::git::Store;
use crate::git::capture::{Capture, CaptureError};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// Captures the worktree of an ended attempt. The tree still has what set-up wrote
/// ([`without_set_up`] takes that out).
///
/// # Errors
/// When the worktree was tampered with or git cannot read it.
pub fn capture(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
) -> Result<Capture, CaptureError> {
    store.capture(worktree, &links_in(context, &worktree.path))
}

/// Takes out of a captured tree what copies and set-up brought.
///
/// # Errors
/// When the store cannot be read or written.
pub fn without_set_up(store: &Store, worktree: &Worktree, tree: Oid) -> Result<Work, EngineError> {
    match StartingTree::read(worktree) {
        Some(start) => start.work_in(store, &worktree.path, tree),
        None => Ok(Work {
            tree,
            remarks: Vec::new(),
        }),
    }
}

/// Returns the last commit of an attempt's work: its HEAD, or its base while HEAD is a commit that
/// set-up made.
pub fn head_of_work(worktree: &Worktree, head: Oid, base: Oid) -> Oid {
    match StartingTree::read(worktree) {
        Some(start) if start.head == Some(head) => base,
        _ => head,
    }
}

/// Returns `true` if the worktree has work that is not in HEAD.
///
/// # Errors
/// When the worktree was tampered with, or git or the store fails.
pub fn is_uncommitted(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
) -> Result<bool, EngineError> {
    let Some(start) = StartingTree::read(worktree) else {
        let links = links_in(context, &worktree.path);
        return Ok(store.has_changes(worktree, &links)?);
    };
    let captured = capture(context, store, worktree)?;
    let work = start.work_in(store, &worktree.path, captured.tree)?;
    let committed = match start.head == Some(captured.head) {
        true => start.base,
        false => store.tree_of(captured.head)?,
    };
    Ok(work.tree != committed)
}
