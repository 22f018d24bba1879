//! Differences of two trees: paths without rename detection, and line counts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::{Delta, DiffOptions, ErrorCode, ObjectType, Patch};

use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::merge::change::{Change, ChangeStat, Entry, FileStat, RepoPath};
use crate::merge::oid::Oid;

impl Store {
    /// Lists every path, directories aside, whose mode or object differs; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn changes(&self, old: Oid, new: Oid) -> Result<Vec<Change>, StoreError> {
        let diff = self.diff(old, new)?;
        let mut changes: Vec<Change> = diff
            .deltas()
            .map(|delta| {
                let entry = |file: git2::DiffFile<'_>| Entry {
                    mode: u32::from(file.mode()),
                    oid: from_git2(file.id()),
                };
                let path = delta
                    .new_file()
                    .path_bytes()
                    .or(delta.old_file().path_bytes());
                Change {
                    path: RepoPath::new(path.unwrap_or_default()),
                    old: (delta.status() != Delta::Added).then(|| entry(delta.old_file())),
                    new: (delta.status() != Delta::Deleted).then(|| entry(delta.new_file())),
                }
            })
            .collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(merge_type_changes(changes))
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
        let tree = self.inner.find_tree(to_git2(tree))?;
        let mut removed: Vec<RepoPath> = Vec::new();
        for folder in folders {
            let is_directory = match tree.get_path(Path::new(OsStr::from_bytes(folder))) {
                Ok(entry) => entry.kind() == Some(ObjectType::Tree),
                Err(error) if error.code() == ErrorCode::NotFound => false,
                Err(error) => return Err(error.into()),
            };
            if !is_directory {
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
        let stats = self.diff(old, new)?.stats()?;
        Ok(ChangeStat {
            files: stats.files_changed() as u64,
            added: stats.insertions() as u64,
            removed: stats.deletions() as u64,
        })
    }

    /// Counts the changed lines of each path; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        let diff = self.diff(old, new)?;
        let mut stats = Vec::new();
        for (place, delta) in diff.deltas().enumerate() {
            let path = delta.new_file().path_bytes();
            let path = path.or(delta.old_file().path_bytes()).unwrap_or_default();
            let patch = Patch::from_diff(&diff, place)?;
            let lines = patch.as_ref().map(Patch::line_stats).transpose()?;
            let lines = lines.map(|(_, added, removed)| (added as u64, removed as u64));
            let is_binary = delta.flags().is_binary();
            stats.push(FileStat {
                path: RepoPath::new(path),
                lines: lines.filter(|_| !is_binary),
            });
        }
        stats.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(stats)
    }

    fn diff(&self, old: Oid, new: Oid) -> Result<git2::Diff<'_>, StoreError> {
        let old = self.inner.find_tree(to_git2(old))?;
        let new = self.inner.find_tree(to_git2(new))?;
        let mut options = DiffOptions::new();
        options
            .include_typechange(true)
            .ignore_submodules(false)
            .skip_binary_check(false);
        Ok(self
            .inner
            .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?)
    }
}

/// Joins the removal and addition that libgit2 reports for a path whose kind changed.
fn merge_type_changes(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        match merged.last_mut() {
            Some(last) if last.path == change.path => {
                last.old = last.old.or(change.old);
                last.new = last.new.or(change.new);
            }
            _ => merged.push(change),
        }
    }
    merged
}
