//! The status of a conflict between two tasks after an assembly.

use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// The status of a conflict between two candidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConflictStatus {
    /// At least one of the two is not merged.
    Open,
    /// Both are merged.
    Resolved,
    /// Branches below the two conflict in the same way; resolved with those.
    Inherited,
}

impl RunState {
    /// Returns the status of a conflict, for every board, report and subcommand.
    pub fn conflict_status(&self, conflict: &TaskConflict) -> ConflictStatus {
        let (a, b) = conflict.pair();
        if conflict.inherited {
            ConflictStatus::Inherited
        } else if self.placement(a).is_merged() && self.placement(b).is_merged() {
            ConflictStatus::Resolved
        } else {
            ConflictStatus::Open
        }
    }
}
