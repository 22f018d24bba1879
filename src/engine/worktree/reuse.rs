//! Reuses the worktree of the last attempt (`retry_in_place`), with every file in it that git
//! ignores, instead of a new one.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::layout::Layout;
use crate::engine::spec::ReusedWorktree;
use crate::engine::worktree::left_commits::keep_left_commits;
use crate::engine::worktree::prepare::detach_earlier;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::{TaskNumber, TaskVariant};
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::worker::Worker;

/// Returns the worktree that the next attempt of a worker could continue in, according to the run's
/// state: none unless the profile says so or the user asked to continue its session, or if the previous
/// attempt never started; after one that passed, only to continue.
pub fn reusable(
    layout: &Layout,
    state: &RunState,
    of: TaskVariant,
    worker: &Worker,
) -> Option<ReusedWorktree> {
    let now = state.task(of.task);
    if let Some(turn) = now.further_turn(of.variant) {
        return (turn.worker == worker.name).then(|| ReusedWorktree {
            path: layout.recorded_worktree(turn.worktree),
            base: turn.base,
            tip: turn.tip,
        });
    }
    let by_hand = now.by_hand;
    let continues = now.session_to_continue(of.variant, &worker.name).is_some();
    let picked = now
        .picked_attempt()
        .filter(|_| continues || by_hand.is_some());
    let last = match (picked, by_hand) {
        (Some(picked), _) => picked,
        (None, Some(_)) => now.shown_attempt()?,
        (None, None) => now.last_attempt_of(of.variant)?,
    };
    let outcome = last.outcome.as_ref()?;
    let left = match &outcome.end {
        _ if by_hand.is_some() => by_hand,
        End::Passed { candidate, .. } if continues => *candidate,
        End::Failed(_) | End::Interrupted {} if continues || worker.retry_in_place => outcome.kept,
        _ => return None,
    };
    Some(ReusedWorktree {
        base: last.base?,
        tip: left.or(last.base)?,
        path: layout.recorded_worktree(&last.worktree),
    })
}

/// Returns `true` if the next attempt can start from a worktree: it has no merge or rebase in
/// progress, and the candidates it builds on are the same.
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
        && has_same_base(context, &store, reuse, dependencies)
}

fn has_same_base(
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

/// Puts the worktree back on its branch, with its uncommitted changes as they are.
///
/// # Errors
/// When the branch is checked out elsewhere, was moved, or files cannot be written.
pub fn reopen(
    context: &Context,
    of: TaskVariant,
    reuse: &ReusedWorktree,
) -> Result<Worktree, EngineError> {
    let store = Store::open(&context.repo)?;
    let missing = || EngineError::Refused(format!("{} is missing", reuse.path.display()));
    let worktree = context
        .repo
        .find_worktree(&reuse.path)
        .ok_or_else(missing)?;
    worktree.verify()?;
    keep_left_commits(context, &store, &worktree)?;
    let branch = context.attempt_branch(of);
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    let tip = reuse.tip;
    // Uncommitted changes were stored as one commit on top of the branch.
    let is_on_branch = old == tip || store.commit(tip)?.parents == [old];
    if !old.is_zero() {
        detach_earlier(context, &branch, old)?;
    }
    fault::point("attempt", "before its worktree is reused");
    if !is_on_branch {
        store.move_reference(&name, old, tip, "dispatch: attempt continues")?;
    }
    worktree.lock(&format!(
        "dispatch {}/{}",
        context.run,
        context.slug(of.task)
    ))?;
    worktree.set_head(&Head::Branch(branch))?;
    Ok(worktree)
}
