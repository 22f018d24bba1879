//! Going on in the worktree of the attempt before (`retry_in_place`), with everything in it that git
//! ignores, in place of a new one from a clean tree.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::spec::GoingOn;
use crate::engine::worktree::prepare::detach_earlier;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::worker::Worker;

/// Where the next attempt of a worker goes on; `None` if it starts from a clean tree: because its
/// profile says so, because the attempt before never began, passed, or left git in the middle of
/// something, or because it would start from other results now.
pub fn going_on(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
    worker: &Worker,
    dependencies: &[(TaskNumber, Oid)],
) -> Option<GoingOn> {
    if !worker.retry_in_place {
        return None;
    }
    let last = state.task(task).last_attempt()?;
    let outcome = last.outcome.as_ref()?;
    let path = context.recorded_worktree(&last.worktree);
    let going_on = GoingOn {
        base: last.base?,
        tip: outcome.kept.or(last.base)?,
        path,
    };
    if matches!(outcome.end, End::Passed { .. }) {
        return None;
    }
    let worktree = context.repo.find_worktree(&going_on.path)?;
    let is_whole = worktree.exists() && worktree.verify().is_ok();
    let store = Store::open(&context.repo).ok()?;
    let is_sound = is_whole && worktree.unfinished().is_none();
    (is_sound && starts_there(context, &store, &going_on, dependencies)).then_some(going_on)
}

fn starts_there(
    context: &Context,
    store: &Store,
    going_on: &GoingOn,
    dependencies: &[(TaskNumber, Oid)],
) -> bool {
    let is_in = |old: Oid, new: Oid| store.is_ancestor(old, new).unwrap_or(false);
    let base = going_on.base;
    let same_base = match dependencies {
        [] => base == context.base,
        all => all.iter().all(|(_, candidate)| is_in(*candidate, base)),
    };
    same_base && is_in(base, going_on.tip)
}

/// Puts the worktree back on the task's branch. What was not committed is not committed again.
///
/// # Errors
/// When the branch is in use elsewhere, was moved by somebody, or files cannot be written.
pub fn take_up(
    context: &Context,
    task: TaskNumber,
    going_on: &GoingOn,
) -> Result<Worktree, EngineError> {
    let store = Store::open(&context.repo)?;
    let gone = || EngineError::Refused(format!("{} is gone", going_on.path.display()));
    let worktree = context
        .repo
        .find_worktree(&going_on.path)
        .ok_or_else(gone)?;
    worktree.verify()?;
    let branch = context.branch(task);
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    let tip = going_on.tip;
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
