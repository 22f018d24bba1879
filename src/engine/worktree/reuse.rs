//! Reuses the worktree of the attempt before (`retry_in_place`), with everything in it that git
//! ignores, in place of a new one from a clean tree.

use crate::engine::spec::ReusedWorktree;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::layout::Layout;
use crate::engine::worktree::prepare::detach_earlier;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::worker::Worker;

/// Returns the worktree that the next attempt of a worker could continue in, as far as the state of
/// the run shows: none if the profile does not say so, or if the attempt before never began or
/// passed.
pub fn reusable(
    layout: &Layout,
    state: &RunState,
    task: TaskNumber,
    worker: &Worker,
) -> Option<ReusedWorktree> {
    let last = state.task(task).last_attempt()?;
    let outcome = last.outcome.as_ref()?;
    if !worker.retry_in_place || matches!(outcome.end, End::Passed { .. }) {
        return None;
    }
    Some(ReusedWorktree {
        base: last.base?,
        tip: outcome.kept.or(last.base)?,
        path: layout.recorded_worktree(&last.worktree),
    })
}

/// Returns `true` if a worktree is whole and starts where the next attempt has to: git is not in
/// the middle of anything there, and the candidates it builds on are the same.
pub fn is_sound(
    context: &Context,
    reuse: &ReusedWorktree,
    dependencies: &[(TaskNumber, Oid)],
) -> bool {
    let Some(worktree) = context.repo.find_worktree(&reuse.path) else {
        return false;
    };
    let is_whole = worktree.exists() && worktree.verify().is_ok();
    let Ok(store) = Store::open(&context.repo) else {
        return false;
    };
    is_whole
        && worktree.unfinished().is_none()
        && starts_there(context, &store, reuse, dependencies)
}

fn starts_there(
    context: &Context,
    store: &Store,
    reuse: &ReusedWorktree,
    dependencies: &[(TaskNumber, Oid)],
) -> bool {
    let is_in = |old: Oid, new: Oid| store.is_ancestor(old, new).unwrap_or(false);
    let base = reuse.base;
    let same_base = match dependencies {
        [] => base == context.base,
        all => all.iter().all(|(_, candidate)| is_in(*candidate, base)),
    };
    same_base && is_in(base, reuse.tip)
}

/// Puts the worktree back on the task's branch. What was not committed is not committed again.
///
/// # Errors
/// When the branch is in use elsewhere, was moved by somebody, or files cannot be written.
pub fn reopen(
    context: &Context,
    task: TaskNumber,
    reuse: &ReusedWorktree,
) -> Result<Worktree, EngineError> {
    let store = Store::open(&context.repo)?;
    let gone = || EngineError::Refused(format!("{} is gone", reuse.path.display()));
    let worktree = context.repo.find_worktree(&reuse.path).ok_or_else(gone)?;
    worktree.verify()?;
    let branch = context.branch(task);
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    let tip = reuse.tip;
    // What the worker did not commit was kept as one commit on top of what it did.
    let is_on_branch = old == tip || store.commit(tip)?.parents == [old];
    if !old.is_zero() {
        detach_earlier(context, &branch, old)?;
    }
    fault::point("attempt", "before it goes on in place");
    if !is_on_branch {
        store.move_reference(&name, old, tip, "dispatch: attempt goes on")?;
    }
    worktree.lock(&format!("dispatch {}/{}", context.run, context.slug(task)))?;
    worktree.set_head(&Head::Branch(branch))?;
    Ok(worktree)
}
