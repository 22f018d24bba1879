//! The changes kept from a failed attempt.

use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};

/// The changes of a failed attempt against the commit it started from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptChanges {
    /// The number of files and lines.
    pub stat: ChangeStat,
    /// The first [`KeptChanges::NAMED`] paths.
    pub paths: Vec<RepoPath>,
}

impl KeptChanges {
    /// The maximum number of named paths; `stat` counts all.
    pub const NAMED: usize = 20;
}
