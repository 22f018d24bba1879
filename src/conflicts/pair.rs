//! A pair of branches to judge, and its outcome.

use crate::conflicts::branch_changes::{BranchChanges, ChangeCache, TreePair};
use crate::conflicts::classify::Classified;
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;

/// A pair to judge; `a` and `b` are indexes of branches, `a` first.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) key: PairKey,
    pub(super) bases: Vec<Oid>,
    pub(super) base_tree: Option<Oid>,
    /// The trees of both branches.
    pub(super) trees: [Oid; 2],
}

/// Everything a verdict depends on.
///
/// The commits belong to it because their names stand in the merged tree of a conflict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct PairKey {
    /// The tree of the single merge base; `None` if history decides.
    pub(super) base: Option<Oid>,
    pub(super) attributes: Oid,
    pub(super) a: Oid,
    pub(super) b: Oid,
}

/// The outcome of merging a pair.
#[derive(Clone, Debug)]
pub(super) struct PairOutcome {
    pub(super) classified: Classified,
    pub(super) tree: Option<Oid>,
    /// The error message if git failed.
    pub(super) failure: Option<String>,
}

impl Pair {
    /// Yields the base tree with the tree of each branch, if there is a base.
    pub(super) fn tree_pairs(&self) -> impl Iterator<Item = TreePair> + use<> {
        let trees = self.trees;
        let base = self.base_tree.into_iter();
        base.flat_map(move |base| trees.map(|tree| (base, tree)))
    }

    /// Returns the changes of both branches against a single merge base, if they are loaded.
    pub(super) fn changes<'c>(&self, changes: &'c ChangeCache) -> Option<[&'c BranchChanges; 2]> {
        let base = self.key.base?;
        let [a, b] = self.trees.map(|tree| changes.get((base, tree)));
        Some([a?, b?])
    }

    /// Builds the verdict with this outcome.
    pub(super) fn verdict(&self, outcome: &PairOutcome) -> PairVerdict {
        PairVerdict {
            a: self.a,
            b: self.b,
            bases: self.bases.clone(),
            attributes: Some(self.key.attributes),
            verdict: outcome.classified.verdict,
            class: outcome.classified.class,
            severity: outcome.classified.severity,
            tree: outcome.tree,
            units: outcome.classified.units.clone(),
            failure: outcome.failure.clone(),
        }
    }
}

impl PairOutcome {
    /// The outcome of a pair on which git failed with this message.
    pub(super) fn failed(message: String) -> PairOutcome {
        PairOutcome {
            classified: Classified::engine_failure(),
            tree: None,
            failure: Some(message),
        }
    }
}
