//! Merges pairs of branches by the contents of the files that both edit.

use std::collections::HashMap;

use crate::conflicts::branch_changes::ChangeCache;
use crate::conflicts::pair::Pair;
use crate::conflicts::shared_edits::{SharedEdit, shared_edits};
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::tree_hash::TreeHasher;
use crate::merge::answer::{MergeResult, Message};
use crate::merge::change::Entry;

/// Lists the shared edits of each pair; `None` for pairs that need a merge of their trees.
pub(super) fn shared_edits_of(
    engine: &MergeEngine,
    changes: &mut ChangeCache,
    pairs: &[&Pair],
) -> Result<Vec<Option<Vec<SharedEdit>>>, MergeError> {
    let mut found = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(changes.pairs_at_once()) {
        changes.load(engine, some.iter().flat_map(|pair| pair.tree_pairs()))?;
        let edits = some.iter().map(|pair| {
            let [ours, theirs] = pair.changes(changes)?;
            shared_edits(ours, theirs)
        });
        found.extend(edits);
        changes.trim();
    }
    Ok(found)
}

/// Builds git's result for a pair from its merged files, in the order of the edits. The smaller
/// change is laid over the tree of the other branch. `None` if that tree cannot be hashed.
pub(super) fn content_result(
    pair: &Pair,
    edits: &[SharedEdit],
    merged: &[Entry],
    changes: &ChangeCache,
    hasher: &mut TreeHasher<'_>,
) -> Option<MergeResult> {
    let clean = |tree| MergeResult {
        clean: true,
        tree,
        stages: Vec::new(),
        messages: edits.iter().map(auto_merging).collect(),
    };
    if pair.trees[0] == pair.trees[1] {
        return Some(clean(pair.trees[0]));
    }
    let [ours, theirs] = pair.changes(changes)?;
    let (tree, smaller) = if ours.changes.len() < theirs.changes.len() {
        (pair.trees[1], ours)
    } else {
        (pair.trees[0], theirs)
    };
    let paths = edits.iter().map(|edit| &edit.path);
    let merged: HashMap<_, _> = paths.zip(merged).collect();
    let entries = smaller.changes.iter().map(|change| {
        let merged = merged.get(&change.path).map(|entry| **entry);
        (change.path.clone(), merged.or(change.new))
    });
    let tree = hasher.hash_with(tree, &entries.collect::<Vec<_>>())?;
    Some(clean(tree))
}

/// Builds the message that git prints for every file whose contents it merges.
fn auto_merging(edit: &SharedEdit) -> Message {
    let path = &edit.path;
    Message {
        paths: vec![path.clone()],
        kind: "Auto-merging".to_owned(),
        text: format!("Auto-merging {path}\n"),
    }
}
