//! Describes a candidate that conflicts with merged commits, and the outcome of resolving that.

use crate::merge::change::{Entry, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::resolution::{FailedStrategy, Resolution};

/// A candidate that does not merge with the commits merged before it.
pub(crate) struct MergeConflict {
    /// The last commit merged before it.
    pub(crate) tip: Oid,
    /// The candidate.
    pub(crate) candidate: Oid,
    /// The commit it was built on, if that is not the base of the run.
    pub(crate) own_base: Option<Oid>,
}

/// The outcome of resolving a conflict automatically.
#[derive(Clone, Debug)]
pub(crate) enum AutoResolution {
    /// Every unit is resolved.
    Resolved {
        /// The merged tree.
        tree: Oid,
        /// One resolution per unit.
        resolutions: Vec<Resolution>,
    },
    /// At least one unit is not.
    Unresolved {
        /// The class of the worst unit.
        class: Class,
        /// The paths in conflict.
        paths: Vec<RepoPath>,
        /// The strategies that failed.
        tried: Vec<FailedStrategy>,
    },
}

/// Paths with the entry that each gets in the merged tree; `None` for a removed path.
pub(super) type TreeEdits = Vec<(RepoPath, Option<Entry>)>;

/// A unit of a conflict that is resolved.
pub(super) struct ResolvedUnit {
    pub(super) edits: TreeEdits,
    pub(super) resolution: Resolution,
}
