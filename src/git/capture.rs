//! Captures the content of an attempt's worktree, committed or not.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::Index;

use crate::base::fault;
use crate::base::regular_file;
use crate::git::command::{Git, GitError};
use crate::git::index_flags::{self, clear_hiding_flags};
use crate::git::racy_index::refresh_index_mtime;
use crate::git::raw_diff::parse_staged;
use crate::git::refs::branch_ref;
use crate::git::stage_args::{all_but, stage_everything};
use crate::git::store::{Store, StoreError, full};
use crate::git::worktree::{Head, Worktree, WorktreeError};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The captured content of a worktree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capture {
    /// The commit the worker left as HEAD.
    pub head: Oid,
    /// The tree of HEAD with the uncommitted changes, without ignored files.
    pub tree: Oid,
    /// The operation git was in the middle of, if any: `merge`, `rebase`, ….
    pub unfinished: Option<&'static str>,
    /// The paths that a flag of the index hid from git.
    pub hidden: Vec<RepoPath>,
}

/// A worktree could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The worktree's links were changed.
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
    /// A stale lock could not be removed.
    #[error("could not remove the stale lock {0}")]
    Lock(String, #[source] io::Error),
}

/// The staged copy of the index in the admin folder.
const INDEX_COPY: &str = "dispatch-index";

/// The copy of the index for `git status`.
const STATUS_COPY: &str = "dispatch-status-index";

/// The locks in an admin folder that a killed git of its worker may leave.
const STALE_LOCKS: [&str; 4] = [
    "index.lock",
    "HEAD.lock",
    "reftable/tables.list.lock",
    "dispatch-index.lock",
];

/// Settings that write staged objects durably, with one flush for all of them.
const DURABLE: [&str; 2] = [
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
];

impl Store {
    /// Stages everything but the paths `left_out` in the worktree of an ended attempt, and writes
    /// the tree.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn capture(
        &self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<Capture, CaptureError> {
        worktree.verify()?;
        let head = self.head_of(worktree)?;
        fault::point("harvest", "before it begins");
        full("harvest")?;
        remove_stale_locks(worktree)?;
        let unfinished = worktree.unfinished();
        let (index, git) = self.with_index_copy(worktree, INDEX_COPY)?;
        let (hidden, opened) = self.copy_index(worktree, &index, &git)?;
        stage_everything(&git, (&index, opened.as_ref()), &DURABLE, left_out)?;
        fault::point("harvest", "staged");
        let tree = self.write_index_tree(worktree, &index, head)?;
        fault::point("harvest", "written");
        Ok(Capture {
            head,
            tree,
            unfinished,
            hidden,
        })
    }

    /// Returns `true` if the worktree of an ended attempt has uncommitted changes outside of the
    /// paths `left_out`.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn has_changes(
        &self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<bool, CaptureError> {
        Ok(!self.changed_paths(worktree, left_out)?.is_empty())
    }

    /// Lists the uncommitted changes in a worktree that no worker uses, outside of the paths `left_out`: an
    /// untracked folder as one path.
    ///
    /// # Errors
    /// When the worktree was tampered with or git cannot read it.
    pub fn changed_paths(
        &self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<Vec<PathBuf>, CaptureError> {
        worktree.verify()?;
        let (index, git) = self.with_index_copy(worktree, STATUS_COPY)?;
        self.copy_index(worktree, &index, &git)?;
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=normal",
            // A look into them would start filters of their own configuration.
            "--ignore-submodules=dirty",
        ];
        let mut args = status.map(OsString::from).to_vec();
        args.extend(all_but(left_out));
        let changes = git.run(&args);
        // A copy that stays is removed with the worktree's admin folder.
        let _ = fs::remove_file(&index);
        let changes = changes?;
        let entries = changes.split(|byte| *byte == 0);
        let path = |entry: &[u8]| Some(PathBuf::from(OsStr::from_bytes(entry.get(3..)?)));
        Ok(entries.filter_map(path).collect())
    }

    /// Makes the worktree show a capture as committed: the staged copy becomes its index and HEAD
    /// becomes `head`. Only for the worktree of an ended attempt.
    ///
    /// # Errors
    /// When the admin folder cannot be written.
    pub fn settle(&self, worktree: &Worktree, head: &Head) -> Result<(), CaptureError> {
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

    fn head_of(&self, worktree: &Worktree) -> Result<Oid, CaptureError> {
        let missing = || CaptureError::NoHead(worktree.path.display().to_string());
        match worktree.head().ok_or_else(missing)? {
            Head::Detached(oid) => Ok(oid),
            Head::Branch(branch) => self.reference(&branch_ref(&branch))?.ok_or_else(missing),
        }
    }

    /// Returns the place of a copy of the index, and git that reads the copy.
    fn with_index_copy(
        &self,
        worktree: &Worktree,
        name: &str,
    ) -> Result<(PathBuf, Git), CaptureError> {
        let copy = worktree.admin.join(name);
        let git = self.repo.git_in(worktree)?;
        let git = git.env("GIT_INDEX_FILE", copy.as_os_str());
        Ok((copy, git))
    }

    /// Copies the worker's index, which stays as it is until the outcome is known, so that checks see
    /// the worktree as the worker did. The copy keeps the time stamp, with which git tells entries it
    /// cannot trust; where nothing can have changed unseen, it gets a later one, which spares git
    /// reading all those files again. Returns the paths that a flag hid from git, and that the copy
    /// shows, and the copy, opened if there is one that libgit2 reads.
    fn copy_index(
        &self,
        worktree: &Worktree,
        copy: &Path,
        git: &Git,
    ) -> Result<(Vec<RepoPath>, Option<Index>), CaptureError> {
        let index = worktree.admin.join("index");
        let failed = |error| WorktreeError::Io(copy.to_owned(), error);
        let copied = fs::symlink_metadata(&index)
            .and_then(|original| regular_file::copy_with_time(&index, copy).map(|_| original));
        let original = match copied {
            Ok(original) => original,
            // A worker may have removed its index; git then stages everything again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = fs::remove_file(copy);
                return Ok((Vec::new(), None));
            }
            Err(error) => return Err(failed(error).into()),
        };
        let mut opened = index_flags::open(copy, self.format());
        let hidden = clear_hiding_flags(git, opened.as_ref(), &worktree.path)?;
        if !hidden.is_empty() {
            // git has written it again.
            opened = index_flags::open(copy, self.format());
        }
        if let Some(opened) = &opened {
            refresh_index_mtime((copy, opened), &original, &worktree.path).map_err(failed)?;
        }
        Ok((hidden, opened))
    }

    /// Writes the tree of an index, in process where libgit2 reads its format. `git write-tree` would
    /// write the index, too, and run filters for files that are as young as that.
    fn write_index_tree(
        &self,
        worktree: &Worktree,
        index: &Path,
        head: Oid,
    ) -> Result<Oid, CaptureError> {
        if let Some(tree) = self.backend.index_tree(index) {
            return Ok(tree);
        }
        let index = index.display().to_string();
        let git = self.repo.git_in(worktree)?.env("GIT_INDEX_FILE", index);
        if let Some(tree) = self.head_with_index(&git, head)? {
            return Ok(tree);
        }
        let line = git.line(&["write-tree"])?;
        Ok(line.parse().unwrap_or(Oid::ZERO))
    }

    /// Lays what differs in the index over the tree of HEAD. `None` for an unfinished merge, or for a
    /// file in place of a directory.
    fn head_with_index(&self, git: &Git, head: Oid) -> Result<Option<Oid>, CaptureError> {
        let tree = self.tree_of(head)?;
        let compare = ["diff-index", "--cached", "--raw", "-z", "--no-abbrev"];
        let more = [
            "--no-renames",
            "--ignore-submodules=none",
            &tree.to_string(),
        ];
        let output = git.run(&[&compare[..], &more].concat())?;
        let Some(changes) = parse_staged(&output) else {
            return Ok(None);
        };
        let edits: Vec<_> = changes
            .into_iter()
            .map(|change| (change.path, change.new))
            .collect();
        match self.tree_overlaid(tree, &edits) {
            Ok(tree) => Ok(Some(tree)),
            Err(StoreError::Overlay(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes locks inside the admin folder, which belong to the ended attempt alone.
fn remove_stale_locks(worktree: &Worktree) -> Result<(), CaptureError> {
    for name in STALE_LOCKS {
        let lock = worktree.admin.join(name);
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CaptureError::Lock(lock.display().to_string(), error));
            }
            _ => {}
        }
    }
    Ok(())
}
