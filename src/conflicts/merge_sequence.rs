//! Branches merged one after the other.

use jiff::Timestamp;

use crate::conflicts::blob_merges::BlobMerges;
use crate::conflicts::incremental_merge::IncrementalMerge;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::change::Change;
use crate::merge::oid::Oid;

/// The time of throwaway commits. They are younger than all others, so that git visits them first
/// when it searches merge bases; with an old date it would walk all of history before.
const AFTER_ALL_COMMITS: i64 = 4_000_000_000;

/// Branches merged in order, each under a key of the caller.
pub(crate) struct MergeSequence<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a MergeEngine,
    pub(super) root: Oid,
    pub(super) tree: IncrementalMerge<'a>,
    /// The commit written last, and the branches merged since.
    tip: Oid,
    pending: Vec<Oid>,
    pub(super) members: Vec<(usize, Oid)>,
}

impl<'a> MergeSequence<'a> {
    /// Starts at the commit below all branches, with known merges of contents.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub(crate) fn new(
        store: &'a Store,
        engine: &'a MergeEngine,
        root: Oid,
        blobs: BlobMerges<'a>,
    ) -> Result<MergeSequence<'a>, StoreError> {
        Ok(MergeSequence {
            store,
            engine,
            root,
            tree: IncrementalMerge::new(store, engine, root)?.with_blobs(blobs),
            tip: root,
            pending: Vec::new(),
            members: Vec::new(),
        })
    }

    /// Merges one more branch. On a conflict returns `false` and changes nothing.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn add(&mut self, key: usize, commit: Oid) -> Result<bool, MergeError> {
        let (store, tip, pending) = (self.store, &mut self.tip, &mut self.pending);
        let tip = |tree| write_tip(store, tip, pending, tree);
        if !self.tree.merge_into(tip, commit)? {
            return Ok(false);
        }
        self.pending.push(commit);
        self.members.push((key, commit));
        Ok(true)
    }

    /// Announces the branches to come, with their changes against the root if these are known, so
    /// that git merges the needed contents in one batch.
    ///
    /// # Errors
    /// When git cannot be run, or a branch cannot be read.
    pub(super) fn announce(
        &mut self,
        branches: impl IntoIterator<Item = (Oid, Option<Vec<Change>>)>,
    ) -> Result<(), MergeError> {
        self.tree.announce(branches)
    }

    /// Returns a commit with all branches merged.
    ///
    /// # Errors
    /// When it cannot be written, or git cannot be run.
    pub(crate) fn tip(&mut self) -> Result<Oid, MergeError> {
        let tree = self.tree.written()?;
        let tip = write_tip(self.store, &mut self.tip, &mut self.pending, tree)?;
        Ok(tip)
    }

    /// Returns the engine and the store of the sequence.
    pub(super) fn engine_and_store(&self) -> (&'a MergeEngine, &'a Store) {
        (self.engine, self.store)
    }

    /// Returns the known merges of contents.
    pub(super) fn into_blobs(self) -> BlobMerges<'a> {
        self.tree.into_blobs()
    }

    /// Counts the merges that were more than laying one change over another.
    pub(super) fn merges_needed(&self) -> usize {
        self.tree.merges_run() + self.tree.content_merges()
    }

    /// Counts git's merges of commits, one process each.
    pub(super) fn merges_run(&self) -> usize {
        self.tree.merges_run()
    }
}

/// Writes the commit in which everything is merged. One commit serves for several branches, because
/// merge bases do not depend on the number of commits that brought the branches in.
fn write_tip(
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
            time: Timestamp::from_second(AFTER_ALL_COMMITS).unwrap_or(Timestamp::MAX),
            by: By::Dispatch,
        })?;
        pending.clear();
    }
    Ok(*tip)
}
