//! Differences of two trees: paths without rename detection, and line counts.

use std::collections::BTreeSet;

use crate::git::store::{Store, StoreError};
use crate::merge::change::{Change, ChangeStat, FileStat, RepoPath};
use crate::merge::oid::Oid;

impl Store {
    /// Lists every path, directories aside, whose mode or object differs; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn changes(&self, old: Oid, new: Oid) -> Result<Vec<Change>, StoreError> {
        self.backend.changes(old, new)
    }

    /// Lists the directories that `changes` removed: each held a removed path, and `tree` has
    /// nothing, or a file, at its name. Sorted.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn removed_directories(
        &self,
        tree: Oid,
        changes: &[Change],
    ) -> Result<Vec<RepoPath>, StoreError> {
        let gone = changes
            .iter()
            .filter(|change| change.old.is_some() && change.new.is_none());
        let folders: BTreeSet<&[u8]> = gone.flat_map(|change| change.path.ancestors()).collect();
        let mut removed: Vec<RepoPath> = Vec::new();
        for folder in folders {
            if !matches!(self.find(tree, folder)?, Some((_, None))) {
                removed.push(RepoPath::new(folder));
            }
        }
        Ok(removed)
    }

    /// Counts the changed files and lines.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn stat(&self, old: Oid, new: Oid) -> Result<ChangeStat, StoreError> {
        let stats = self.backend.file_stats(old, new)?;
        let mut total = ChangeStat {
            files: stats.len() as u64,
            ..ChangeStat::default()
        };
        for (added, removed) in stats.iter().filter_map(|stat| stat.lines) {
            total.added += added;
            total.removed += removed;
        }
        Ok(total)
    }

    /// Counts the changed lines of each path; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        let mut stats = self.backend.file_stats(old, new)?;
        stats.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(stats)
    }
}
