//! Removes a worktree, and finds the work that would be lost with it.

use std::path::Path;

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::left_commits::keep_left_commits;
use crate::engine::worktree::losses::Losses;
use crate::engine::worktree::teardown::tear_down;
use crate::engine::worktree::unsaved_repositories::unsaved_in_submodules;
use crate::engine::worktree::work::is_uncommitted;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::outcome::Outcome;
use crate::model::run::RunState;

/// Runs the teardown commands of a worktree and removes it.
///
/// # Errors
/// When its teardown fails, or files cannot be removed.
pub fn remove(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    tear_down(context, worktree)?;
    Ok(context.repo.remove_worktree(worktree)?)
}

/// Removes a worktree with those inside of it that its worker added, of `all` worktrees of the
/// repository. The commits that were checked out there are kept.
///
/// # Errors
/// As [`remove`], and when a commit cannot be kept.
pub fn remove_with_inner(
    context: &Context,
    worktree: &Worktree,
    all: &[Worktree],
) -> Result<(), EngineError> {
    remove_inner(context, worktree, all)?;
    remove(context, worktree)
}

/// Removes the worktrees inside of this one, of `all` worktrees of the repository. The commits that were
/// checked out there are kept.
///
/// # Errors
/// When a commit cannot be kept, or files cannot be removed.
pub fn remove_inner(
    context: &Context,
    worktree: &Worktree,
    all: &[Worktree],
) -> Result<(), EngineError> {
    let top = worktree.path.canonicalize();
    let top = top.unwrap_or_else(|_| worktree.path.clone());
    let is_inner = |one: &&Worktree| {
        one.path != worktree.path
            && one.path != top
            && (one.path.starts_with(&worktree.path) || one.path.starts_with(&top))
    };
    for inner in all.iter().filter(is_inner) {
        context
            .repo
            .with_store(|store| keep_left_commits(context, store, inner))?;
        context.repo.remove_worktree(inner)?;
    }
    Ok(())
}

/// Removes the worktree of an attempt, and keeps what would be lost with it as [`Losses`] does. Returns a
/// message that names that.
///
/// # Errors
/// As [`remove`], and when it cannot be kept.
pub fn remove_with_losses(
    context: &Context,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    let losses = Losses::of(context, worktree)?;
    losses.keep(context, worktree)?;
    remove_with_inner(context, worktree, &context.repo.worktrees())?;
    let place = worktree.path.display();
    let words = losses.words();
    Ok(words.map(|words| format!("removed {place} with {words}")))
}

/// Runs the teardown commands of a worktree that goes in any case. A failure is in their logs.
pub fn tear_down_if_possible(context: &Context, worktree: &Worktree) {
    let _ = tear_down(context, worktree);
}

/// Describes the work that would be lost with a worktree: changes in no commit, or commits that no
/// reference keeps.
///
/// # Errors
/// When the store or the worktree cannot be read.
pub fn unsaved_work(
    context: &Context,
    store: &Store,
    state: &RunState,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if let Some(locked) = lock_by_user(worktree) {
        return Ok(Some(locked));
    }
    if !worktree.path.is_dir() {
        return Ok(None);
    }
    if let Err(error) = worktree.verify() {
        return Ok(Some(error.to_string()));
    }
    if let Some(found) = unsaved_changes(context, store, worktree)? {
        return Ok(Some(found));
    }
    let Some(Head::Detached(head)) = worktree.head() else {
        return Ok(None);
    };
    let is_kept = head.is_zero() || is_kept(store, state, worktree, head)?;
    let place = shell_path(&worktree.path);
    Ok((!is_kept).then(|| {
        format!(
            "is at {}, which no reference keeps: `git -C {place} branch NAME` keeps it",
            head.short()
        )
    }))
}

/// Describes the lock that the user has put on a worktree (`git worktree lock`), which says that it stays.
pub fn lock_by_user(worktree: &Worktree) -> Option<String> {
    let reason = match worktree.lock_by_user()? {
        reason if reason.is_empty() => reason,
        reason => format!(" ({reason})"),
    };
    let place = shell_path(&worktree.path);
    Some(format!("is locked{reason}: `git worktree unlock {place}`"))
}

/// Describes the changes in a worktree that are in no commit, and the commits in its submodules that
/// are nowhere else.
///
/// # Errors
/// When the store or the worktree cannot be read.
pub fn unsaved_changes(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if worktree.has_private_folder() {
        return Ok(Some("has commits that were not taken over".to_owned()));
    }
    let head = match worktree.head() {
        Some(Head::Branch(branch)) => store.reference(&branch_ref(&branch))?,
        Some(Head::Detached(commit)) => Some(commit).filter(|commit| !commit.is_zero()),
        None => None,
    };
    if let Some(found) = unsaved_in_submodules(context, store, worktree, head)? {
        return Ok(Some(found));
    }
    if is_uncommitted(context, store, worktree)? {
        return Ok(Some("has uncommitted changes".to_owned()));
    }
    Ok(None)
}

/// Returns `true` if the base, a commit that the journal names, or a reference contains a commit.
fn is_kept(
    store: &Store,
    state: &RunState,
    worktree: &Worktree,
    commit: Oid,
) -> Result<bool, EngineError> {
    if store.is_ancestor(commit, state.base)? {
        return Ok(true);
    }
    // Most commits are those of the attempts in this very worktree.
    let name = worktree.path.file_name();
    let is_own = |attempt: &&Attempt| Path::new(&attempt.worktree).file_name() == name;
    let attempts = || state.tasks.iter().flat_map(|task| &task.attempts);
    let others = attempts().filter(|attempt| !is_own(attempt));
    let attempts = attempts().filter(is_own).chain(others);
    let outcomes = attempts.filter_map(|attempt| attempt.outcome.as_ref());
    for kept in outcomes.flat_map(Outcome::commits) {
        if store.is_ancestor(commit, kept)? {
            return Ok(true);
        }
    }
    // Rarely any other: of a commit that the user made, or that was kept when a retry began.
    let contains = format!("--contains={commit}");
    let format = "--format=%(refname)";
    let first = ["for-each-ref", "--count=1", format, &contains];
    Ok(!store.repo().git().line(&first)?.is_empty())
}
