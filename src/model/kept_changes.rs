//! The changes that a failed attempt left behind.

use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};

/// What a failed attempt changed against the commit it started from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptChanges {
    /// How much.
    pub stat: ChangeStat,
    /// The first [`Remains::NAMED`] paths.
    pub paths: Vec<RepoPath>,
}

impl KeptChanges {
    /// How many paths are named; `stat` counts all.
    pub const NAMED: usize = 20;
}
