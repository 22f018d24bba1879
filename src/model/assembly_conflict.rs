//! A candidate's conflict with the candidates that were assembled before it.

use serde::{Deserialize, Serialize};

use crate::merge::change::ChangeStat;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;

/// What a task is done on top of, since its result met those of others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AssemblyConflict {
    /// The commit it starts from: everything that was in when it was left out.
    pub chain_tip: Oid,
    /// What is in that commit.
    pub merged: Vec<(TaskNumber, Oid)>,
    /// What it met, as far as pairs show it.
    pub with: Vec<TaskNumber>,
    /// Its own result, which did not go in.
    pub candidate: Oid,
}

/// A conflict that a person has open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenResolution {
    /// What the task met, and its own result.
    pub conflict: AssemblyConflict,
    /// The worktree with the conflict in it, from the top of the main checkout.
    pub worktree: String,
}

/// What a person made of a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManualResolution {
    /// The merge of the task's own result with what it met.
    pub candidate: Oid,
    /// What it met, and its own result.
    pub conflict: AssemblyConflict,
    /// The counts of what it adds to the others; a journal of an earlier version has none.
    pub stat: Option<ChangeStat>,
}
