//! The paths one branch changes, and those another branch could collide on.

use crate::merge::change::{Change, RepoPath};

/// The paths of a branch's changes against one base, each list sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Footprint {
    /// Paths whose mode or content differs, without rename detection.
    pub(super) touched: Vec<RepoPath>,
    /// Touched paths that the base does not have.
    pub(super) added: Vec<RepoPath>,
    /// Directories of the base that the branch does not have as directories.
    pub(super) removed_directories: Vec<RepoPath>,
}

impl Footprint {
    /// Builds a footprint from the difference to the base.
    pub(super) fn new(changes: &[Change], removed_directories: Vec<RepoPath>) -> Footprint {
        let paths = changes.iter().map(|change| change.path.clone());
        let mut touched: Vec<RepoPath> = paths.collect();
        let added = changes.iter().filter(|change| change.old.is_none());
        let mut added: Vec<RepoPath> = added.map(|change| change.path.clone()).collect();
        let mut removed_directories = removed_directories;
        touched.sort();
        added.sort();
        removed_directories.sort();
        Footprint {
            touched,
            added,
            removed_directories,
        }
    }

    /// Returns `true` if the branch changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }
}
