//! The changes of branches against base trees, read once and kept within a limit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::conflicts::footprint::Footprint;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::tree_diff::TreeChanges;
use crate::merge::change::Change;
use crate::merge::oid::Oid;

/// The most differences to read at once: branches that left the main line at different commits
/// differ much from each base.
pub(super) const READ_AT_ONCE: usize = 64;

/// The most changed paths to keep; differences beyond that are read again.
const MOST_KEPT: usize = 300_000;

/// The changes of one branch against one base tree.
#[derive(Debug, Default)]
pub(super) struct BranchChanges {
    /// Sorted by path.
    pub(super) changes: Vec<Change>,
    pub(super) footprint: Footprint,
}

/// A base tree and the tree of a branch.
pub(super) type TreePair = (Oid, Oid);

/// The number of pairs to judge at once while all changes are kept.
const PAIRS_AT_ONCE: usize = 4096;

/// Known changes by base tree and tree of the branch.
#[derive(Debug, Default)]
pub(super) struct ChangeCache {
    known: HashMap<TreePair, Arc<BranchChanges>>,
    /// `true` if changes were forgotten, so that loading them again takes time and memory.
    is_partial: bool,
}

impl ChangeCache {
    /// Reads the changes between these trees that are not known, all at once.
    pub(super) fn load(
        &mut self,
        engine: &MergeEngine,
        pairs: impl Iterator<Item = TreePair>,
    ) -> Result<(), MergeError> {
        let unknown = pairs.filter(|pair| !self.known.contains_key(pair));
        let unknown: BTreeSet<TreePair> = unknown.collect();
        let unknown: Vec<TreePair> = unknown.into_iter().collect();
        let found = engine.tree_changes(&unknown)?;
        for (pair, found) in unknown.into_iter().zip(found) {
            self.known.insert(pair, Arc::new(BranchChanges::new(found)));
        }
        Ok(())
    }

    /// Returns the changes between two trees if they are known.
    pub(super) fn get(&self, pair: TreePair) -> Option<&BranchChanges> {
        self.known.get(&pair).map(Arc::as_ref)
    }

    /// Reads the changes of several trees against one base tree.
    pub(super) fn of(
        &mut self,
        engine: &MergeEngine,
        base: Oid,
        trees: impl Iterator<Item = Oid> + Clone,
    ) -> Result<Vec<Arc<BranchChanges>>, MergeError> {
        let pairs = trees.map(|tree| (base, tree));
        self.load(engine, pairs.clone())?;
        let known = pairs.map(|pair| self.known.get(&pair).cloned().unwrap_or_default());
        Ok(known.collect())
    }

    /// Forgets everything if it is too much to keep.
    pub(super) fn trim(&mut self) {
        let changes = self.known.values().map(|known| known.changes.len());
        if changes.sum::<usize>() > MOST_KEPT {
            self.known.clear();
            self.is_partial = true;
        }
    }

    /// Returns the number of pairs to judge at once.
    pub(super) fn pairs_at_once(&self) -> usize {
        if self.is_partial {
            READ_AT_ONCE
        } else {
            PAIRS_AT_ONCE
        }
    }

    /// Forgets the changes of all trees but these.
    pub(super) fn retain(&mut self, trees: &[Oid]) {
        self.is_partial = false;
        let trees: HashSet<&Oid> = trees.iter().collect();
        self.known.retain(|(_, tree), _| trees.contains(tree));
    }
}

impl BranchChanges {
    fn new(found: TreeChanges) -> BranchChanges {
        let footprint = Footprint::new(&found.changes, found.removed_directories);
        BranchChanges {
            changes: found.changes,
            footprint,
        }
    }
}
