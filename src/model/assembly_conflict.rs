//! A candidate's conflict with the candidates assembled before it.

use serde::{Deserialize, Serialize};

use crate::merge::change::ChangeStat;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;

/// The conflict of a candidate that assembly left out, and the new base for its task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AssemblyConflict {
    /// The new base: the chain of merges at the time the candidate was left out.
    pub chain_tip: Oid,
    /// The candidates that commit contains.
    pub merged: Vec<(TaskNumber, Oid)>,
    /// The tasks it conflicts with, as far as pairwise checks show.
    pub with: Vec<TaskNumber>,
    /// The candidate that was left out.
    pub candidate: Oid,
}

/// A conflict that the user has opened for manual resolution.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenResolution {
    /// The conflict.
    pub conflict: AssemblyConflict,
    /// The worktree with the conflict, relative to the main checkout.
    pub worktree: String,
}

/// The user's resolution of a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManualResolution {
    /// The resolved merge commit.
    pub candidate: Oid,
    /// The resolved conflict.
    pub conflict: AssemblyConflict,
    /// The counts of what it adds to the others; a journal of an earlier version has none.
    pub stat: Option<ChangeStat>,
}
