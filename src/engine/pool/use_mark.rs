//! Records that an attempt had a worktree of the pool. One that was only prepared has no work in it.

use std::fs;
use std::io;

use crate::engine::pool::written_files::WrittenFiles;
use crate::git::Repo;
use crate::git::pool_entry::PoolEntry;

/// The file of the record.
const FILE: &str = "used";

/// Returns `true` if an attempt had the worktree.
pub(super) fn is_used(entry: &PoolEntry) -> bool {
    entry.record.join(FILE).exists()
}

/// Records that an attempt gets the worktree.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn mark_used(entry: &PoolEntry) -> io::Result<()> {
    match is_used(entry) {
        true => Ok(()),
        false => fs::write(entry.record.join(FILE), ""),
    }
}

/// Returns `true` for a free worktree whose preparation was interrupted before any attempt had it. Nothing
/// in it is anyone's work. The caller has the lock of the record.
pub(super) fn is_unfinished(repo: &Repo, entry: &PoolEntry) -> bool {
    entry.lease(repo).is_none() && !is_used(entry) && WrittenFiles::read(entry).is_none()
}
