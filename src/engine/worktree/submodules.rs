//! Keeps the work that an attempt left in submodules and nested repositories of its worktree.
//!
//! Their commits are in folders that go with the worktree. A candidate that names one of them must
//! not outlive it, so the commits are carried into the repository's module store first; those of a
//! nested repository that is not a submodule go into the repository itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::text::{first_names, shell_path};
use crate::engine::kernel::context::Context;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::since_set_up::{changes_since, own_tips_since};
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::GitError;
use crate::git::module_store::CarryError;
use crate::git::submodules::{Submodule, declared_submodules};
use crate::git::unpopulated::Unpopulated;
use crate::git::worktree::Worktree;
use crate::merge::change::{Change, Entry};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};

/// The number of changed files of a submodule that a remark names.
const NAMED: usize = 3;

/// Carries the commits in the submodules of an ended attempt that are nowhere else, and those that
/// `changes` name. Returns remarks on the work that the result does not contain.
///
/// # Errors
/// When a commit could not be kept, or git cannot read a submodule.
pub fn keep_submodules(
    context: &Context,
    (task, attempt): (TaskNumber, AttemptNumber),
    worktree: &Worktree,
    changes: &[Change],
) -> Result<Vec<String>, CarryError> {
    let found = context.repo.submodules_in(worktree);
    let found = found.map_err(|error| CarryError::unread(&worktree.path, error))?;
    let links: Vec<(&Path, Oid)> = changes.iter().filter_map(new_link).collect();
    let references = context.nested_refs(task, attempt);
    let start = StartingTree::read(worktree);
    let start = start.as_ref();
    let mut remarks = Vec::new();
    for submodule in &found {
        let unread = |error| CarryError::unread(&submodule.path, error);
        let own = own_tips_since(submodule, start).map_err(unread)?;
        let named = links.iter().find(|(path, _)| *path == submodule.path);
        let named = named.map(|(_, commit)| *commit);
        let mut commits = own.clone();
        commits.extend(named.filter(|commit| !own.contains(commit)));
        context.repo.carry(submodule, &commits, &references)?;
        remarks.extend(unnamed(submodule, &own, &references).map_err(unread)?);
        let stay = "and so in no result";
        remarks.extend(uncommitted("submodule", submodule, start, stay).map_err(unread)?);
    }
    let unread = |error| CarryError::unread(&worktree.path, error);
    let outside = files_in_no_checkout(context, worktree, &found, start).map_err(unread)?;
    remarks.extend(outside.iter().map(|found| in_no_checkout(found, worktree)));
    let is_unknown = |path: &Path| !found.iter().any(|submodule| submodule.path == path);
    for (path, commit) in links.into_iter().filter(|(path, _)| is_unknown(path)) {
        remarks.extend(unfetched(context, worktree, path, commit));
    }
    Ok(remarks)
}

/// Carries the commits of nested repositories, of which git would keep only an id, into the
/// repository itself, and returns a remark on each.
///
/// # Errors
/// When a commit could not be kept, or git cannot read a nested repository.
pub fn keep_nested(
    context: &Context,
    (task, attempt): (TaskNumber, AttemptNumber),
    worktree: &Worktree,
    nested: &[Submodule],
) -> Result<Vec<String>, CarryError> {
    let references = context.nested_refs(task, attempt);
    let start = StartingTree::read(worktree);
    let start = start.as_ref();
    let mut remarks = Vec::new();
    for repository in nested {
        let unread = |error| CarryError::unread(&repository.path, error);
        let own = own_tips_since(repository, start).map_err(unread)?;
        context.repo.carry(repository, &own, &references)?;
        let shown = repository.shown();
        remarks.push(match own.first() {
            Some(commit) => format!(
                "the nested repository {shown} has commits of its own, kept below {references}: \
                 `git log {}`",
                commit.short()
            ),
            None => format!("the nested repository {shown} has no commit of its own"),
        });
        let lost = "and so are not kept";
        let left = uncommitted("nested repository", repository, start, lost);
        remarks.extend(left.map_err(unread)?);
    }
    Ok(remarks)
}

/// Returns the repositories in a worktree that a change names without declaring them as submodules.
///
/// # Errors
/// When git cannot read `.gitmodules`.
pub fn nested_repositories(
    context: &Context,
    worktree: &Worktree,
    changes: &[Change],
) -> Result<Vec<Submodule>, GitError> {
    let links: Vec<&Path> = changes
        .iter()
        .filter_map(new_link)
        .map(|(path, _)| path)
        .collect();
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let declared = declared_submodules(&worktree.path)?;
    let is_declared = |path: &&Path| declared.iter().any(|(_, known)| known == path);
    let undeclared = links.into_iter().filter(|path| !is_declared(path));
    let found = undeclared.map(|path| nested_repository(context, worktree, path));
    Ok(found.filter(|found| found.git_dir.is_dir()).collect())
}

/// Describes the repository at a path of a worktree.
fn nested_repository(context: &Context, worktree: &Worktree, path: &Path) -> Submodule {
    let folder = worktree.path.join(path);
    Submodule {
        path: path.to_owned(),
        git_dir: folder.join(".git"),
        folder: Some(folder),
        store: context.repo.common.clone(),
        name: path.display().to_string(),
    }
}

/// Returns the submodules that are not checked out and whose folders have files that neither a link nor
/// set-up brought.
pub(super) fn files_in_no_checkout(
    context: &Context,
    worktree: &Worktree,
    found: &[Submodule],
    start: Option<&StartingTree>,
) -> Result<Vec<Unpopulated>, GitError> {
    let mut unpopulated = context.repo.unpopulated_in(worktree, found)?;
    if !unpopulated.is_empty() {
        let links = links_in(context, &worktree.path);
        let is_link = |file: &PathBuf| links.iter().any(|link| Path::new(link) == file);
        for submodule in &mut unpopulated {
            submodule.files.retain(|file| {
                let path = worktree.path.join(file);
                !is_link(file) && start.is_none_or(|start| start.is_written_since(&path))
            });
        }
        unpopulated.retain(|submodule| !submodule.files.is_empty());
    }
    Ok(unpopulated)
}

/// Returns a remark on the files in the folder of a submodule that is not checked out.
fn in_no_checkout(found: &Unpopulated, worktree: &Worktree) -> String {
    let names = found.files.iter();
    format!(
        "the submodule {} is not checked out, so the files in its folder are in no result: {}; they \
         stay in the worktree {} (`[worktree] submodules = true` checks it out)",
        found.path.display(),
        first_names(
            names.map(|file| file.strip_prefix(&found.path).unwrap_or(file)),
            NAMED
        ),
        worktree.path.display()
    )
}

/// Returns the path and the commit of a submodule that a change adds or moves.
fn new_link(change: &Change) -> Option<(&Path, Oid)> {
    let entry = change.new.filter(|entry: &Entry| entry.is_submodule())?;
    let path = Path::new(OsStr::from_bytes(change.path.as_bytes()));
    Some((path, entry.oid))
}

/// Returns a remark on each branch, stash entry or annotated tag of a submodule whose commits its HEAD
/// does not contain, so that no result names them.
fn unnamed(submodule: &Submodule, own: &[Oid], references: &str) -> Result<Vec<String>, GitError> {
    let head = submodule.head()?;
    let named = submodule.named_commits()?.into_iter();
    let named = named.filter(|(_, commit)| own.contains(commit) && Some(*commit) != head);
    let shown = submodule.shown();
    let store = shell_path(&submodule.store);
    let remark = |(name, commit): (String, Oid)| {
        let what = if let Some(branch) = name.strip_prefix("refs/heads/") {
            format!("the branch {branch}")
        } else if let Some(tag) = name.strip_prefix("refs/tags/") {
            format!("the tag {tag}")
        } else {
            "a stash entry".to_owned()
        };
        format!(
            "the submodule {shown} has {what}, which the result does not name; it is kept below \
             {references}: `git --git-dir={store} log {}`",
            commit.short()
        )
    };
    Ok(named.map(remark).collect())
}

/// Returns a remark on the changes of a submodule, or of another `kind` of repository, that are in no
/// commit, with the `effect` of that.
fn uncommitted(
    kind: &str,
    submodule: &Submodule,
    start: Option<&StartingTree>,
    effect: &str,
) -> Result<Option<String>, GitError> {
    let changed = changes_since(submodule, start)?;
    if changed.is_empty() {
        return Ok(None);
    }
    // A difference shows no file that git does not track.
    let show = match changed.iter().any(|file| file.is_untracked) {
        true => "status --untracked-files=all",
        false => "diff HEAD",
    };
    Ok(Some(format!(
        "the {kind} {} has changes that are in no commit {effect}: {}; they are in the worktree \
         only: `git -C {} {show}`",
        submodule.shown(),
        first_names(changed.iter().map(|file| file.path.as_path()), NAMED),
        shell_path(submodule.folder.as_ref().unwrap_or(&submodule.path))
    )))
}

/// Returns a remark on a commit that a change names and that this repository cannot check out
/// without a fetch.
fn unfetched(context: &Context, worktree: &Worktree, path: &Path, commit: Oid) -> Option<String> {
    let declared = declared_submodules(&worktree.path).ok()?;
    let (name, path) = declared.into_iter().find(|(_, known)| known == path)?;
    let submodule = context
        .repo
        .submodule_without_files(worktree, &name, &path)
        .ok()?;
    let missing = context.repo.not_in_store(&submodule, &[commit]);
    let is_missing = missing.is_ok_and(|missing| !missing.is_empty());
    is_missing.then(|| {
        format!(
            "the submodule {} is set to {}, which this repository does not have: \
             `git submodule update` fetches it",
            path.display(),
            commit.short()
        )
    })
}
