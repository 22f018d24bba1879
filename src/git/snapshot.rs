//! What is in the worktree of a running task right now, without the worker noticing.
//!
//! Its index is copied and everything is staged into the copy; blobs, trees and the commit on top go
//! into a quarantine. No lock of the worker's is taken and no file of its repository is written, so
//! none of its git commands can fail because of this.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::capture::HarvestError;
use crate::git::commit::{By, NewCommit};
use crate::git::quarantine::Quarantine;
use crate::git::repo::Repo;
use crate::git::stage_args::stage_everything;
use crate::git::worktree::{Worktree, WorktreeError};
use crate::merge::oid::Oid;

/// How the new objects of staging are written: hardly waiting for the disk, since nobody keeps them.
const FLEETING: [&str; 1] = ["core.fsync=none"];

/// Snapshots of worktrees, which live as long as this does.
#[derive(Debug)]
pub struct Snapshots {
    quarantine: Arc<Quarantine>,
    copies: HashMap<PathBuf, Copied>,
}

/// A copy of an index, with everything staged that was there the last time.
#[derive(Debug)]
struct Copied {
    path: PathBuf,
    /// By what a later version of the original is told from the one that was copied.
    original: Option<Stamp>,
}

/// Inode, length, seconds and nanoseconds.
type Stamp = (u64, u64, i64, i64);

impl Snapshots {
    /// For worktrees of this repository.
    ///
    /// # Errors
    /// When the quarantine cannot be written.
    pub fn new(repo: &Repo) -> io::Result<Snapshots> {
        Ok(Snapshots {
            quarantine: Arc::new(Quarantine::new(repo)?),
            copies: HashMap::new(),
        })
    }

    /// Where the snapshots are.
    pub fn quarantine(&self) -> Arc<Quarantine> {
        Arc::clone(&self.quarantine)
    }

    /// A commit on `base` of everything in the worktree but the paths `left_out`; the same commit as
    /// long as nothing changes. `None` while a merge or rebase is under way, whose half-done state
    /// is nobody's result.
    ///
    /// # Errors
    /// When the worktree changes under git's hands, or cannot be read.
    pub fn take(
        &mut self,
        worktree: &Worktree,
        base: Oid,
        left_out: &[String],
    ) -> Result<Option<Oid>, HarvestError> {
        worktree.verify()?;
        if worktree.unfinished().is_some() {
            return Ok(None);
        }
        let index = self.copy_index(worktree)?;
        let git = worktree
            .git()
            .env("GIT_INDEX_FILE", index.as_os_str())
            .env("GIT_OBJECT_DIRECTORY", self.quarantine.objects());
        git.run(&stage_everything(&FLEETING, left_out))?;
        let line = git.line(&["write-tree"])?;
        let tree = line.parse().unwrap_or(Oid::ZERO);
        let store = self.quarantine.store()?;
        let commit = store.write_commit(&NewCommit {
            tree,
            parents: &[base],
            message: "snapshot\n",
            time: Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        })?;
        Ok(Some(commit))
    }

    /// As long as the worker's own index stays as it was, the last copy is better: what was staged
    /// into it need not be read again.
    fn copy_index(&mut self, worktree: &Worktree) -> Result<PathBuf, HarvestError> {
        let original = worktree.admin.join("index");
        let number = self.copies.len();
        let folder = self.quarantine.objects();
        let copied = self.copies.entry(worktree.path.clone()).or_insert(Copied {
            path: folder.with_file_name(format!("index-{number}")),
            original: None,
        });
        match copy(&original, copied) {
            Ok(()) => Ok(copied.path.clone()),
            // A worker may have removed its index; git then stages everything anew.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                copied.original = None;
                let _ = fs::remove_file(&copied.path);
                Ok(copied.path.clone())
            }
            Err(error) => Err(WorktreeError::Io(original, error).into()),
        }
    }
}

/// git replaces an index by renaming, so an open one stays whole. The copy keeps the time stamp: git
/// compares file times with it to know which entries it cannot trust.
fn copy(original: &Path, copied: &mut Copied) -> io::Result<()> {
    let mut from = File::open(original)?;
    let meta = from.metadata()?;
    let stamp = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    if copied.original == Some(stamp) && copied.path.exists() {
        return Ok(());
    }
    let mut to = File::create(&copied.path)?;
    io::copy(&mut from, &mut to)?;
    to.set_modified(meta.modified()?)?;
    copied.original = Some(stamp);
    Ok(())
}
