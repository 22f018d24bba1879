//! One merged candidate of a chain.

use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::resolution::Resolution;

/// A candidate that merged.
pub(crate) struct Step {
    pub(crate) task: TaskNumber,
    pub(crate) candidate: Oid,
    /// The merged tree, with the base's board file.
    pub(crate) tree: Oid,
    /// The commit of the chain.
    pub(crate) commit: Oid,
    /// Its conflicts with the steps before it, and their resolutions.
    pub(crate) resolved: Vec<Resolution>,
}
