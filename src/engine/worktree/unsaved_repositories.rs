//! Finds the work in submodules and nested repositories that would be lost with a worktree.

use std::path::PathBuf;

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::ignored_paths::ignored_paths;
use crate::engine::worktree::ignored_repositories::{IgnoredRepository, repositories_below};
use crate::engine::worktree::since_set_up::{changes_since, own_tips_since};
use crate::engine::worktree::starting_tree::StartingTree;
use crate::engine::worktree::submodules::{files_in_no_checkout, nested_repositories};
use crate::git::submodules::Submodule;
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
    let start = StartingTree::read(worktree);
    let start = start.as_ref();
    if let Some(unpopulated) = files_in_no_checkout(context, worktree, &found, start)?.first() {
        let (shown, place) = (unpopulated.path.display(), &worktree.path);
        return Ok(Some(format!(
            "has files in the folder of the submodule {shown}, which is not checked out: `ls {}`",
            shell_path(&place.join(&unpopulated.path))
        )));
    }
    found.extend(nested_in_head(context, store, worktree, head)?);
    for submodule in &found {
        let unsaved = unsaved_in(context, submodule, start);
        let described = describe(unsaved, "submodule", submodule)?;
        if described.is_some() {
            return Ok(described);
        }
    }
    unsaved_in_ignored(context, worktree, &found, start)
}

/// Work in a repository that would be lost with it.
enum Unsaved {
    /// Changes in no commit.
    Changes,
    /// A commit that is nowhere else.
    Commit(Oid),
}

impl Unsaved {
    fn words(&self) -> String {
        match self {
            Unsaved::Changes => "uncommitted changes".to_owned(),
            Unsaved::Commit(commit) => {
                format!("commit {}, which is nowhere else,", commit.short())
            }
        }
    }

    /// Returns the command that shows the changes, or that keeps the commit.
    fn way_out(&self, repository: &Submodule) -> String {
        let place = repository.folder.as_ref().unwrap_or(&repository.git_dir);
        let place = shell_path(place);
        match self {
            Unsaved::Changes => format!("`git -C {place} status` shows them"),
            Unsaved::Commit(commit) => format!(
                "`git -C {place} push {} {}:refs/heads/NAME` keeps it",
                shell_path(&repository.store),
                commit.short()
            ),
        }
    }
}

/// Describes the work that a search found in a repository of this kind; one that git cannot read may have
/// some.
fn describe(
    found: Result<Option<Unsaved>, GitError>,
    kind: &str,
    repository: &Submodule,
) -> Result<Option<String>, EngineError> {
    let shown = repository.shown();
    match found {
        Ok(None) => Ok(None),
        Ok(Some(unsaved)) => {
            let (what, way_out) = (unsaved.words(), unsaved.way_out(repository));
            Ok(Some(format!("has {what} in the {kind} {shown}: {way_out}")))
        }
        Err(error) if error.was_killed() => Err(error.into()),
        Err(error) => Ok(Some(format!("has an unreadable {kind} {shown}: {error}"))),
    }
}

/// Describes the work in repositories inside ignored folders and inside the `known` repositories. A folder
/// that could not be searched may have one.
fn unsaved_in_ignored(
    context: &Context,
    worktree: &Worktree,
    known: &[Submodule],
    start: Option<&StartingTree>,
) -> Result<Option<String>, EngineError> {
    let mut folders = ignored_paths(&context.repo.git_in(worktree)?)?;
    let checked_out = known.iter().filter(|known| known.folder.is_some());
    folders.extend(checked_out.map(|known| known.path.clone()));
    let found = repositories_below(&worktree.path, &folders);
    for found in found.others_than(known) {
        let repository = found.as_submodule(&context.repo);
        let unsaved = unsaved_in_one(context, &repository, found, start);
        let described = describe(unsaved, "nested repository", &repository)?;
        if described.is_some() {
            return Ok(described);
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
) -> Result<Option<Unsaved>, GitError> {
    if !changes_since(repository, start)?.is_empty() {
        return Ok(Some(Unsaved::Changes));
    }
    if !found.is_inside {
        return Ok(repository.unnamed_head()?.map(Unsaved::Commit));
    }
    match has_own_commits(repository, found, start)? {
        true => unkept_commit(context, repository, start),
        false => Ok(None),
    }
}

fn unsaved_in(
    context: &Context,
    submodule: &Submodule,
    start: Option<&StartingTree>,
) -> Result<Option<Unsaved>, GitError> {
    if !changes_since(submodule, start)?.is_empty() {
        return Ok(Some(Unsaved::Changes));
    }
    unkept_commit(context, submodule, start)
}

/// Returns the first commit of a repository that its store does not keep.
fn unkept_commit(
    context: &Context,
    submodule: &Submodule,
    start: Option<&StartingTree>,
) -> Result<Option<Unsaved>, GitError> {
    let own = own_tips_since(submodule, start)?;
    let left = context.repo.not_in_store(submodule, &own)?;
    Ok(left.first().copied().map(Unsaved::Commit))
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

/// Returns `true` if an ignored repository has commits since set-up that would go with its worktree. One
/// without them is a dependency or a build, and a bare one with a remote is a cache of one.
///
/// # Errors
/// When git cannot read it.
pub fn has_own_commits(
    repository: &Submodule,
    found: &IgnoredRepository,
    start: Option<&StartingTree>,
) -> Result<bool, GitError> {
    let is_cache = found.folder.is_none() && repository.has_remote()?;
    Ok(found.is_inside && !is_cache && !own_tips_since(repository, start)?.is_empty())
}
