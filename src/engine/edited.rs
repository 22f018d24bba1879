//! What files become that several branches edit, without merging the trees around them.
//!
//! Where branches meet only in files that both edit ([`crate::conflict::edits`]), the contents decide;
//! many branches meet in few files, and git merges the contents of all of them in one go
//! ([`MergeEngine::merge_contents`]). That holds where git itself merges every file: neither a
//! program nor an attribute has a say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::conflict::edits::{SharedEdit, shared_edit};
use crate::git::Store;
use crate::git::merge_tree::{MergeEngine, MergeError};
use crate::model::change::{Change, Entry, RepoPath};
use crate::model::ids::Oid;

/// Attributes that change how git merges the content of a file.
const HEEDED: [&str; 2] = ["merge", "conflict-marker-size"];

/// The merged files, as far as they were asked for.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// What the branches are merged with; it knows the attributes.
    engine: &'a MergeEngine,
    /// The same without attributes, made when it is wanted; `None` in it where programs take part.
    neutral: Option<Option<MergeEngine>>,
    /// Whether a path has no attribute that is heeded.
    is_plain: HashMap<RepoPath, bool>,
    merged: HashMap<[Oid; 3], Option<Oid>>,
}

impl<'a> Contents<'a> {
    /// Nothing asked for yet.
    pub(crate) fn new(engine: &'a MergeEngine) -> Contents<'a> {
        Contents {
            engine,
            neutral: None,
            is_plain: HashMap::new(),
            merged: HashMap::new(),
        }
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
        let plain = plain.map(|edit| edit.blobs);
        let unknown: BTreeSet<[Oid; 3]> = plain.filter(|f| !self.merged.contains_key(f)).collect();
        let unknown: Vec<[Oid; 3]> = unknown.into_iter().collect();
        if let Some(Some(neutral)) = &self.neutral {
            let found = neutral.merge_contents(&unknown)?;
            self.merged.extend(unknown.into_iter().zip(found));
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

    /// Asks about what merging branches with these changes one after the other will probably come to.
    /// A guess that turns out wrong costs time, nothing else: it was asked about for nothing.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn foretell<'b>(
        &mut self,
        store: &Store,
        branches: impl IntoIterator<Item = &'b [Change]>,
    ) -> Result<(), MergeError> {
        let mut now: HashMap<&RepoPath, Option<Entry>> = HashMap::new();
        let mut edits: BTreeMap<(RepoPath, [Oid; 3]), SharedEdit> = BTreeMap::new();
        for change in branches.into_iter().flatten() {
            let Some(there) = now.get(&change.path) else {
                now.insert(&change.path, change.new);
                continue;
            };
            let edit = there.and_then(|there| shared_edit(&change.path, change, there));
            let Some(edit) = edit.filter(|_| *there != change.new) else {
                continue;
            };
            if let Some(oid) = store.likely_merge(edit.blobs) {
                let mode = edit.mode;
                now.insert(&change.path, Some(Entry { mode, oid }));
            }
            edits.insert((edit.path.clone(), edit.blobs), edit);
        }
        self.ask(edits.values())
    }

    /// An engine that heeds nothing but contents, where one says the same as git.
    fn neutral(&mut self) -> Result<&Option<MergeEngine>, MergeError> {
        if self.neutral.is_none() {
            let neutral = match self.engine.merges_contents_itself()? {
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
        let found = self.engine.attributes(&HEEDED, &paths)?;
        for path in paths {
            let is_plain = !found.contains_key(path);
            self.is_plain.insert(path.clone(), is_plain);
        }
        Ok(())
    }
}
