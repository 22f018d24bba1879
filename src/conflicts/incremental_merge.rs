//! The tree that results from merging candidates one after the other.
//!
//! Most candidates of a run are independent of each other, and a process of git's merge engine for
//! each costs more than all the rest of assembling. So a candidate that provably merges as an overlay
//! ([`crate::conflicts::merged_footprint`]) is laid over in process, and git merges the others; where
//! they only edit the same files, the contents may have been merged already
//! ([`crate::conflicts::blob_merges`]). The rule needs a single merge base: the base of the run is one
//! exactly if the candidate stands on it and shares no commit above it with the merged ones.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::conflicts::blob_merges::BlobMerges;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merged_footprint::MergedFootprint;
use crate::conflicts::shared_edits::shared_edit;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::answer::MergeAnswer;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// The candidates merged so far onto the base of one run.
pub(crate) struct IncrementalMerge<'a> {
    store: &'a Store,
    engine: &'a MergeEngine,
    base: Oid,
    base_tree: Oid,
    /// The tree written last.
    tree: Oid,
    /// Entries laid over it since, which are in no tree yet.
    overlay: BTreeMap<RepoPath, Option<Entry>>,
    /// The merged commits above the base; `None` once a history could not be read.
    commits: Option<HashSet<Oid>>,
    footprint: MergedFootprint,
    /// `true` if the overlay rule applies at all.
    may_overlay: bool,
    blobs: BlobMerges<'a>,
    /// The changes of announced candidates, in order, and their indexes by tree.
    announced: Vec<Vec<Change>>,
    indexes: HashMap<Oid, usize>,
    merges_run: usize,
    content_merges: usize,
}

/// The changes of a candidate to which the overlay rule applies.
struct Overlay {
    /// The resulting entries, against the base.
    changes: Vec<Change>,
    footprint: Footprint,
}

impl<'a> IncrementalMerge<'a> {
    /// Starts at the base.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub(crate) fn new(
        store: &'a Store,
        engine: &'a MergeEngine,
        base: Oid,
    ) -> Result<IncrementalMerge<'a>, StoreError> {
        let base_tree = store.tree_of(base)?;
        Ok(IncrementalMerge {
            store,
            engine,
            base,
            base_tree,
            tree: base_tree,
            overlay: BTreeMap::new(),
            commits: Some(HashSet::new()),
            footprint: MergedFootprint::default(),
            may_overlay: !store.has_replacements()?,
            blobs: BlobMerges::new(engine),
            announced: Vec::new(),
            indexes: HashMap::new(),
            merges_run: 0,
            content_merges: 0,
        })
    }

    /// Adds known merges of contents.
    pub(super) fn with_blobs(self, blobs: BlobMerges<'a>) -> IncrementalMerge<'a> {
        IncrementalMerge { blobs, ..self }
    }

    /// Returns the known merges of contents.
    pub(super) fn blobs(&self) -> &BlobMerges<'a> {
        &self.blobs
    }

    /// Returns the known merges of contents for the next merge.
    pub(super) fn into_blobs(self) -> BlobMerges<'a> {
        self.blobs
    }

    /// Announces candidates, as trees and their changes against the base, so that git merges the
    /// needed contents in one batch.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn announce(
        &mut self,
        candidates: impl IntoIterator<Item = (Oid, Vec<Change>)>,
    ) -> Result<(), MergeError> {
        if !self.may_overlay {
            return Ok(());
        }
        let first = self.announced.len();
        for (tree, changes) in candidates {
            self.indexes.insert(tree, self.announced.len());
            self.announced.push(changes);
        }
        let changes = self.announced[first..].iter().flatten();
        let edits = self.blobs.predict(self.store, None, changes)?;
        self.blobs.merge_all(&edits)
    }

    /// Merges a candidate into `tip`, whose tree this is, and returns the new tree. On a conflict
    /// returns `None` and changes nothing.
    ///
    /// # Errors
    /// When the store cannot be used or git cannot be run.
    pub(crate) fn merge(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, MergeError> {
        match self.merge_into(|_| Ok(tip), candidate)? {
            true => Ok(Some(self.written()?)),
            false => Ok(None),
        }
    }

    /// Merges a candidate into a tip that is only written, with the given tree, if git has to merge.
    /// On a conflict returns `false` and changes nothing.
    ///
    /// # Errors
    /// As [`IncrementalMerge::merge`].
    pub(super) fn merge_into(
        &mut self,
        tip: impl FnOnce(Oid) -> Result<Oid, StoreError>,
        candidate: Oid,
    ) -> Result<bool, MergeError> {
        let above = self.store.commits_above(candidate, Some(self.base)).ok();
        let above = above.filter(|commits| {
            candidate == self.base || commits.iter().any(|(_, p)| p.contains(&self.base))
        });
        let above: Option<Vec<Oid>> =
            above.map(|commits| commits.into_iter().map(|(commit, _)| commit).collect());
        let overlay = match self.has_single_base(above.as_deref()) {
            true => self.overlay_of(candidate)?,
            false => None,
        };
        let is_laid = overlay.is_some_and(|overlay| self.lay(overlay).is_some());
        if !is_laid {
            let tip = tip(self.written()?)?;
            match self.merge_by_git(tip, candidate)? {
                Some(tree) => self.tree = tree,
                None => return Ok(false),
            }
        }
        self.add_commits(above);
        Ok(true)
    }

    /// Writes the tree with everything merged.
    ///
    /// # Errors
    /// When it cannot be written, or git cannot be run.
    pub(super) fn written(&mut self) -> Result<Oid, MergeError> {
        if !self.overlay.is_empty() {
            for entry in self.overlay.values().flatten() {
                self.blobs.ensure_written(self.store, entry.oid)?;
            }
            let entries: Vec<_> = self.overlay.iter().map(|(p, e)| (p.clone(), *e)).collect();
            self.tree = self.store.tree_overlaid(self.tree, &entries)?;
            self.overlay.clear();
        }
        Ok(self.tree)
    }

    /// Adds a candidate whose conflicts were resolved; `tree` is the result.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn add_resolved(&mut self, candidate: Oid, tree: Oid) -> Result<(), StoreError> {
        self.read_footprint(tree)?;
        self.overlay.clear();
        self.tree = tree;
        let above = self.store.commits_above(candidate, Some(self.base)).ok();
        self.add_commits(above.map(|above| above.into_iter().map(|(commit, _)| commit).collect()));
        Ok(())
    }

    /// Counts git's merges of commits.
    pub(super) fn merges_run(&self) -> usize {
        self.merges_run
    }

    /// Counts the candidates that were merged by contents.
    pub(super) fn content_merges(&self) -> usize {
        self.content_merges
    }

    fn add_commits(&mut self, above: Option<Vec<Oid>>) {
        self.commits = match (self.commits.take(), above) {
            (Some(mut commits), Some(above)) => {
                commits.extend(above);
                Some(commits)
            }
            _ => None,
        };
    }

    /// Returns `true` if the base is the single merge base with a candidate of these commits.
    fn has_single_base(&self, above: Option<&[Oid]>) -> bool {
        match (&self.commits, above) {
            (Some(merged), Some(above)) => {
                self.may_overlay && !above.iter().any(|commit| merged.contains(commit))
            }
            _ => false,
        }
    }

    /// Reads a candidate; `None` if git has to merge it.
    fn overlay_of(&mut self, candidate: Oid) -> Result<Option<Overlay>, MergeError> {
        let tree = self.store.tree_of(candidate)?;
        let index = self.indexes.get(&tree).copied();
        let mut changes = match index {
            Some(index) => self.announced[index].clone(),
            None => self.store.changes(self.base_tree, tree)?,
        };
        let removed = self.store.removed_directories(tree, &changes)?;
        let footprint = Footprint::new(&changes, removed);
        if !self.footprint.is_apart_from(&footprint) {
            return Ok(None);
        }
        for change in &mut changes {
            match self.entry_after(change, index)? {
                Some(entry) => change.new = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(Overlay { changes, footprint }))
    }

    /// Returns the entry at the path of a change after merging it, `Some(None)` for no entry, or
    /// `None` if git has to decide. `index` is that of the announced candidate.
    fn entry_after(
        &mut self,
        change: &Change,
        index: Option<usize>,
    ) -> Result<Option<Option<Entry>>, MergeError> {
        if !self.footprint.has(&change.path) {
            return Ok(Some(change.new));
        }
        let there = match self.overlay.get(&change.path) {
            Some(laid) => *laid,
            None => self.store.entry_at(self.tree, &change.path)?,
        };
        let Some(there) = there else {
            return Ok(None);
        };
        let Some(edit) = shared_edit(&change.path, change, there) else {
            return Ok(None);
        };
        if Some(there) == change.new {
            return Ok(Some(change.new));
        }
        if self.blobs.is_open(&edit) {
            // The prediction was wrong, and so are those for later candidates at this path.
            let rest = index.map_or(&[][..], |index| &self.announced[index..]);
            let changes = rest.iter().flatten().filter(|c| c.path == change.path);
            let there = Some((&change.path, there));
            let edits = self.blobs.predict(self.store, there, changes)?;
            self.blobs.merge_all(&edits)?;
        }
        Ok(self.blobs.merged(&edit).map(Some))
    }

    /// Lays changes over the tree. `None` if libgit2 cannot do that, as for a file that becomes a
    /// directory. The tree is only written if something is removed, because only then that can
    /// happen, or a directory can become empty.
    fn lay(&mut self, overlay: Overlay) -> Option<()> {
        let is_shared = |path: &RepoPath| self.footprint.has(path);
        let is_content_merge = overlay.footprint.touched.iter().any(is_shared);
        if overlay.changes.iter().any(|change| change.new.is_none()) {
            let below = self.written().ok()?;
            let entries = overlay.changes.iter().map(|c| (c.path.clone(), c.new));
            let entries: Vec<_> = entries.collect();
            let tree = self.store.tree_overlaid(below, &entries).ok()?;
            let removed = self.store.removed_directories(tree, &overlay.changes);
            self.footprint.add_removed(removed.ok()?);
            self.tree = tree;
        } else {
            let changes = overlay.changes.into_iter();
            self.overlay
                .extend(changes.map(|change| (change.path, change.new)));
        }
        self.content_merges += usize::from(is_content_merge);
        self.footprint.add(&overlay.footprint);
        Some(())
    }

    fn merge_by_git(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, MergeError> {
        self.merges_run += 1;
        let tree = match self.engine.merge(tip, candidate)? {
            MergeAnswer::Done(result) if result.is_sound() => result.tree,
            _ => return Ok(None),
        };
        self.read_footprint(tree)?;
        Ok(Some(tree))
    }

    /// Reads the footprint of a merged tree.
    fn read_footprint(&mut self, tree: Oid) -> Result<(), StoreError> {
        let changes = self.store.changes(self.base_tree, tree)?;
        let removed = self.store.removed_directories(tree, &changes)?;
        self.footprint = MergedFootprint::default();
        self.footprint.add(&Footprint::new(&changes, removed));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
