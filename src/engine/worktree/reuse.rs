//! Reuses the worktree of the last attempt (`retry_in_place`), with every file in it that git
//! ignores, instead of a new one.

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

/// Finds the worktree that the next attempt of a worker reuses. Returns `None` if the attempt needs a
/// clean tree: its profile says so, the last attempt never began, passed, or left a merge or rebase
/// in progress, or its dependencies have new candidates.
pub fn reusable(
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
    if matches!(outcome.end, End::Passed { .. }) {
        return None;
    }
    let reused = GoingOn {
        base: last.base?,
        tip: outcome.kept.or(last.base)?,
        path: context.recorded_worktree(&last.worktree),
    };
    let worktree = context.repo.find_worktree(&reused.path)?;
    let is_sound = worktree.exists() && worktree.verify().is_ok();
    let is_sound = is_sound && worktree.unfinished().is_none();
    let store = Store::open(&context.repo).ok()?;
    (is_sound && has_same_base(context, &store, &reused, dependencies)).then_some(reused)
}

fn has_same_base(
    context: &Context,
    store: &Store,
    reused: &GoingOn,
    dependencies: &[(TaskNumber, Oid)],
) -> bool {
    let is_in = |old: Oid, new: Oid| store.is_ancestor(old, new).unwrap_or(false);
    let base = reused.base;
    let is_same = match dependencies {
        [] => base == context.base,
        all => all.iter().all(|(_, candidate)| is_in(*candidate, base)),
    };
    is_same && is_in(base, reused.tip)
}

/// Puts the worktree back on the task's branch, with its uncommitted changes as they are.
///
/// # Errors
/// When the branch is checked out elsewhere, was moved, or files cannot be written.
pub fn reuse(
    context: &Context,
    task: TaskNumber,
    reused: &GoingOn,
) -> Result<Worktree, EngineError> {
    let store = Store::open(&context.repo)?;
    let missing = || EngineError::Refused(format!("{} is missing", reused.path.display()));
    let worktree = context.repo.find_worktree(&reused.path);
    let worktree = worktree.ok_or_else(missing)?;
    worktree.verify()?;
    let branch = context.branch(task);
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    let tip = reused.tip;
    // Uncommitted changes were kept as one commit on top of the branch.
    let is_on_branch = old == tip || store.commit(tip)?.parents == [old];
    if !old.is_zero() {
        detach_earlier(context, &branch, old)?;
    }
    fault::point("attempt", "before its worktree is reused");
    if !is_on_branch {
        store.move_reference(&name, old, tip, "dispatch: attempt continues")?;
    }
    worktree.lock(&format!("dispatch {}/{}", context.run, context.slug(task)))?;
    worktree.set_head(&Head::Branch(branch))?;
    Ok(worktree)
}
