//! Merges the contents of files that several branches edit, without the trees around them.
//!
//! If branches only touch files in common that both edit ([`crate::conflicts::shared_edits`]), the
//! contents decide. Many branches share few files, so each merge of contents is done once. Most are
//! certain without git ([`crate::conflicts::disjoint_edits`]); git merges the others in one batch
//! ([`MergeEngine::merge_blobs`]). All this holds only where git itself merges every file: neither a
//! program nor an attribute takes part.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::base::parallel::in_batches;
use crate::conflicts::disjoint_edits::{BaseText, Edit};
use crate::conflicts::shared_edits::{SharedEdit, shared_edit};
use crate::git::Store;
use crate::git::blob_merge::MergePredictor;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::object_hash::hash_blob;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// The attribute that changes how git merges content (`ll_merge` of git's `merge-ll.c`). The other
/// one that it reads, `conflict-marker-size`, only shows in conflicts, and those are not kept here.
const MERGE_ATTRIBUTE: &str = "merge";

/// The fewest base contents that pay for another thread.
const FEWEST_BASES: usize = 32;

/// The most merged contents that a detector keeps.
const MOST_KEPT: usize = 100_000;

/// The contents of a merge: base, ours, theirs.
pub(crate) type Blobs = [Oid; 3];

/// Looks up the merged blob of an earlier comparison. The blob itself need not be in any store.
pub(crate) type Recall<'a> = &'a dyn Fn(Blobs) -> Option<Oid>;

/// Merged contents, as far as they were asked for.
pub(crate) struct BlobMerges<'a> {
    /// The engine of the branches, with their attributes.
    engine: &'a MergeEngine,
    recall: Option<Recall<'a>>,
    /// An engine without attributes, created when needed.
    plain_engine: Option<MergeEngine>,
    /// `true` if git itself merges files without attributes, once that is known.
    is_native: Option<bool>,
    /// `true` for paths without the merge attribute.
    is_plain: HashMap<RepoPath, bool>,
    /// The merged blob; `None` for a conflict.
    merged: HashMap<Blobs, Option<Oid>>,
    /// The merge that a blob results from, if the blob was not written.
    origins: HashMap<Oid, Blobs>,
    predictor: MergePredictor,
    by_git: HashSet<Blobs>,
}

/// Results that a detector keeps for the next comparison.
#[derive(Debug, Default)]
pub(super) struct KeptBlobs {
    pub(super) merged: HashMap<Blobs, Oid>,
    /// Paths with and without the merge attribute, by the commit that sets it.
    plain: Option<(Oid, HashMap<RepoPath, bool>)>,
}

/// The predicted entry of a path after some merges.
enum Predicted {
    Known(Option<Entry>),
    /// The result of this merge, not predicted yet.
    Merged(SharedEdit),
}

impl<'a> BlobMerges<'a> {
    /// Creates an empty set.
    pub(crate) fn new(engine: &'a MergeEngine) -> BlobMerges<'a> {
        BlobMerges {
            engine,
            recall: None,
            plain_engine: None,
            is_native: None,
            is_plain: HashMap::new(),
            merged: HashMap::new(),
            origins: HashMap::new(),
            predictor: MergePredictor::default(),
            by_git: HashSet::new(),
        }
    }

    /// Adds the results of earlier comparisons.
    pub(crate) fn recalling(self, recall: Option<Recall<'a>>) -> BlobMerges<'a> {
        BlobMerges { recall, ..self }
    }

    /// Adds known paths with and without the merge attribute, for the same attributes.
    pub(super) fn with_plain_paths(self, is_plain: HashMap<RepoPath, bool>) -> BlobMerges<'a> {
        BlobMerges { is_plain, ..self }
    }

    /// Copies the results for merging other branches.
    pub(super) fn fork(&self) -> BlobMerges<'a> {
        BlobMerges {
            is_plain: self.is_plain.clone(),
            merged: self.merged.clone(),
            origins: self.origins.clone(),
            ..BlobMerges::new(self.engine).recalling(self.recall)
        }
    }

    /// Yields the clean merges that git was asked for. Conflicts are left out, because git may have
    /// failed for a passing reason.
    pub(super) fn learned(&self) -> impl Iterator<Item = (Blobs, Oid)> {
        let merged = |blobs: &Blobs| Some((*blobs, (*self.merged.get(blobs)?)?));
        self.by_git.iter().filter_map(merged)
    }

    /// Forgets the merges, and keeps the attributes of paths.
    pub(super) fn forget_merges(&mut self) {
        self.merged.clear();
        self.origins.clear();
        self.by_git.clear();
    }

    /// Merges the edits whose results are certain, without git.
    ///
    /// # Errors
    /// When git cannot be run to read attributes.
    pub(super) fn merge_certain<'b>(
        &mut self,
        edits: impl IntoIterator<Item = &'b SharedEdit>,
    ) -> Result<(), MergeError> {
        self.certain_and_rest(edits).map(drop)
    }

    /// Merges all edits, and asks git in one batch about those that are not certain.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn merge_all<'b>(
        &mut self,
        edits: impl IntoIterator<Item = &'b SharedEdit>,
    ) -> Result<(), MergeError> {
        let rest = self.certain_and_rest(edits)?;
        self.ask_git(rest)
    }

    /// Merges the certain edits and returns the others that may be merged by content.
    fn certain_and_rest<'b>(
        &mut self,
        edits: impl IntoIterator<Item = &'b SharedEdit>,
    ) -> Result<Vec<Blobs>, MergeError> {
        let edits: Vec<&SharedEdit> = edits.into_iter().collect();
        if edits.is_empty() || !self.is_native()? {
            return Ok(Vec::new());
        }
        self.read_attributes(&edits)?;
        let plain = edits.iter().filter(|edit| self.is_plain[&edit.path]);
        let plain: BTreeSet<Blobs> = plain.map(|edit| edit.blobs).collect();
        let unknown: Vec<Blobs> = plain
            .into_iter()
            .filter(|blobs| self.known(*blobs).is_none())
            .collect();
        let certain = certain_merges(self.engine, &unknown)?;
        for (blobs, merged) in &certain {
            self.merged.insert(*blobs, Some(*merged));
            self.note_origin(*merged, *blobs);
        }
        let is_open = |blobs: &Blobs| !certain.contains_key(blobs);
        Ok(unknown.into_iter().filter(is_open).collect())
    }

    fn ask_git(&mut self, blobs: Vec<Blobs>) -> Result<(), MergeError> {
        if blobs.is_empty() || !self.is_native()? {
            return Ok(());
        }
        let engine = match &self.plain_engine {
            Some(engine) => engine,
            None => self.plain_engine.insert(self.engine.without_attributes()?),
        };
        let found = engine.merge_blobs(&blobs)?;
        self.by_git.extend(&blobs);
        self.merged.extend(blobs.into_iter().zip(found));
        Ok(())
    }

    /// Returns the merged blob if the merge is known, itself `None` for a conflict.
    fn known(&mut self, blobs: Blobs) -> Option<Option<Oid>> {
        if let Some(known) = self.merged.get(&blobs) {
            return Some(*known);
        }
        let merged = self.recall?(blobs)?;
        self.merged.insert(blobs, Some(merged));
        self.note_origin(merged, blobs);
        Some(Some(merged))
    }

    /// Notes a blob that was not written, unless it is one of its own inputs.
    fn note_origin(&mut self, merged: Oid, blobs: Blobs) {
        if !blobs.contains(&merged) {
            self.origins.entry(merged).or_insert(blobs);
        }
    }

    /// Writes a merged blob that does not exist yet. libgit2 creates most of them; the hash tells if
    /// it is the same blob.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn ensure_written(&mut self, store: &Store, blob: Oid) -> Result<(), MergeError> {
        let mut missing = Vec::new();
        let mut next = blob;
        // In a circle of origins none can be created, and git will report the missing blob.
        while missing.len() < self.origins.len()
            && let Some(blobs) = self.origins.get(&next).filter(|_| !store.has(next))
        {
            missing.push((next, *blobs));
            next = blobs[1];
        }
        for (oid, blobs) in missing.into_iter().rev() {
            if self.predictor.predict(store, blobs) != Some(oid) {
                self.ask_git(vec![blobs])?;
            }
        }
        Ok(())
    }

    /// Returns the merged entry; `None` for a conflict and for an unknown merge.
    pub(super) fn merged(&self, edit: &SharedEdit) -> Option<Entry> {
        let is_plain = self.is_plain.get(&edit.path).copied()?;
        let oid = self.merged.get(&edit.blobs).copied().flatten()?;
        let mode = edit.mode;
        is_plain.then_some(Entry { mode, oid })
    }

    /// Returns the merged entries; `None` if one of them is a conflict or unknown.
    pub(super) fn merged_all(&self, edits: &[SharedEdit]) -> Option<Vec<Entry>> {
        edits.iter().map(|edit| self.merged(edit)).collect()
    }

    /// Returns `true` if the contents decide this merge and it is not known yet.
    pub(super) fn is_open(&self, edit: &SharedEdit) -> bool {
        let is_plain = self.is_plain.get(&edit.path).copied().unwrap_or(true);
        is_plain && self.is_native != Some(false) && !self.merged.contains_key(&edit.blobs)
    }

    /// Predicts the content merges of merging branches with these changes in order, onto one known
    /// entry. A wrong prediction only costs the time of a useless merge.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn predict<'b>(
        &mut self,
        store: &Store,
        there: Option<(&'b RepoPath, Entry)>,
        changes: impl IntoIterator<Item = &'b Change>,
    ) -> Result<Vec<SharedEdit>, MergeError> {
        let mut now: HashMap<&RepoPath, Predicted> = HashMap::new();
        now.extend(there.map(|(path, entry)| (path, Predicted::Known(Some(entry)))));
        let mut edits = Vec::new();
        for change in changes {
            let Some(there) = now.get_mut(&change.path) else {
                now.insert(&change.path, Predicted::Known(change.new));
                continue;
            };
            // The result of a merge matters only if another one follows.
            let entry = match there {
                Predicted::Known(entry) => *entry,
                Predicted::Merged(edit) => Some(self.predict_entry(store, edit)?),
            };
            *there = Predicted::Known(entry);
            let edit = entry.and_then(|entry| shared_edit(&change.path, change, entry));
            if let Some(edit) = edit.filter(|_| entry != change.new) {
                *there = Predicted::Merged(edit.clone());
                edits.push(edit);
            }
        }
        for edit in &edits {
            if self.known(edit.blobs).is_none() {
                self.ensure_written(store, edit.blobs[1])?;
            }
        }
        Ok(edits)
    }

    /// Predicts the entry of one merge; a conflict leaves our side.
    fn predict_entry(&mut self, store: &Store, edit: &SharedEdit) -> Result<Entry, MergeError> {
        let (mode, blobs) = (edit.mode, edit.blobs);
        let oid = match self.known(blobs) {
            Some(known) => known,
            None => {
                self.ensure_written(store, blobs[1])?;
                self.predictor.predict(store, blobs)
            }
        };
        let oid = oid.unwrap_or(blobs[1]);
        Ok(Entry { mode, oid })
    }

    /// Returns `true` if contents alone decide the merge of a file without attributes.
    fn is_native(&mut self) -> Result<bool, MergeError> {
        match self.is_native {
            Some(known) => Ok(known),
            None => Ok(*self.is_native.insert(self.engine.merges_natively()?)),
        }
    }

    fn read_attributes(&mut self, edits: &[&SharedEdit]) -> Result<(), MergeError> {
        let paths = edits.iter().map(|edit| &edit.path);
        let paths: BTreeSet<&RepoPath> = paths.collect();
        let mut paths: Vec<&RepoPath> = paths.into_iter().collect();
        paths.retain(|path| !self.is_plain.contains_key(path));
        let found = self.engine.attributes(&[MERGE_ATTRIBUTE], &paths)?;
        for path in paths {
            let is_plain = !found.contains_key(path);
            self.is_plain.insert(path.clone(), is_plain);
        }
        Ok(())
    }
}

impl KeptBlobs {
    /// Keeps git's merges and the paths with and without the merge attribute.
    pub(super) fn learn(&mut self, engine: &MergeEngine, blobs: &BlobMerges<'_>) {
        self.merged.extend(blobs.learned());
        self.keep_plain_paths(engine, blobs);
    }

    /// Keeps the paths with and without the merge attribute.
    pub(super) fn keep_plain_paths(&mut self, engine: &MergeEngine, blobs: &BlobMerges<'_>) {
        self.plain = Some((engine.attributes_from(), blobs.is_plain.clone()));
    }

    /// Returns the known paths with and without the merge attribute for these attributes.
    pub(super) fn plain_paths(&self, engine: &MergeEngine) -> HashMap<RepoPath, bool> {
        let known = self.plain.as_ref();
        let known = known.filter(|(from, _)| *from == engine.attributes_from());
        known.map(|(_, plain)| plain.clone()).unwrap_or_default()
    }

    /// Forgets the attributes, which may change before the next comparison.
    pub(super) fn forget_attributes(&mut self) {
        self.plain = None;
    }

    /// Forgets the merges if there are too many.
    pub(super) fn trim(&mut self) {
        if self.merged.len() > MOST_KEPT {
            self.merged.clear();
        }
    }
}

/// Merges contents whose edits are provably disjoint.
fn certain_merges(
    engine: &MergeEngine,
    merges: &[Blobs],
) -> Result<HashMap<Blobs, Oid>, MergeError> {
    let mut by_base: BTreeMap<Oid, Vec<[Oid; 2]>> = BTreeMap::new();
    for [base, ours, theirs] in merges {
        by_base.entry(*base).or_default().push([*ours, *theirs]);
    }
    let by_base: Vec<(Oid, Vec<[Oid; 2]>)> = by_base.into_iter().collect();
    let found = in_batches(&by_base, (FEWEST_BASES, usize::MAX), |some| {
        let store = engine.store()?;
        let merged = some
            .iter()
            .flat_map(|(base, sides)| on_base(&store, *base, sides));
        Ok::<_, MergeError>(merged.collect())
    })?;
    Ok(found.into_iter().collect())
}

/// Merges contents over one base.
fn on_base(store: &Store, base: Oid, merges: &[[Oid; 2]]) -> Vec<(Blobs, Oid)> {
    let Ok(content) = store.blob(base) else {
        return Vec::new();
    };
    let Some(text) = BaseText::new(&content) else {
        return Vec::new();
    };
    let sides: BTreeSet<Oid> = merges.iter().flatten().copied().collect();
    let sides = sides.into_iter().filter_map(|oid| {
        let content = store.blob(oid).ok()?;
        let edit = text.edit(&content)?;
        Some((oid, (edit, content)))
    });
    let sides: HashMap<Oid, (Edit, Vec<u8>)> = sides.collect();
    let merged = |[ours, theirs]: &[Oid; 2]| {
        let side = |oid: &Oid| sides.get(oid).map(|(edit, content)| (edit, &content[..]));
        let pieces = text.merge(side(ours)?, side(theirs)?)?;
        Some(([base, *ours, *theirs], hash_blob(base.format(), &pieces)))
    };
    merges.iter().filter_map(merged).collect()
}
