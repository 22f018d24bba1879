//! What one branch touches, with everything another branch could collide on.

use crate::merge::change::{Change, RepoPath};

/// What a branch changes against one base, paths only, each list sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// Paths whose mode or content differs, without rename detection.
    pub touched: Vec<RepoPath>,
    /// Those of them that the base does not have.
    pub added: Vec<RepoPath>,
    /// Directories of the base that are no directory any more.
    pub removed_directories: Vec<RepoPath>,
}

impl Footprint {
    /// From the difference to the base, and the directories that it takes away.
    pub fn new(changes: &[Change], removed_directories: Vec<RepoPath>) -> Footprint {
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

    /// Whether the branch is the base.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }
}
