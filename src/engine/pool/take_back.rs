//! Decides whether a worktree of the pool that a task had may be reset, and keeps what would be lost.

use std::fs;
use std::path::Path;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::losses::Losses;
use crate::engine::worktree::remove::unsaved_changes;
use crate::engine::worktree::teardown::tear_down;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// The answer about a worktree that a task had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TakenBack {
    /// It may be reset. The words name what was kept of it.
    Free(Option<String>),
    /// It stays as it is, for this reason.
    Stays(String),
}

/// Takes back a worktree whose task has passed, of this run or another one.
///
/// # Errors
/// When git or the store fails, or a teardown command does.
pub(super) fn take_back(
    context: &Context,
    run: &str,
    worktree: &Worktree,
) -> Result<TakenBack, EngineError> {
    let is_other = run != context.run.as_str();
    let other = is_other.then(|| context.of_run(RunId::new(run)));
    let owner = other.as_ref().unwrap_or(context);
    if let Some(reason) = reason_to_stay(owner, worktree)? {
        return Ok(TakenBack::Stays(reason));
    }
    let losses = Losses::of_reset(owner, worktree)?;
    losses.keep(owner, worktree)?;
    tear_down(owner, worktree)?;
    let place = owner.repo.known_path(&worktree.path);
    let words = losses.words();
    let words = words.map(|words| {
        format!(
            "another task uses {} now; it was left with {words}",
            place.display()
        )
    });
    Ok(TakenBack::Free(words))
}

/// Returns the reason for which a worktree that a task had is not reset.
///
/// # Errors
/// When git or the store fails.
pub(super) fn reason_to_stay(
    context: &Context,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if let Some(reason) = worktree.lock_reason() {
        return Ok(Some(format!("is locked ({reason})")));
    }
    if let Err(error) = worktree.verify() {
        return Ok(Some(error.to_string()));
    }
    if let Some(operation) = worktree.unfinished() {
        return Ok(Some(format!("is in the middle of a {operation}")));
    }
    if has_files(&worktree.admin.join("refs")) {
        return Ok(Some("has references of its own".to_owned()));
    }
    if !context.repo.submodules_in(worktree)?.is_empty() {
        return Ok(Some("has submodules".to_owned()));
    }
    let all = context.repo.worktrees();
    let is_inner =
        |one: &Worktree| one.path != worktree.path && one.path.starts_with(&worktree.path);
    if all.iter().any(is_inner) {
        return Ok(Some("has another worktree in it".to_owned()));
    }
    let store = Store::open(&context.repo)?;
    if let Some(found) = unsaved_changes(context, &store, worktree)? {
        return Ok(Some(found));
    }
    match worktree.head() {
        Some(Head::Detached(head)) if !is_kept(&store, context.base, head)? => {
            let short = head.short();
            Ok(Some(format!("is at {short}, which no reference keeps")))
        }
        _ => Ok(None),
    }
}

/// Returns `true` if the base or a reference contains a commit.
fn is_kept(store: &Store, base: Oid, commit: Oid) -> Result<bool, EngineError> {
    let in_base: Result<bool, StoreError> = store.is_ancestor(commit, base);
    if in_base? {
        return Ok(true);
    }
    let contains = format!("--contains={commit}");
    let first = [
        "for-each-ref",
        "--count=1",
        "--format=%(refname)",
        &contains,
    ];
    Ok(!store.repo().git().line(&first)?.is_empty())
}

fn has_files(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        !is_folder || has_files(&entry.path())
    })
}
