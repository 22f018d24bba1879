//! Takes snapshots of running tasks' worktrees without disturbing the workers.
//!
//! The worker's index is copied and everything is staged into the copy; blobs, trees and the commit
//! go into a quarantine. No lock is taken and no file of the repository is written, so none of the
//! worker's git commands can fail because of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::regular_file;
use crate::git::capture::CaptureError;
use crate::git::commit::{By, NewCommit};
use crate::git::index_flags::{self, clear_hiding_flags};
use crate::git::quarantine::Quarantine;
use crate::git::repo::Repo;
use crate::git::stage_args::stage_everything;
use crate::git::store::Store;
use crate::git::worktree::{Worktree, WorktreeError};
use crate::merge::oid::Oid;

/// Settings that write staged objects, which are temporary, without waiting for the disk.
const NOT_DURABLE: [&str; 1] = ["core.fsync=none"];

/// Snapshots of worktrees, removed when this is dropped.
#[derive(Debug)]
pub struct Snapshots {
    repo: Repo,
    quarantine: Arc<Quarantine>,
    copies: HashMap<PathBuf, IndexCopy>,
}

/// A copy of an index, with everything staged as of the last snapshot.
#[derive(Debug)]
struct IndexCopy {
    path: PathBuf,
    /// Identifies the version of the original that was copied.
    original: Option<Stamp>,
}

/// Inode, length, seconds and nanoseconds.
type Stamp = (u64, u64, i64, i64);

impl Snapshots {
    /// Creates an empty set for worktrees of this repository.
    ///
    /// # Errors
    /// When the quarantine cannot be written.
    pub fn new(repo: &Repo) -> io::Result<Snapshots> {
        Ok(Snapshots {
            repo: repo.clone(),
            quarantine: Arc::new(Quarantine::new(repo)?),
            copies: HashMap::new(),
        })
    }

    /// The quarantine that holds the snapshots.
    pub fn quarantine(&self) -> Arc<Quarantine> {
        Arc::clone(&self.quarantine)
    }

    /// Commits everything in the worktree but the paths `left_out` on top of `base`, as the tree that
    /// `work` makes of it; the same commit as long as nothing changes. `None` in the middle of a merge
    /// or rebase.
    ///
    /// # Errors
    /// When the worktree changes while git reads it, or cannot be read, and the errors of `work`.
    pub fn take<E: From<CaptureError>>(
        &mut self,
        worktree: &Worktree,
        base: Oid,
        left_out: &[String],
        work: impl FnOnce(&Store, Oid) -> Result<Oid, E>,
    ) -> Result<Option<Oid>, E> {
        let Some((store, tree)) = self.stage(worktree, left_out)? else {
            return Ok(None);
        };
        let tree = work(&store, tree)?;
        let commit = store.write_commit(&NewCommit {
            tree,
            parents: &[base],
            message: "snapshot\n",
            time: Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        });
        Ok(Some(commit.map_err(CaptureError::from)?))
    }

    /// Writes the tree of the worktree into the quarantine, whose store comes with it.
    fn stage(
        &mut self,
        worktree: &Worktree,
        left_out: &[String],
    ) -> Result<Option<(Store, Oid)>, CaptureError> {
        worktree.verify()?;
        if worktree.unfinished().is_some() {
            return Ok(None);
        }
        let (index, is_new) = self.copy_index(worktree)?;
        let git = self
            .repo
            .git_in(worktree)?
            .env("GIT_INDEX_FILE", index.as_os_str())
            .env("GIT_OBJECT_DIRECTORY", self.quarantine.objects());
        let format = self.repo.formats.objects;
        let mut opened = index_flags::open(&index, format);
        if is_new && !clear_hiding_flags(&git, opened.as_ref(), &worktree.path)?.is_empty() {
            opened = index_flags::open(&index, format);
        }
        stage_everything(&git, (&index, opened.as_ref()), &NOT_DURABLE, left_out)?;
        let line = git.line(&["write-tree"])?;
        let tree = line.parse().unwrap_or(Oid::ZERO);
        Ok(Some((self.quarantine.store()?, tree)))
    }

    /// Copies the worker's index. While that stays as it was, the last copy is kept, because files
    /// that are staged in it need not be read again. Returns the copy, and `true` if it is a new one.
    fn copy_index(&mut self, worktree: &Worktree) -> Result<(PathBuf, bool), CaptureError> {
        let original = worktree.admin.join("index");
        let number = self.copies.len();
        let folder = self.quarantine.objects();
        let copied = self
            .copies
            .entry(worktree.path.clone())
            .or_insert(IndexCopy {
                path: folder.with_file_name(format!("index-{number}")),
                original: None,
            });
        match copy(&original, copied) {
            Ok(is_new) => Ok((copied.path.clone(), is_new)),
            // A worker may have removed its index; git then stages everything again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                copied.original = None;
                let _ = fs::remove_file(&copied.path);
                Ok((copied.path.clone(), false))
            }
            Err(error) => Err(WorktreeError::Io(original, error).into()),
        }
    }
}

/// Copies an index with its time stamp, with which git tells entries that it cannot trust. git
/// replaces an index by renaming, so an open one stays complete. Returns `false` if the last copy is
/// still that of this index.
fn copy(original: &Path, copied: &mut IndexCopy) -> io::Result<bool> {
    let mut from = regular_file::open(original)?;
    let meta = from.metadata()?;
    let stamp = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    if copied.original == Some(stamp) && copied.path.exists() {
        return Ok(false);
    }
    let mut to = File::create(&copied.path)?;
    io::copy(&mut from, &mut to)?;
    to.set_modified(meta.modified()?)?;
    copied.original = Some(stamp);
    Ok(true)
}
