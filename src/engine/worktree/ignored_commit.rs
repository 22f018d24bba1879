//! Commits files that git ignores, so that they outlive their worktree.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::base::regular_file;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::Worktree;
use crate::git::{GitError, Store};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

/// The most bytes of ignored files that are kept as a commit.
pub const KEPT_BYTES: u64 = 1024 * 1024;

/// Ignored files, by their paths below the top of a worktree.
#[derive(Clone, Copy, Debug)]
pub struct FilesToKeep<'a> {
    /// Files and folders that the worktree itself ignores.
    pub paths: &'a [PathBuf],
    /// Nested repositories in them, which are left out.
    pub nested: &'a [PathBuf],
    /// Files that submodules and nested repositories ignore. They are taken as they are: filters there have
    /// the settings of a worker.
    pub inside: &'a [PathBuf],
}

/// Commits ignored files on top of `base`. In place of a submodule, the commit has the files that it
/// ignores. `None` if all files are in nested repositories.
///
/// # Errors
/// When git or the store fails, or a file cannot be read.
pub fn commit(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
    base: Oid,
    files: FilesToKeep<'_>,
    message: &str,
) -> Result<Option<Oid>, EngineError> {
    let before = store.tree_of(base)?;
    let tree = match files.paths.is_empty() {
        true => before,
        false => tree_of_paths(context, worktree, base, files)?,
    };
    let tree = with_files(store, &worktree.path, tree, files.inside)?;
    if tree == before {
        return Ok(None);
    }
    Ok(Some(store.write_commit(&NewCommit {
        tree,
        parents: &[base],
        message,
        time: context.clock.now(),
        by: By::Dispatch,
    })?))
}

/// Writes the tree of `base` with paths that the worktree ignores, by an index of their own.
fn tree_of_paths(
    context: &Context,
    worktree: &Worktree,
    base: Oid,
    files: FilesToKeep<'_>,
) -> Result<Oid, EngineError> {
    let index = worktree.admin.join("dispatch-ignored-index");
    let git = context.repo.git_in(worktree)?;
    let git = git.env("GIT_INDEX_FILE", index.as_os_str());
    git.run(&["read-tree", &base.to_string()])?;
    let spec =
        |magic: &str, path: &PathBuf| [magic.as_bytes(), path.as_os_str().as_bytes()].concat();
    let paths = files.paths.iter();
    let paths = paths.map(|path| spec(":(top,literal)", path));
    let nested = files.nested.iter();
    let nested = nested.map(|path| spec(":(top,literal,exclude)", path));
    let specs: Vec<Vec<u8>> = paths.chain(nested).collect();
    let add = [
        "add",
        "--force",
        "--pathspec-from-file=-",
        "--pathspec-file-nul",
    ];
    let finished = git.program().args(add).stdin(specs.join(&0)).output();
    let finished = finished.map_err(GitError::from)?;
    if !finished.status.success() {
        return Err(git.failed(&add, &finished).into());
    }
    let tree = git.line(&["write-tree"])?;
    // A file that stays is removed with the worktree's admin folder.
    let _ = fs::remove_file(&index);
    tree.parse().map_err(|_| EngineError::Broken(tree))
}

/// Writes a tree with files below `top`, in place of submodules and files above them.
fn with_files(
    store: &Store,
    top: &Path,
    mut tree: Oid,
    files: &[PathBuf],
) -> Result<Oid, EngineError> {
    let mut edits = Vec::new();
    for file in files {
        let path = RepoPath::new(file.as_os_str().as_bytes());
        let failed = |error| EngineError::File(top.join(file).display().to_string(), error);
        let Some((mode, content)) = read(&top.join(file)).map_err(failed)? else {
            continue;
        };
        let above: Vec<RepoPath> = path.ancestors().map(RepoPath::new).collect();
        for above in above {
            if store.entry_at(tree, &above)?.is_some() {
                tree = store.tree_overlaid(tree, &[(above, None)])?;
            }
        }
        let oid = store.write_blob(&content)?;
        edits.push((path, Some(Entry { mode, oid })));
    }
    match edits.is_empty() {
        true => Ok(tree),
        false => Ok(store.tree_overlaid(tree, &edits)?),
    }
}

/// Reads a file as git stores it, with its mode; `None` for one that is gone.
fn read(path: &Path) -> io::Result<Option<(u32, Vec<u8>)>> {
    let read = || -> io::Result<(u32, Vec<u8>)> {
        let meta = path.symlink_metadata()?;
        if meta.is_symlink() {
            let target = fs::read_link(path)?;
            return Ok((0o120_000, target.into_os_string().as_bytes().to_vec()));
        }
        let mode = match meta.permissions().mode() & 0o100 {
            0 => 0o100_644,
            _ => 0o100_755,
        };
        Ok((mode, regular_file::read(path, KEPT_BYTES)?))
    };
    match read() {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
