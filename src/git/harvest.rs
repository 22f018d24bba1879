//! Taking what a worker left in its worktree: its own commits plus whatever is uncommitted.

use std::fs;
use std::io;

use crate::git::cli::GitError;
use crate::git::refs::branch_ref;
use crate::git::store::{Store, StoreError, from_git2};
use crate::git::worktree::{Head, Worktree, WorktreeError};
use crate::model::ids::Oid;

/// Everything in a worktree, committed or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Harvest {
    /// The commit the worker left as HEAD.
    pub head: Oid,
    /// The tree with the uncommitted changes on top; ignored files are not in it.
    pub tree: Oid,
    /// What git was in the middle of, if anything: `merge`, `rebase`, ….
    pub unfinished: Option<&'static str>,
}

/// What kept a worktree from being read.
#[derive(Debug, thiserror::Error)]
pub enum HarvestError {
    /// The worktree is not what it was.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// HEAD names nothing.
    #[error("HEAD of {0} names no commit")]
    NoHead(String),
    /// git could not add the files.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lock a dead process left could not be removed.
    #[error("could not remove the stale lock {0}")]
    Lock(String, #[source] io::Error),
}

/// Files that say git was in the middle of something (what `git status` looks at).
const UNFINISHED: [(&str, &str); 6] = [
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_START", "bisect"),
];

impl Store {
    /// Stages everything in the worktree of an attempt that is over, and writes the tree.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn harvest(&self, worktree: &Worktree) -> Result<Harvest, HarvestError> {
        worktree.verify()?;
        let head = self.head_of(worktree)?;
        remove_stale_locks(worktree)?;
        let unfinished = UNFINISHED
            .iter()
            .find(|(file, _)| worktree.admin.join(file).exists())
            .map(|(_, word)| *word);
        // Batch mode makes the new objects durable with one flush for all of them.
        let git = worktree.git();
        git.run(&[
            "-c",
            "core.fsync=committed,loose-object",
            "-c",
            "core.fsyncMethod=batch",
            "-c",
            "core.safecrlf=false",
            "-c",
            "advice.addEmbeddedRepo=false",
            "add",
            "--all",
            "--",
            ".",
        ])?;
        let tree = self.write_index_tree(worktree)?;
        Ok(Harvest {
            head,
            tree,
            unfinished,
        })
    }

    fn head_of(&self, worktree: &Worktree) -> Result<Oid, HarvestError> {
        let missing = || HarvestError::NoHead(worktree.path.display().to_string());
        match worktree.head().ok_or_else(missing)? {
            Head::Detached(oid) => Ok(oid),
            Head::Branch(branch) => self.reference(&branch_ref(&branch))?.ok_or_else(missing),
        }
    }

    /// libgit2 reads the plain index format in process; an index with extensions that it must not
    /// ignore (split, sparse) is left to `git write-tree`.
    fn write_index_tree(&self, worktree: &Worktree) -> Result<Oid, HarvestError> {
        let in_process = git2::Index::open(&worktree.admin.join("index"))
            .and_then(|mut index| index.write_tree_to(&self.inner));
        match in_process {
            Ok(tree) => Ok(from_git2(tree)),
            Err(_) => {
                let line = worktree.git().line(&["write-tree"])?;
                Ok(line.parse().unwrap_or(Oid::ZERO))
            }
        }
    }
}

/// Locks inside the admin folder belong to the attempt alone, and the attempt is dead.
fn remove_stale_locks(worktree: &Worktree) -> Result<(), HarvestError> {
    for name in ["index.lock", "HEAD.lock"] {
        let lock = worktree.admin.join(name);
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(HarvestError::Lock(lock.display().to_string(), error));
            }
            _ => {}
        }
    }
    Ok(())
}
