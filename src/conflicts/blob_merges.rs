//! What files become that several branches edit, without merging the trees around them.
//!
//! Where branches meet only in files that both edit ([`crate::conflicts::shared_edits`]), the contents decide;
//! many branches meet in few files, and git merges the contents of all of them in one go
//! ([`MergeEngine::merge_blobs`]). That holds where git itself merges every file: neither a
//! program nor an attribute has a say.

use std::collections::{BTreeSet, HashMap};

use crate::conflicts::shared_edits::{SharedEdit, shared_edit};
use crate::git::Store;
use crate::git::blob_merge::MergePredictor;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// The attribute that changes how git merges the content of a file (`ll_merge` of git's `merge-ll.c`).
/// The other one that it looks at, `conflict-marker-size`, shows only in files that do not merge, and
/// of those nothing is kept here.
const HEEDED: &str = "merge";

/// What is remembered of merging contents (base, ours, theirs): the name of the merged blob, which itself
/// need not be in any store.
pub(crate) type Recall<'a> = &'a dyn Fn([Oid; 3]) -> Option<Oid>;

/// The merged files, as far as they were asked for.
pub(crate) struct Contents<'a> {
    /// What the branches are merged with; it knows the attributes.
    engine: &'a MergeEngine,
    recall: Option<Recall<'a>>,
    /// The same without attributes, made when it is wanted; `None` in it where programs take part.
    neutral: Option<Option<MergeEngine>>,
    /// Whether a path has no attribute that is heeded.
    is_plain: HashMap<RepoPath, bool>,
    merged: HashMap<[Oid; 3], Option<Oid>>,
    /// What a blob is the merge of, where that was only remembered.
    made_of: HashMap<Oid, [Oid; 3]>,
    predictor: MergePredictor,
    /// What git was asked about.
    asked: Vec<[Oid; 3]>,
}

/// What probably is at a path after some merges.
enum Foretold {
    Known(Option<Entry>),
    /// What this comes to, which nobody has asked yet.
    Merged(SharedEdit),
}

impl<'a> Contents<'a> {
    /// Nothing asked for yet.
    pub(crate) fn new(engine: &'a MergeEngine) -> Contents<'a> {
        Contents {
            engine,
            recall: None,
            neutral: None,
            is_plain: HashMap::new(),
            merged: HashMap::new(),
            made_of: HashMap::new(),
            predictor: MergePredictor::default(),
            asked: Vec::new(),
        }
    }

    /// The same, knowing what was found out before.
    pub(crate) fn recalling(self, recall: Option<Recall<'a>>) -> Contents<'a> {
        Contents { recall, ..self }
    }

    /// The same, knowing which paths have no attribute that is heeded, seen from the same commit.
    pub(crate) fn seeing(self, is_plain: HashMap<RepoPath, bool>) -> Contents<'a> {
        Contents { is_plain, ..self }
    }

    /// Which paths were looked at, and whether they have no attribute that is heeded.
    pub(crate) fn seen(&self) -> &HashMap<RepoPath, bool> {
        &self.is_plain
    }

    /// The same knowledge, for merging other branches.
    pub(crate) fn fork(&self) -> Contents<'a> {
        Contents {
            is_plain: self.is_plain.clone(),
            merged: self.merged.clone(),
            made_of: self.made_of.clone(),
            ..Contents::new(self.engine).recalling(self.recall)
        }
    }

    /// What git was asked about and found to merge, and what it comes to. What does not merge is no
    /// part of it: git may have failed for a reason that passes.
    pub(crate) fn learned(&self) -> impl Iterator<Item = ([Oid; 3], Oid)> {
        let merged = |blobs: &[Oid; 3]| Some((*blobs, (*self.merged.get(blobs)?)?));
        self.asked.iter().filter_map(merged)
    }

    /// Asks git about all of these that are not known yet, in one go.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn ask<'b>(
        &mut self,
        edits: impl IntoIterator<Item = &'b SharedEdit>,
    ) -> Result<(), MergeError> {
        let edits: Vec<&SharedEdit> = edits.into_iter().collect();
        if edits.is_empty() || self.neutral()?.is_none() {
            return Ok(());
        }
        self.look_at_attributes(&edits)?;
        let plain = edits.iter().filter(|edit| self.is_plain[&edit.path]);
        let plain: BTreeSet<[Oid; 3]> = plain.map(|edit| edit.blobs).collect();
        let unknown = plain.into_iter().filter(|f| self.known(*f).is_none());
        let unknown = unknown.collect();
        self.ask_git(unknown)
    }

    fn ask_git(&mut self, blobs: Vec<[Oid; 3]>) -> Result<(), MergeError> {
        if let (false, Some(Some(neutral))) = (blobs.is_empty(), &self.neutral) {
            let found = neutral.merge_blobs(&blobs)?;
            self.asked.extend_from_slice(&blobs);
            self.merged.extend(blobs.into_iter().zip(found));
        }
        Ok(())
    }

    /// What these contents come to, as far as anybody knows.
    fn known(&mut self, blobs: [Oid; 3]) -> Option<Option<Oid>> {
        if let Some(known) = self.merged.get(&blobs) {
            return Some(*known);
        }
        let merged = self.recall?(blobs)?;
        self.merged.insert(blobs, Some(merged));
        // A merge may come to what was there before; of itself nothing can be made.
        if !blobs.contains(&merged) {
            self.made_of.entry(merged).or_insert(blobs);
        }
        Some(Some(merged))
    }

    /// Sees to it that a merged blob is there where it was only remembered. libgit2 makes most of
    /// them; that it is the same is seen by the name.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn bring(&mut self, store: &Store, blob: Oid) -> Result<(), MergeError> {
        let mut wanted = Vec::new();
        let mut next = blob;
        // None is wanted twice: what goes in circles leads nowhere, and git will say that it lacks it.
        while wanted.len() < self.made_of.len()
            && let Some(blobs) = self.made_of.get(&next).filter(|_| !store.has(next))
        {
            wanted.push((next, *blobs));
            next = blobs[1];
        }
        for (oid, blobs) in wanted.into_iter().rev() {
            if self.predictor.predict(store, blobs) != Some(oid) && self.neutral()?.is_some() {
                self.ask_git(vec![blobs])?;
            }
        }
        Ok(())
    }

    /// The merged file; `None` where it does not merge by itself, or is not known.
    pub(crate) fn merged(&self, edit: &SharedEdit) -> Option<Entry> {
        let is_plain = self.is_plain.get(&edit.path).copied()?;
        let oid = self.merged.get(&edit.blobs).copied().flatten()?;
        let mode = edit.mode;
        is_plain.then_some(Entry { mode, oid })
    }

    /// Whether nobody has asked yet what an edit comes to, though its contents decide that.
    pub(crate) fn is_open(&self, edit: &SharedEdit) -> bool {
        let is_plain = self.is_plain.get(&edit.path).copied().unwrap_or(true);
        let is_neutral = !matches!(self.neutral, Some(None));
        is_plain && is_neutral && !self.merged.contains_key(&edit.blobs)
    }

    /// What will probably have to be asked to merge branches with these changes one after the other, onto
    /// what one path is already. A guess that turns out wrong costs time, nothing else: it is asked about
    /// for nothing.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn expected<'b>(
        &mut self,
        store: &Store,
        there: Option<(&'b RepoPath, Entry)>,
        changes: impl IntoIterator<Item = &'b Change>,
    ) -> Result<Vec<SharedEdit>, MergeError> {
        let mut now: HashMap<&RepoPath, Foretold> = HashMap::new();
        now.extend(there.map(|(path, entry)| (path, Foretold::Known(Some(entry)))));
        let mut edits = Vec::new();
        for change in changes {
            let Some(there) = now.get_mut(&change.path) else {
                now.insert(&change.path, Foretold::Known(change.new));
                continue;
            };
            // What the last merge comes to matters only where one more follows.
            let entry = match there {
                Foretold::Known(entry) => *entry,
                Foretold::Merged(edit) => Some(self.guess(store, edit)?),
            };
            *there = Foretold::Known(entry);
            let edit = entry.and_then(|entry| shared_edit(&change.path, change, entry));
            if let Some(edit) = edit.filter(|_| entry != change.new) {
                *there = Foretold::Merged(edit.clone());
                edits.push(edit);
            }
        }
        for edit in &edits {
            if self.known(edit.blobs).is_none() {
                self.bring(store, edit.blobs[1])?;
            }
        }
        Ok(edits)
    }

    /// What an edit probably comes to: where it does not look as if it merged, what was there before.
    fn guess(&mut self, store: &Store, edit: &SharedEdit) -> Result<Entry, MergeError> {
        let (mode, blobs) = (edit.mode, edit.blobs);
        let oid = match self.known(blobs) {
            Some(known) => known,
            None => {
                self.bring(store, blobs[1])?;
                self.predictor.predict(store, blobs)
            }
        };
        let oid = oid.unwrap_or(blobs[1]);
        Ok(Entry { mode, oid })
    }

    /// An engine that heeds nothing but contents, where one says the same as git.
    fn neutral(&mut self) -> Result<&Option<MergeEngine>, MergeError> {
        if self.neutral.is_none() {
            let neutral = match self.engine.merges_natively()? {
                true => Some(self.engine.without_attributes()?),
                false => None,
            };
            self.neutral = Some(neutral);
        }
        Ok(self.neutral.get_or_insert(None))
    }

    fn look_at_attributes(&mut self, edits: &[&SharedEdit]) -> Result<(), MergeError> {
        let paths = edits.iter().map(|edit| &edit.path);
        let paths: BTreeSet<&RepoPath> = paths.collect();
        let mut paths: Vec<&RepoPath> = paths.into_iter().collect();
        paths.retain(|path| !self.is_plain.contains_key(path));
        let found = self.engine.attributes(&[HEEDED], &paths)?;
        for path in paths {
            let is_plain = !found.contains_key(path);
            self.is_plain.insert(path.clone(), is_plain);
        }
        Ok(())
    }
}
