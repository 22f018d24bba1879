//! Branches merged one after the other, and the fewest of them that a further one conflicts with.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::conflicts::blob_merges::Contents;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::incremental_merge::MergedTree;
use crate::conflicts::prune::independent;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::change::{Change, RepoPath};
use crate::merge::oid::Oid;

/// How many merges making one set small may take.
pub(crate) const MERGES_PER_SET: usize = 500;

/// Up to so many related branches all pairs of them are tried when no pair came out otherwise.
const TRIED_IN_PAIRS: usize = 16;

/// Throwaway commits are younger than anything, so that git looks at them first when it searches
/// merge bases; with an old date it would walk all of history before.
const LATER_THAN_ALL: i64 = 4_000_000_000;

/// Branches that were merged in this order, each under a key that means something to the caller.
pub(crate) struct Sequence<'a> {
    store: &'a Store,
    engine: &'a MergeEngine,
    root: Oid,
    tree: MergedTree<'a>,
    /// The commit that was made last, and what was merged since.
    tip: Oid,
    pending: Vec<Oid>,
    members: Vec<(usize, Oid)>,
}

/// The branches that one more conflicts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Guilt {
    /// Their keys, in the order of merging.
    pub(crate) members: Vec<usize>,
    /// The commit that has them merged, where it is not that of the whole sequence.
    pub(crate) tip: Option<Oid>,
    /// Whether leaving out any one of them makes the conflict go away.
    pub(crate) is_smallest: bool,
}

impl<'a> Sequence<'a> {
    /// Nothing but the commit that is below all branches, and what is known of merging contents.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn new(
        store: &'a Store,
        engine: &'a MergeEngine,
        root: Oid,
        contents: Contents<'a>,
    ) -> Result<Sequence<'a>, StoreError> {
        Ok(Sequence {
            store,
            engine,
            root,
            tree: MergedTree::new(store, engine, root)?.knowing(contents),
            tip: root,
            pending: Vec::new(),
            members: Vec::new(),
        })
    }

    /// Merges one more; `false` if it does not merge, and then nothing has changed.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn add(&mut self, key: usize, commit: Oid) -> Result<bool, MergeError> {
        let (store, tip, pending) = (self.store, &mut self.tip, &mut self.pending);
        let tip = |tree| throwaway(store, tip, pending, tree);
        if !self.tree.merge_into(tip, commit)? {
            return Ok(false);
        }
        self.pending.push(commit);
        self.members.push((key, commit));
        Ok(true)
    }

    /// Says what will be added, as trees and what these change against the root: git is then asked in
    /// one go about what is needed for it.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn foretell(
        &mut self,
        branches: impl IntoIterator<Item = (Oid, Vec<Change>)>,
    ) -> Result<(), MergeError> {
        self.tree.foretell(branches)
    }

    /// A commit that has all of them.
    ///
    /// # Errors
    /// When it cannot be written, or git cannot be run.
    pub(crate) fn tip(&mut self) -> Result<Oid, MergeError> {
        let tree = self.tree.written()?;
        let tip = throwaway(self.store, &mut self.tip, &mut self.pending, tree)?;
        Ok(tip)
    }

    /// What it merges with, and where the objects are.
    pub(crate) fn merged_with(&self) -> (&'a MergeEngine, &'a Store) {
        (self.engine, self.store)
    }

    /// What is known of merging contents by now.
    pub(crate) fn into_contents(self) -> Contents<'a> {
        self.tree.into_contents()
    }

    /// How often commits were merged so far that need more than laying one over the other.
    pub(crate) fn merges_needed(&self) -> usize {
        self.tree.merges_run() + self.tree.contents_used()
    }

    /// How often git was asked so far, a process each.
    pub(crate) fn merges_run(&self) -> usize {
        self.tree.merges_run()
    }

    /// The fewest of these that `next`, which does not merge into all of them, does not merge into
    /// either. `paths` are where it does not; those that have to do with them are tried first.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn smallest(
        &self,
        next: Oid,
        paths: &[RepoPath],
        budget: usize,
    ) -> Result<Guilt, MergeError> {
        let mut search = Search {
            sequence: self,
            next,
            budget,
            members: self.members.clone(),
            tip: None,
        };
        let related = self.related(next, paths)?;
        if related.len() < self.members.len() {
            search.try_these(&related)?;
        }
        search.shrink()?;
        if search.members.len() > 2 && related.len() <= TRIED_IN_PAIRS {
            search.try_pairs(&related)?;
        }
        let Search {
            members,
            tip,
            budget,
            ..
        } = search;
        Ok(Guilt {
            members: members.iter().map(|(key, _)| *key).collect(),
            tip,
            is_smallest: budget > 0,
        })
    }

    /// Those that meet `next`, or that change something at or beside one of these paths.
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

/// Makes the commit in which everything is merged. One is enough for several branches: what git
/// finds out from history, the merge bases, does not depend on how many commits brought them in.
fn throwaway(
    store: &Store,
    tip: &mut Oid,
    pending: &mut Vec<Oid>,
    tree: Oid,
) -> Result<Oid, StoreError> {
    if !pending.is_empty() {
        let parents = [&[*tip], pending.as_slice()].concat();
        *tip = store.write_commit(&NewCommit {
            tree,
            parents: &parents,
            message: "throwaway\n",
            time: Timestamp::from_second(LATER_THAN_ALL).unwrap_or(Timestamp::MAX),
            by: By::Dispatch,
        })?;
        pending.clear();
    }
    Ok(*tip)
}

/// A set that `next` does not merge into, ever smaller.
struct Search<'a> {
    sequence: &'a Sequence<'a>,
    next: Oid,
    /// Merges that may still be asked for.
    budget: usize,
    members: Vec<(usize, Oid)>,
    tip: Option<Oid>,
}

impl Search<'_> {
    /// Takes branches out, halves first and then ever smaller parts, as long as the conflict stays.
    fn shrink(&mut self) -> Result<(), MergeError> {
        let mut part = self.members.len() / 2;
        while part > 0 {
            let mut from = 0;
            while from < self.members.len() && self.members.len() > 1 {
                let mut fewer = self.members.clone();
                fewer.drain(from..(from + part).min(fewer.len()));
                if !self.try_these(&fewer)? {
                    from += part;
                }
            }
            part /= 2;
        }
        Ok(())
    }

    /// Two that are enough, where taking out one after the other has left more.
    fn try_pairs(&mut self, among: &[(usize, Oid)]) -> Result<(), MergeError> {
        for (place, one) in among.iter().enumerate() {
            for other in &among[place + 1..] {
                if self.try_these(&[*one, *other])? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Keeps these if they merge and `next` does not merge into them.
    fn try_these(&mut self, these: &[(usize, Oid)]) -> Result<bool, MergeError> {
        let Sequence {
            store,
            engine,
            root,
            tree,
            ..
        } = self.sequence;
        let mut sequence = Sequence::new(store, engine, *root, tree.contents().fork())?;
        for (key, commit) in these {
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
        let shows = !sequence.add(usize::MAX, self.next)?;
        self.budget = self.budget.saturating_sub(sequence.merges_run());
        if shows {
            (self.members, self.tip) = (these.to_vec(), Some(tip));
        }
        Ok(shows)
    }
}
