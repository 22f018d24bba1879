//! The tree that results from merging candidates one after the other.
//!
//! Most candidates of a run are independent of each other, and a process of git's merge engine for
//! each costs more than all the rest of assembling. So a candidate that provably merges as an overlay
//! ([`crate::conflicts::merged_footprint`]) is laid over in process, and git merges the others; where
//! they only edit the same files, the contents may have been merged already
//! ([`crate::conflicts::blob_merges`]).
//!
//! The rule needs a single merge base. A candidate's own commits are those that no merged candidate
//! has. If all parents of its own commits, other own commits aside, are one and the same commit, and
//! that is the base of the run or a merged commit, then it is the only best common ancestor: every
//! way from the candidate to a merged commit leads through it.
//!
//! Over a merged commit, as for a task that depends on another, only edits are laid over. A path
//! that both the merged tree and the candidate have is neither the source nor the target of a rename,
//! so git takes it from the side that changed it, and merges contents if both did.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::conflicts::blob_merges::BlobMerges;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merged_footprint::MergedFootprint;
use crate::conflicts::shared_edits::shared_edit;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::answer::{Lineage, MergeAnswer};
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
    /// The announced candidates in order, and their indexes by commit.
    announced: Vec<Announced>,
    indexes: HashMap<Oid, usize>,
    merges_run: usize,
    content_merges: usize,
}

/// A candidate to come.
struct Announced {
    /// Its commits above the base of the run.
    history: Vec<Lineage>,
    /// Its single merge base with the candidates before it, if all of those merge.
    base: Oid,
    /// Its changes against that base.
    changes: Vec<Change>,
}

/// The changes of a candidate to which the overlay rule applies.
struct Overlay {
    /// The resulting entries, against the merge base.
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
            may_overlay: !store.has_grafts(),
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

    /// Announces candidates, with their changes against the base if these are known, so that git
    /// merges the needed contents in one batch.
    ///
    /// # Errors
    /// When git cannot be run, or a candidate cannot be read.
    pub(crate) fn announce(
        &mut self,
        candidates: impl IntoIterator<Item = (Oid, Option<Vec<Change>>)>,
    ) -> Result<(), MergeError> {
        if !self.may_overlay {
            return Ok(());
        }
        let first = self.announced.len();
        let mut merged = self.commits.clone().unwrap_or_default();
        for (candidate, known) in candidates {
            let Some(history) = self.history(candidate) else {
                continue;
            };
            let base = self.single_base(candidate, &history, &merged);
            merged.extend(history.iter().map(|(commit, _)| *commit));
            let Some(base) = base else { continue };
            let changes = match known.filter(|_| base == self.base) {
                Some(changes) => changes,
                None => self.changes(base, candidate)?,
            };
            self.indexes.insert(candidate, self.announced.len());
            self.announced.push(Announced {
                history,
                base,
                changes,
            });
        }
        let coming = self.announced[first..].iter();
        let changes = coming.flat_map(|announced| &announced.changes);
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
        let history = self.history(candidate);
        let merged = self.commits.as_ref().filter(|_| self.may_overlay);
        let base = match (&history, merged) {
            (Some(history), Some(merged)) => self.single_base(candidate, history, merged),
            _ => None,
        };
        let overlay = match base {
            Some(base) => self.overlay_of(candidate, base)?,
            None => None,
        };
        let is_laid = overlay.is_some_and(|overlay| self.lay(overlay).is_some());
        if !is_laid {
            let tip = tip(self.written()?)?;
            match self.merge_by_git(tip, candidate)? {
                Some(tree) => self.tree = tree,
                None => return Ok(false),
            }
        }
        self.add_commits(history);
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
        let history = self.store.commits_above(candidate, Some(self.base)).ok();
        self.add_commits(history);
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

    fn add_commits(&mut self, history: Option<Vec<Lineage>>) {
        self.commits = match (self.commits.take(), history) {
            (Some(mut commits), Some(history)) => {
                commits.extend(history.into_iter().map(|(commit, _)| commit));
                Some(commits)
            }
            _ => None,
        };
    }

    /// Lists the commits of a candidate above the base, with their parents. `None` if it does not
    /// stand on the base, or its history cannot be read.
    fn history(&self, candidate: Oid) -> Option<Vec<Lineage>> {
        if let Some(index) = self.indexes.get(&candidate) {
            return Some(self.announced[*index].history.clone());
        }
        let history = self.store.commits_above(candidate, Some(self.base)).ok()?;
        let mut parents = history.iter().flat_map(|(_, parents)| parents);
        let stands_on_base = candidate == self.base || parents.any(|parent| *parent == self.base);
        stands_on_base.then_some(history)
    }

    /// Returns the single merge base of a candidate of this history and a tip that has these merged
    /// commits. `None` if there may be several.
    fn single_base(
        &self,
        candidate: Oid,
        history: &[Lineage],
        merged: &HashSet<Oid>,
    ) -> Option<Oid> {
        if candidate == self.base {
            return Some(candidate);
        }
        let own = history
            .iter()
            .filter(|(commit, _)| !merged.contains(commit));
        let commits: HashSet<Oid> = own.clone().map(|(commit, _)| *commit).collect();
        let parents = own.flat_map(|(_, parents)| parents);
        let mut bases = parents.filter(|parent| !commits.contains(parent));
        let base = *bases.next()?;
        let is_merged = base == self.base || merged.contains(&base);
        (is_merged && bases.all(|other| *other == base)).then_some(base)
    }

    /// Reads the changes of a candidate against a commit.
    fn changes(&self, base: Oid, candidate: Oid) -> Result<Vec<Change>, StoreError> {
        let base = match base == self.base {
            true => self.base_tree,
            false => self.store.tree_of(base)?,
        };
        self.store.changes(base, self.store.tree_of(candidate)?)
    }

    /// Reads a candidate with this merge base; `None` if git has to merge it.
    fn overlay_of(&mut self, candidate: Oid, base: Oid) -> Result<Option<Overlay>, MergeError> {
        let index = self.indexes.get(&candidate).copied();
        let index = index.filter(|index| self.announced[*index].base == base);
        let mut changes = match index {
            Some(index) => self.announced[index].changes.clone(),
            None => self.changes(base, candidate)?,
        };
        let is_edit = |change: &Change| change.old.is_some() && change.new.is_some();
        let on_merged = base != self.base;
        if on_merged && !changes.iter().all(is_edit) {
            return Ok(None);
        }
        let tree = self.store.tree_of(candidate)?;
        let removed = self.store.removed_directories(tree, &changes)?;
        let footprint = Footprint::new(&changes, removed);
        if !self.footprint.is_apart_from(&footprint) {
            return Ok(None);
        }
        for change in &mut changes {
            let is_shared = on_merged || self.footprint.has(&change.path);
            if is_shared {
                match self.entry_after(change, on_merged, index)? {
                    Some(entry) => change.new = Some(entry),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(Overlay { changes, footprint }))
    }

    /// Returns the entry at the path of a change after merging it; `None` if git has to decide.
    /// `index` is that of the announced candidate.
    fn entry_after(
        &mut self,
        change: &Change,
        on_merged: bool,
        index: Option<usize>,
    ) -> Result<Option<Entry>, MergeError> {
        let there = match self.overlay.get(&change.path) {
            Some(laid) => *laid,
            None => self.store.entry_at(self.tree, &change.path)?,
        };
        let Some(there) = there else {
            return Ok(None);
        };
        if on_merged && Some(there) == change.old {
            return Ok(change.new);
        }
        let Some(edit) = shared_edit(&change.path, change, there) else {
            return Ok(None);
        };
        if Some(there) == change.new {
            return Ok(change.new);
        }
        if self.blobs.is_open(&edit) {
            // The prediction was wrong, and so are those for later candidates at this path.
            let rest = index.map_or(&[][..], |index| &self.announced[index..]);
            let changes = rest.iter().flat_map(|announced| &announced.changes);
            let changes = changes.filter(|c| c.path == change.path);
            let there = Some((&change.path, there));
            let edits = self.blobs.predict(self.store, there, changes)?;
            self.blobs.merge_all(&edits)?;
        }
        Ok(self.blobs.merged(&edit))
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
