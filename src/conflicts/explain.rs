//! Explains one pair: the three versions of every file in conflict, and a command to reproduce it.

use std::collections::BTreeMap;

use crate::conflicts::hunks::hunks;
use crate::conflicts::reproduce::Reproduction;
use crate::git::{Store, StoreError};
use crate::merge::answer::MergeResult;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;
use crate::merge::versions::FileVersions;

/// Everything about one pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The verdict, with the branches 0 and 1; `None` if they are independent.
    pub verdict: Option<PairVerdict>,
    /// The merge bases with their trees; none for unrelated histories.
    pub bases: Vec<(Oid, Oid)>,
    /// The trees of the two branches.
    pub trees: [Oid; 2],
    /// Builds git commands that show the same.
    pub reproduction: Reproduction,
    /// The files in conflict, sorted by path.
    pub files: Vec<FileVersions>,
    /// git's messages.
    pub messages: Vec<String>,
}

/// Reads the versions of all files in conflict.
pub(super) fn file_versions(
    store: &Store,
    result: &MergeResult,
) -> Result<Vec<FileVersions>, StoreError> {
    let mut files: BTreeMap<&RepoPath, [Option<Vec<u8>>; 3]> = BTreeMap::new();
    for stage in &result.stages {
        let content = match stage.mode {
            Entry::SUBMODULE => format!("submodule at {}\n", stage.oid).into_bytes(),
            _ => store.blob(stage.oid)?,
        };
        let version = usize::from(stage.stage.clamp(1, 3)) - 1;
        files.entry(&stage.path).or_default()[version] = Some(content);
    }
    let file = |(path, [base, a, b]): (&RepoPath, [Option<Vec<u8>>; 3])| {
        let hunks = match (&a, &b) {
            (Some(a), Some(b)) => hunks(path, base.as_deref().unwrap_or_default(), a, b),
            _ => Vec::new(),
        };
        FileVersions {
            path: path.clone(),
            base,
            a,
            b,
            hunks,
        }
    };
    Ok(files.into_iter().map(file).collect())
}
