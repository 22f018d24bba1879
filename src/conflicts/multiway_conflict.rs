//! Conflicts of more than two branches, as values.

use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;

/// A conflict of more than two branches that merge pair by pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MultiwayConflict {
    /// The smallest set found that shows it, as indexes of branches in the order of merging; the
    /// last one conflicts with the others.
    pub branches: Vec<usize>,
    /// `true` if none of them can be left out; otherwise the search for that was cut short.
    pub is_smallest: bool,
    /// The class of the worst unit.
    pub class: Class,
    /// The paths of all units.
    pub paths: Vec<RepoPath>,
}

/// The result of merging branches in order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MultiwayReport {
    /// The conflicts found.
    pub conflicts: Vec<MultiwayConflict>,
    /// The number of branches to merge: those that conflict with none before them in pairs.
    pub wanted: usize,
    /// The number of branches that were merged; fewer if the budget ran out.
    pub searched: usize,
    /// The number of merges that this took, now or when the result was kept.
    pub merges: usize,
}

impl MultiwayReport {
    /// Creates the report of a complete search without conflicts.
    pub(super) fn complete(branches: usize) -> MultiwayReport {
        MultiwayReport {
            wanted: branches,
            searched: branches,
            ..MultiwayReport::default()
        }
    }

    /// Returns `true` if the search was cut short.
    pub fn is_cut_short(&self) -> bool {
        self.searched < self.wanted
    }

    /// Adds the report on a group of the branches.
    pub(super) fn add(&mut self, group: MultiwayReport) {
        self.conflicts.extend(group.conflicts);
        self.searched -= group.wanted - group.searched;
        self.merges += group.merges;
    }

    /// Renumbers the branches for another list. Conflicts of branches that are not in it are
    /// removed.
    pub(super) fn renumbered(mut self, index: impl Fn(usize) -> Option<usize>) -> MultiwayReport {
        let renumbered = |conflict: MultiwayConflict| {
            let branches = conflict.branches.into_iter().map(&index);
            let branches = branches.collect::<Option<Vec<usize>>>()?;
            Some(MultiwayConflict {
                branches,
                ..conflict
            })
        };
        self.conflicts = self.conflicts.into_iter().filter_map(renumbered).collect();
        self.sort();
        self
    }

    pub(super) fn sort(&mut self) {
        self.conflicts.sort_by(|a, b| a.branches.cmp(&b.branches));
    }
}

/// Everything that the result of merging commits in order depends on.
#[derive(Debug)]
pub(super) struct SequenceKey {
    /// The commit whose attributes apply.
    pub(super) attributes: Oid,
    /// The commit below all of them, the commits in order, and the budget if that ran out.
    pub(super) commits: String,
    /// `true` if a commit may have changed a submodule: git then reads its fetched commits.
    pub(super) submodules: bool,
}
