//! Taking what a worker left in its worktree: its own commits plus whatever is uncommitted.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::git::command::GitError;
use crate::git::racy_index::vouch_for;
use crate::git::refs::branch_ref;
use crate::git::stage_args::{all_but, stage_everything};
use crate::git::store::{Store, StoreError, from_git2, full};
use crate::git::worktree::{Head, Worktree, WorktreeError};
use crate::merge::oid::Oid;

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

/// The name of the staged copy of the index in the admin folder.
const INDEX_COPY: &str = "dispatch-index";

/// How the new objects of staging are written: durably, with one flush for all of them.
const DURABLE: [&str; 2] = [
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
];

/// The name of the copy that is only looked at.
const STATUS_COPY: &str = "dispatch-status-index";

impl Store {
    /// Stages everything in the worktree of an attempt that is over, but for the paths `left_out`,
    /// and writes the tree.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn harvest(
        &self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<Harvest, HarvestError> {
        worktree.verify()?;
        let head = self.head_of(worktree)?;
        fault::point("harvest", "before it begins");
        full("harvest")?;
        remove_stale_locks(worktree)?;
        let unfinished = worktree.unfinished();
        let index = copy_index(worktree, INDEX_COPY)?;
        let args = stage_everything(&DURABLE, left_out);
        let index_file = index.display().to_string();
        worktree
            .git()
            .env("GIT_INDEX_FILE", index_file)
            .run(&args)?;
        fault::point("harvest", "staged");
        let tree = self.write_index_tree(worktree, &index)?;
        fault::point("harvest", "written");
        Ok(Harvest {
            head,
            tree,
            unfinished,
        })
    }

    /// Whether the worktree of an attempt that is over has changes that are in no commit, but for the
    /// paths `left_out`.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn has_changes(
        &self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<bool, HarvestError> {
        worktree.verify()?;
        let index = copy_index(worktree, STATUS_COPY)?;
        let git = worktree.git().env("GIT_INDEX_FILE", index.as_os_str());
        let status = [
            "status",
            "--porcelain",
            "--untracked-files=normal",
            "--ignore-submodules=none",
        ];
        let mut args = status.map(str::to_owned).to_vec();
        args.extend(all_but(left_out));
        let changes = git.run(&args);
        // It is only a copy, and the admin folder goes with the worktree.
        let _ = fs::remove_file(&index);
        Ok(!changes?.is_empty())
    }

    /// Makes the worktree show a harvest as committed: the staged copy becomes its index and HEAD
    /// becomes `head`. Only for the worktree of an attempt that is over.
    ///
    /// # Errors
    /// When the admin folder cannot be written.
    pub fn settle(&self, worktree: &Worktree, head: &Head) -> Result<(), HarvestError> {
        fault::point("worktree", "before it is settled");
        full("settling")?;
        worktree.set_head(head)?;
        fault::point("worktree", "with HEAD settled");
        let copy = worktree.admin.join(INDEX_COPY);
        let index = worktree.admin.join("index");
        match fs::rename(&copy, &index) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(WorktreeError::Io(index, error).into())
            }
            _ => {
                fault::point("worktree", "settled");
                Ok(())
            }
        }
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
    fn write_index_tree(&self, worktree: &Worktree, index: &Path) -> Result<Oid, HarvestError> {
        let in_process =
            git2::Index::open(index).and_then(|mut index| index.write_tree_to(&self.inner));
        match in_process {
            Ok(tree) => Ok(from_git2(tree)),
            Err(_) => {
                let git = worktree
                    .git()
                    .env("GIT_INDEX_FILE", index.display().to_string());
                let line = git.line(&["write-tree"])?;
                Ok(line.parse().unwrap_or(Oid::ZERO))
            }
        }
    }
}

/// The worker's own index stays as it left it until the outcome is known, so that its checks see
/// the worktree as the worker did. The copy keeps the time stamp: git compares file times with it
/// to know which entries it cannot trust; where nothing can have changed unseen, it gets a later
/// one, which spares git reading all those files again.
fn copy_index(worktree: &Worktree, name: &str) -> Result<PathBuf, HarvestError> {
    let (index, copy) = (worktree.admin.join("index"), worktree.admin.join(name));
    let copied = (|| {
        let original = fs::metadata(&index)?;
        fs::copy(&index, &copy)?;
        File::options()
            .write(true)
            .open(&copy)?
            .set_modified(original.modified()?)?;
        vouch_for(&copy, &original, &worktree.path)
    })();
    match copied {
        Ok(_) => Ok(copy),
        // A worker may have removed its index; git then stages everything anew.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let _ = fs::remove_file(&copy);
            Ok(copy)
        }
        Err(error) => Err(WorktreeError::Io(copy, error).into()),
    }
}

/// Locks inside the admin folder belong to the attempt alone, and the attempt is dead.
fn remove_stale_locks(worktree: &Worktree) -> Result<(), HarvestError> {
    for name in ["index.lock", "HEAD.lock", "dispatch-index.lock"] {
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
