//! Merges many files by content alone, with one merge of trees.
//!
//! git has no command that merges many files in one process, but a merge of two trees does just
//! that: three synthetic trees hold the blobs of base, ours and theirs, one name per file. Every
//! name exists in all three, so git detects no renames, and only the contents decide. A merge of a
//! real pair costs some milliseconds, most of them for the trees around the files that both change;
//! here only the contents cost.

use std::collections::{HashMap, HashSet};

use git2::{MergeFileInput, merge_file};

use crate::base::parallel::cores;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::store::{Store, StoreError};
use crate::merge::answer::{MergeAnswer, MergeResult};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The most files of one synthetic tree: enough to make the process cheap, few enough to keep its
/// answer small.
const FILES_PER_MERGE: usize = 256;

/// The fewest files that pay for another process.
const FEWEST_FILES: usize = 8;

/// The most bytes of file contents that a predictor keeps.
const CONTENTS_KEPT: usize = 4 << 20;

impl MergeEngine {
    /// Merges contents, each given as the blobs of base, ours and theirs. The merged blobs come in
    /// the same order, `None` for a conflict or a failure. No attribute applies, so this takes an
    /// engine [without attributes](MergeEngine::without_attributes), and files without attributes
    /// that matter to a merge.
    ///
    /// # Errors
    /// When git cannot be run or the trees cannot be written; a missing blob is not an error.
    pub fn merge_blobs(&self, files: &[[Oid; 3]]) -> Result<Vec<Option<Oid>>, MergeError> {
        let store = self.store()?;
        let size = files.len().div_ceil(cores());
        let size = size.clamp(FEWEST_FILES, FILES_PER_MERGE);
        let mut pairs = Vec::new();
        for some in files.chunks(size) {
            pairs.push(self.synthetic_pair(&store, some)?);
        }
        let Some(pairs) = pairs.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(vec![None; files.len()]);
        };
        let answers = self.merge_large(&pairs)?;
        let mut merged = Vec::with_capacity(files.len());
        for (some, answer) in files.chunks(size).zip(answers) {
            match answer {
                MergeAnswer::Done(result) => merged.extend(clean_files(&store, &result, some)?),
                MergeAnswer::Failed(_) => merged.extend(vec![None; some.len()]),
            }
        }
        Ok(merged)
    }

    /// Writes two commits on one base that hold these files; `None` if a blob is missing.
    fn synthetic_pair(
        &self,
        store: &Store,
        files: &[[Oid; 3]],
    ) -> Result<Option<(Oid, Oid)>, MergeError> {
        if !files.iter().flatten().all(|blob| store.has(*blob)) {
            return Ok(None);
        }
        let names: Vec<String> = (0..files.len()).map(name).collect();
        let tree = |side: usize| {
            let blobs = names.iter().zip(files);
            let entries: Vec<_> = blobs.map(|(name, f)| (name.as_str(), f[side])).collect();
            store.write_tree(&entries)
        };
        let base = self.commit_tree(tree(0)?, &[])?;
        let ours = self.commit_tree(tree(1)?, &[base])?;
        Ok(Some((ours, self.commit_tree(tree(2)?, &[base])?)))
    }
}

fn name(place: usize) -> String {
    format!("{place:08}")
}

fn clean_files(
    store: &Store,
    result: &MergeResult,
    files: &[[Oid; 3]],
) -> Result<Vec<Option<Oid>>, StoreError> {
    let stages = result.stages.iter().map(|stage| stage.path.as_bytes());
    let named = result
        .messages
        .iter()
        .filter(|message| message.kind.starts_with("CONFLICT"))
        .flat_map(|message| message.paths.iter().map(RepoPath::as_bytes));
    let conflicts: HashSet<&[u8]> = stages.chain(named).collect();
    let merged = (0..files.len()).map(|place| {
        let name = name(place);
        if conflicts.contains(name.as_bytes()) {
            return Ok(None);
        }
        Ok(store.entry(result.tree, &name)?.map(|entry| entry.oid))
    });
    merged.collect()
}

/// Predicts git's merges of contents with libgit2's. A prediction only serves to ask git early about
/// later merges, and to recreate a blob that git is known to have made.
#[derive(Debug, Default)]
pub struct MergePredictor {
    /// Recent contents: successive merges of one file share two of their three.
    contents: HashMap<Oid, Vec<u8>>,
    size: usize,
}

impl MergePredictor {
    /// Merges contents (base, ours, theirs) and writes the result; `None` if they conflict or
    /// cannot be read.
    pub fn predict(&mut self, store: &Store, blobs: [Oid; 3]) -> Option<Oid> {
        if self.size > CONTENTS_KEPT {
            *self = MergePredictor::default();
        }
        for blob in blobs {
            if !self.contents.contains_key(&blob) {
                self.keep(blob, store.blob(blob).ok()?);
            }
        }
        let mut inputs = blobs.map(|blob| {
            let mut input = MergeFileInput::new();
            input.content(&self.contents[&blob]);
            input
        });
        let [base, ours, theirs] = &mut inputs;
        let merged = merge_file(base, ours, theirs, None).ok()?;
        if !merged.is_automergeable() {
            return None;
        }
        let content = merged.content().to_vec();
        let oid = store.write_blob(&content).ok()?;
        self.keep(oid, content);
        Some(oid)
    }

    fn keep(&mut self, blob: Oid, content: Vec<u8>) {
        self.size += content.len();
        self.contents.insert(blob, content);
    }
}
