//! What changed between two trees: paths without rename detection, and line counts.

use git2::{Delta, DiffOptions};

use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::model::change::{Change, ChangeStat, Entry, RepoPath};
use crate::model::ids::Oid;

impl Store {
    /// Every path, directories aside, whose mode or object differs; sorted by path.
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

    /// How many files and lines changed.
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

/// A path that libgit2 reports as removed and as added (its kind changed) is one change.
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
