//! Brings the changes of set-up back to the files of a worktree in which a merge was started.
//!
//! A merge starts in a clean worktree only, so what set-up changed was taken back before. It comes back as
//! uncommitted changes, as a worker finds them, wherever the merge left the file of the base.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::Git;
use crate::git::worktree::Worktree;
use crate::merge::change::{Entry, RepoPath};

/// The paths of an index.
#[derive(Default)]
struct Staged {
    /// The entry of each path without a conflict.
    entries: BTreeMap<RepoPath, Entry>,
    /// The paths in conflict.
    unmerged: BTreeSet<RepoPath>,
}

/// A change of set-up that can come back.
#[derive(PartialEq, Eq, Debug)]
enum Change<'a> {
    Write(&'a RepoPath, Entry),
    Remove(&'a RepoPath),
}

/// Writes the changes of set-up to the files of a worktree, except where the merge changed the same path or
/// needs its place. The index stays as it is. What does not come back is no longer a change of set-up: the
/// merge, or the user, may write the same there.
///
/// # Errors
/// When git fails, or a file cannot be written.
pub fn bring_back(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    let Some(start) = StartingTree::read(worktree).filter(|start| !start.is_as_base()) else {
        return Ok(());
    };
    let git = context.repo.git_in(worktree)?;
    let staged = parse_staged(&git.run(&["ls-files", "--stage", "-z"])?);
    let (mut written, mut brought) = (Vec::new(), BTreeSet::new());
    for change in to_bring_back(&start, &staged) {
        match change {
            Change::Remove(path) => {
                remove(&file_of(worktree, path))?;
                brought.insert(path.clone());
            }
            Change::Write(path, entry) if is_free(&worktree.path, path) => {
                brought.insert(path.clone());
                written.extend(format!("{:o} {} 0\t", entry.mode, entry.oid).as_bytes());
                written.extend(path.as_bytes());
                written.push(0);
            }
            Change::Write(..) => {}
        }
    }
    if !written.is_empty() {
        check_out(&git, worktree, written)?;
    }
    start.retain(worktree, &brought)
}

/// Selects the changes on paths that the merge left as the base has them.
fn to_bring_back<'a>(start: &'a StartingTree, staged: &Staged) -> Vec<Change<'a>> {
    let is_left = |path: &RepoPath, old: Option<Entry>| {
        !staged.unmerged.contains(path) && staged.entries.get(path).copied() == old
    };
    let is_submodule = |entry: Option<Entry>| entry.is_some_and(|entry| entry.is_submodule());
    let changes = start.changes();
    let changes = changes.filter(|(path, old, new)| {
        is_left(path, *old) && !is_submodule(*old) && !is_submodule(*new)
    });
    let change = changes.map(|(path, _, new)| match new {
        Some(entry) => Change::Write(path, entry),
        None => Change::Remove(path),
    });
    change.collect()
}

/// Parses `git ls-files --stage -z`.
fn parse_staged(listed: &[u8]) -> Staged {
    let mut staged = Staged::default();
    for line in listed.split(|byte| *byte == 0) {
        let Some(end) = line.iter().position(|byte| *byte == b'\t') else {
            continue;
        };
        let path = RepoPath::new(&line[end + 1..]);
        let words = String::from_utf8_lossy(&line[..end]);
        let mut words = words.split(' ');
        let mode = words
            .next()
            .and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let oid = words.next().and_then(|oid| oid.parse().ok());
        match (mode, oid, words.next()) {
            (Some(mode), Some(oid), Some("0")) => {
                staged.entries.insert(path, Entry { mode, oid });
            }
            _ => {
                staged.unmerged.insert(path);
            }
        }
    }
    staged
}

/// Returns `true` if a file can be written at a path: no folder is there, and no file or link is in the place
/// of a folder above it.
fn is_free(top: &Path, path: &RepoPath) -> bool {
    let path = Path::new(OsStr::from_bytes(path.as_bytes()));
    let is_folder = |path: PathBuf| match path.symlink_metadata() {
        Ok(meta) => meta.is_dir(),
        Err(_) => true,
    };
    let above = path
        .ancestors()
        .skip(1)
        .filter(|it| !it.as_os_str().is_empty());
    let is_no_folder = |path: &Path| {
        let meta = top.join(path).symlink_metadata();
        meta.map_or(true, |meta| !meta.is_dir())
    };
    is_no_folder(path) && above.map(|path| top.join(path)).all(is_folder)
}

fn file_of(worktree: &Worktree, path: &RepoPath) -> PathBuf {
    worktree.path.join(OsStr::from_bytes(path.as_bytes()))
}

fn remove(file: &Path) -> Result<(), EngineError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EngineError::File(file.display().to_string(), error))
        }
        _ => Ok(()),
    }
}

/// Writes files from lines of `git update-index --index-info`, with an index of their own.
fn check_out(git: &Git, worktree: &Worktree, lines: Vec<u8>) -> Result<(), EngineError> {
    let failed = |error| EngineError::File(worktree.admin.display().to_string(), error);
    let folder = tempfile::tempdir_in(&worktree.admin).map_err(failed)?;
    let index = folder.path().join("index");
    let git = git.clone().env("GIT_INDEX_FILE", index.into_os_string());
    let git = git.setting("core.splitIndex=false");
    let stage = ["update-index", "-z", "--index-info"];
    let staged = git.program().args(stage).stdin(lines).output();
    let staged = staged.map_err(crate::git::GitError::from)?;
    if !staged.status.success() {
        return Err(git.failed(&stage, &staged).into());
    }
    git.run(&["checkout-index", "--all", "--force", "--quiet"])?;
    Ok(())
}
