//! Files merged by content alone, many in one merge.
//!
//! git has no command that merges many files in one process, but a merge of two trees does just
//! that: three made-up trees hold, under one name for each file, what the base, ours and theirs
//! have. Every name is there in all three, so git looks for no renames, and nothing but the contents
//! decides. A merge of a real pair costs some milliseconds, most of them for the trees around the
//! files that really meet; here it costs what the contents do.

use std::collections::{HashMap, HashSet};

use git2::{MergeFileInput, merge_file};

use crate::base::batches::cores;
use crate::git::merge_tree::{MergeAnswer, MergeEngine, MergeError, MergeResult};
use crate::git::store::{Store, StoreError};
use crate::merge::oid::Oid;

/// Files in one made-up tree: enough to make the process cheap, few enough to keep its answer small.
const FILES_PER_MERGE: usize = 256;

/// Below this many files a process more costs more than another core brings.
const FEWEST_FILES: usize = 8;

/// Bytes of file contents that are kept for further guesses.
const CONTENTS_KEPT: usize = 16 << 20;

impl MergeEngine {
    /// Merges files of which only the content is known, each given as the blobs of the base, of ours
    /// and of theirs; the merged blobs stand in the order of the files, `None` for what does not
    /// merge by itself or could not be merged. No attribute is heeded, so an engine
    /// [without attributes](MergeEngine::without_attributes) is the one to ask, and only about files
    /// that have none that matter to a merge.
    ///
    /// # Errors
    /// When git cannot be run or the trees cannot be written; a blob that is missing is no error.
    pub fn merge_contents(&self, files: &[[Oid; 3]]) -> Result<Vec<Option<Oid>>, MergeError> {
        let store = self.store()?;
        let size = files.len().div_ceil(cores());
        let size = size.clamp(FEWEST_FILES, FILES_PER_MERGE);
        let mut pairs = Vec::new();
        for some in files.chunks(size) {
            pairs.push(self.made_up_pair(&store, some)?);
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

    /// Two commits on one base that hold these files; `None` where a blob is missing.
    fn made_up_pair(
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
    let said = result.messages.iter();
    let said = said.filter(|message| message.kind.starts_with("CONFLICT"));
    let said = said.flat_map(|message| message.paths.iter().map(|path| path.as_bytes()));
    let conflicts: HashSet<&[u8]> = stages.chain(said).collect();
    let merged = (0..files.len()).map(|place| {
        let name = name(place);
        if conflicts.contains(name.as_bytes()) {
            return Ok(None);
        }
        Ok(store.entry(result.tree, &name)?.map(|entry| entry.oid))
    });
    merged.collect()
}

/// What files probably become when they are merged: libgit2's opinion. Only good for asking git early
/// about what comes next, and for making again what git is known to have made.
#[derive(Debug, Default)]
pub struct Guesses {
    /// What was read or written last: of a file that many branches edit, each merge has two of three.
    contents: HashMap<Oid, Vec<u8>>,
    size: usize,
}

impl Guesses {
    /// Merges contents (base, ours, theirs) and writes what comes of it; `None` where they do not merge
    /// or cannot be read.
    pub fn merge(&mut self, store: &Store, blobs: [Oid; 3]) -> Option<Oid> {
        if self.size > CONTENTS_KEPT {
            *self = Guesses::default();
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
