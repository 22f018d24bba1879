//! Computes the disk space that one worktree of a run takes.

use crate::git::{Repo, Store};
use crate::merge::oid::Oid;

/// The disk space of one worktree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WorktreeSize {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

impl WorktreeSize {
    /// Sums up the files of a commit; the effect of filters is unknown beforehand.
    pub fn of_worktree(repo: &Repo, base: Oid) -> WorktreeSize {
        let sizes = Store::open(repo).and_then(|store| {
            let tree = store.tree_of(base)?;
            store.file_sizes(tree)
        });
        // Errors will show when the files are checked out.
        let sizes = sizes.unwrap_or_default();
        const BLOCK: u64 = 4096;
        WorktreeSize {
            bytes: sizes.iter().map(|size| size.div_ceil(BLOCK) * BLOCK).sum(),
            // Folders are fewer than files.
            files: 2 * sizes.len() as u64,
        }
    }
}
