//! The three versions of a file in conflict.

use crate::merge::change::RepoPath;
use crate::merge::verdict::Hunk;

/// A file in conflict; a version is `None` where the path does not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileVersions {
    /// The path, as git names it.
    pub path: RepoPath,
    /// The content in the merge base.
    pub base: Option<Vec<u8>>,
    /// The content in the first branch.
    pub a: Option<Vec<u8>>,
    /// The content in the second branch.
    pub b: Option<Vec<u8>>,
    /// The hunks where the lines conflict. Empty for binary content, without one of the sides, and
    /// where only names or modes conflict.
    pub hunks: Vec<Hunk>,
}
