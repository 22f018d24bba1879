//! Commits that the user made on the branch of a passed task, with the result that they are to replace.

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{AssemblyConflict, ManualResolution};
use crate::model::ids::AttemptNumber;

/// Commits that the user wants to be a task's result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HandTake {
    /// The last of them.
    pub commit: Oid,
    /// The place of the attempt with the result until now.
    pub result: usize,
    /// The user's resolution, if that is the result.
    pub resolution: Option<ManualResolution>,
    /// The conflict that the result resolves.
    pub conflict: Option<AssemblyConflict>,
    /// The attempt that judged them, if it failed.
    pub failed: Option<AttemptNumber>,
}
