//! Finds the smallest set of merged branches that a further branch conflicts with.

use std::collections::HashSet;

use crate::conflicts::footprint::Footprint;
use crate::conflicts::merge_sequence::MergeSequence;
use crate::conflicts::prune::independent;
use crate::git::StoreError;
use crate::git::merge_error::MergeError;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The most merges for minimizing one set.
pub(crate) const MERGES_PER_SET: usize = 500;

/// The most related branches of which all pairs are tried.
const TRIED_IN_PAIRS: usize = 16;

/// The branches that a further one conflicts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SmallestSet {
    /// Their keys, in the order of merging.
    pub(crate) members: Vec<usize>,
    /// The commit that has them merged, unless it is that of the whole sequence.
    pub(crate) tip: Option<Oid>,
    /// `true` if the conflict disappears without any one of them.
    pub(crate) is_smallest: bool,
}

impl MergeSequence<'_> {
    /// Finds the smallest set of members that `next`, which conflicts with all of them together,
    /// conflicts with. Members related to the paths in conflict are tried first.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn smallest_set(
        &self,
        next: Oid,
        paths: &[RepoPath],
        budget: usize,
    ) -> Result<SmallestSet, MergeError> {
        let mut search = Search {
            sequence: self,
            next,
            budget,
            members: self.members.clone(),
            tip: None,
        };
        let related = self.related(next, paths)?;
        if related.len() < self.members.len() {
            search.try_set(&related)?;
        }
        search.shrink()?;
        if search.members.len() > 2 && related.len() <= TRIED_IN_PAIRS {
            search.try_pairs(&related)?;
        }
        Ok(SmallestSet {
            members: search.members.iter().map(|(key, _)| *key).collect(),
            tip: search.tip,
            is_smallest: search.budget > 0,
        })
    }

    /// Lists the members that are not independent of `next`, or that change something at or beside
    /// one of these paths.
    fn related(&self, next: Oid, paths: &[RepoPath]) -> Result<Vec<(usize, Oid)>, StoreError> {
        let root = self.store.tree_of(self.root)?;
        let footprint = |commit: Oid| {
            let tree = self.store.tree_of(commit)?;
            let changes = self.store.changes(root, tree)?;
            let removed = self.store.removed_directories(tree, &changes)?;
            Ok::<_, StoreError>(Footprint::new(&changes, removed))
        };
        let next = footprint(next)?;
        let folders: HashSet<&[u8]> = paths.iter().filter_map(|p| p.ancestors().next()).collect();
        let paths: HashSet<&RepoPath> = paths.iter().collect();
        let is_beside = |touched: &RepoPath| {
            paths.contains(touched) || touched.ancestors().any(|above| folders.contains(above))
        };
        let mut related = Vec::new();
        for (key, commit) in &self.members {
            let member = footprint(*commit)?;
            if !independent(&member, &next) || member.touched.iter().any(is_beside) {
                related.push((*key, *commit));
            }
        }
        Ok(related)
    }
}

/// A shrinking set that `next` conflicts with.
struct Search<'a> {
    sequence: &'a MergeSequence<'a>,
    next: Oid,
    /// The merges left.
    budget: usize,
    members: Vec<(usize, Oid)>,
    tip: Option<Oid>,
}

impl Search<'_> {
    /// Removes members while the conflict stays, halves first and then smaller parts.
    fn shrink(&mut self) -> Result<(), MergeError> {
        let mut part = self.members.len() / 2;
        while part > 0 {
            let mut from = 0;
            while from < self.members.len() && self.members.len() > 1 {
                let mut fewer = self.members.clone();
                fewer.drain(from..(from + part).min(fewer.len()));
                if !self.try_set(&fewer)? {
                    from += part;
                }
            }
            part /= 2;
        }
        Ok(())
    }

    /// Tries all pairs, where removing one after the other has left more.
    fn try_pairs(&mut self, among: &[(usize, Oid)]) -> Result<(), MergeError> {
        for (place, one) in among.iter().enumerate() {
            for other in &among[place + 1..] {
                if self.try_set(&[*one, *other])? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Keeps this set if its members merge and `next` conflicts with them.
    fn try_set(&mut self, set: &[(usize, Oid)]) -> Result<bool, MergeError> {
        let MergeSequence {
            store,
            engine,
            root,
            tree,
            ..
        } = self.sequence;
        let mut sequence = MergeSequence::new(store, engine, *root, tree.blobs().fork())?;
        for (key, commit) in set {
            if sequence.merges_run() >= self.budget {
                self.budget = 0;
                return Ok(false);
            }
            if !sequence.add(*key, *commit)? {
                self.budget -= sequence.merges_run();
                return Ok(false);
            }
        }
        let tip = sequence.tip()?;
        let conflicts = !sequence.add(usize::MAX, self.next)?;
        self.budget = self.budget.saturating_sub(sequence.merges_run());
        if conflicts {
            (self.members, self.tip) = (set.to_vec(), Some(tip));
        }
        Ok(conflicts)
    }
}
