//! Finds the work in submodules and nested repositories that would be lost with a worktree.

use std::path::PathBuf;

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::ignored_repositories::{
    IgnoredRepository, ignored_paths, repositories_below,
};
use crate::engine::worktree::starting_tree::StartingTree;
use crate::engine::worktree::submodules::{files_in_no_checkout, nested_repositories};
use crate::git::submodules::{Submodule, UncommittedFile};
use crate::git::worktree::Worktree;
use crate::git::{GitError, Store};
use crate::merge::oid::Oid;

/// Describes the work in submodules and nested repositories that would be lost with a worktree.
///
/// # Errors
/// When git or the store cannot read one of them.
pub fn unsaved_in_submodules(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
    head: Option<Oid>,
) -> Result<Option<String>, EngineError> {
    let mut found = context.repo.submodules_in(worktree)?;
    if let Some(unpopulated) = files_in_no_checkout(context, worktree, &found)?.first() {
        let shown = unpopulated.path.display();
        return Ok(Some(format!(
            "has files in the folder of the submodule {shown}, which is not checked out"
        )));
    }
    found.extend(nested_in_head(context, store, worktree, head)?);
    for submodule in found {
        let shown = submodule.shown();
        match unsaved_in(context, &submodule) {
            Ok(None) => {}
            Ok(Some(what)) => return Ok(Some(format!("has {what} in the submodule {shown}"))),
            Err(error) if error.was_killed() => return Err(error.into()),
            Err(error) => {
                return Ok(Some(format!(
                    "has an unreadable submodule {shown}: {error}"
                )));
            }
        }
    }
    unsaved_in_ignored(context, worktree)
}

/// Describes the work in repositories inside ignored folders. A folder that could not be searched may
/// have one.
fn unsaved_in_ignored(
    context: &Context,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    let ignored = ignored_paths(&context.repo.git_in(worktree)?)?;
    let found = repositories_below(&worktree.path, &ignored);
    let start = StartingTree::read(worktree);
    for found in &found.repositories {
        let repository = found.as_submodule(&context.repo);
        let shown = repository.shown();
        match unsaved_in_one(context, &repository, found, start.as_ref()) {
            Ok(None) => {}
            Ok(Some(what)) => {
                let place = shell_path(repository.folder.as_ref().unwrap_or(&repository.git_dir));
                return Ok(Some(format!(
                    "has {what} in the nested repository {shown}: `git -C {place} status`"
                )));
            }
            Err(error) if error.was_killed() => return Err(error.into()),
            Err(error) => {
                return Ok(Some(format!(
                    "has an unreadable nested repository {shown}: {error}"
                )));
            }
        }
    }
    let unread = |(folder, why): (PathBuf, String)| {
        let folder = folder.display();
        format!("has the ignored folder {folder}, which may contain repositories: {why}")
    };
    Ok(found.unread.map(unread))
}

/// Describes the work in an ignored repository. Of one whose git folder is elsewhere, its files and the
/// commit of its HEAD would be lost. Changes from before the end of set-up do not count.
fn unsaved_in_one(
    context: &Context,
    repository: &Submodule,
    found: &IgnoredRepository,
    start: Option<&StartingTree>,
) -> Result<Option<String>, GitError> {
    if has_changes_since(repository, start)? {
        return Ok(Some("uncommitted changes".to_owned()));
    }
    if !found.is_inside {
        return Ok(repository.unnamed_head()?.as_ref().map(nowhere_else));
    }
    match has_own_commits(repository, found)? {
        true => unkept_commit(context, repository),
        false => Ok(None),
    }
}

fn unsaved_in(context: &Context, submodule: &Submodule) -> Result<Option<String>, GitError> {
    if !submodule.uncommitted()?.is_empty() {
        return Ok(Some("uncommitted changes".to_owned()));
    }
    unkept_commit(context, submodule)
}

/// Describes the first commit of a repository that its store does not keep.
fn unkept_commit(context: &Context, submodule: &Submodule) -> Result<Option<String>, GitError> {
    let own = submodule.own_tips()?;
    let left = context.repo.not_in_store(submodule, &own)?;
    Ok(left.first().map(nowhere_else))
}

fn nowhere_else(commit: &Oid) -> String {
    format!("commit {}, which is nowhere else,", commit.short())
}

/// Returns the nested repositories that the head of a worktree names.
fn nested_in_head(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
    head: Option<Oid>,
) -> Result<Vec<Submodule>, EngineError> {
    let Some(head) = head else {
        return Ok(Vec::new());
    };
    let changes = store.changes(store.tree_of(context.base)?, store.tree_of(head)?)?;
    Ok(nested_repositories(context, worktree, &changes)?)
}

/// Returns `true` if an ignored repository has commits that would go with its worktree. One without
/// them is a dependency or a build, and a bare one with a remote is a cache of one.
///
/// # Errors
/// When git cannot read it.
pub fn has_own_commits(
    repository: &Submodule,
    found: &IgnoredRepository,
) -> Result<bool, GitError> {
    let is_cache = found.folder.is_none() && repository.has_remote()?;
    Ok(found.is_inside && !is_cache && !repository.own_tips()?.is_empty())
}

/// Returns `true` if a repository has changes in no commit that were not there when set-up had ended.
///
/// # Errors
/// When git cannot read it.
pub fn has_changes_since(
    repository: &Submodule,
    start: Option<&StartingTree>,
) -> Result<bool, GitError> {
    let folder = repository.folder.as_deref();
    let is_work = |file: &UncommittedFile| {
        let path = folder.map(|folder| folder.join(&file.path));
        path.is_none_or(|path| start.is_none_or(|start| start.is_written_since(&path)))
    };
    Ok(repository.uncommitted()?.iter().any(is_work))
}
