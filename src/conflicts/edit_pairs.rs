//! Pairs that only edit the same files: their contents are merged, not the pairs.

use std::collections::HashMap;

use crate::conflicts::blob_merges::Contents;
use crate::conflicts::branches::{Pair, SIDES_AT_ONCE, Scene};
use crate::conflicts::detector::{DetectError, Detector, Side};
use crate::conflicts::shared_edits::{SharedEdit, shared_edits};
use crate::git::StoreError;
use crate::git::merge_engine::MergeEngine;
use crate::git::tree_hash::TreeHasher;
use crate::merge::answer::{MergeAnswer, MergeResult, Message};
use crate::merge::change::{Entry, RepoPath};

impl Detector {
    /// What git says about each pair, where its files say it; `None` for the pairs that git has to
    /// be asked about, those in conflict among them.
    pub(super) fn merged_by_contents(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        pairs: &[&Pair],
    ) -> Result<Vec<Option<MergeAnswer>>, DetectError> {
        let mut answers = vec![None; pairs.len()];
        if !scene.prune {
            return Ok(answers);
        }
        let mut shared: HashMap<usize, Vec<SharedEdit>> = HashMap::new();
        self.in_parts(scene, pairs, |this, place, pair| {
            if let Some([ours, theirs]) = this.known_sides(scene, pair) {
                let (ours, theirs) = (ours.as_seen(), theirs.as_seen());
                shared.extend(shared_edits(ours, theirs).map(|edits| (place, edits)));
            }
            Ok(())
        })?;
        let mut contents = Contents::new(engine);
        contents.ask(shared.values().flatten())?;
        self.contents.extend(contents.learned());
        self.plain = Some((engine.attributes_from(), contents.seen().clone()));
        let store = engine.store()?;
        let mut hasher = TreeHasher::new(&store);
        self.in_parts(scene, pairs, |this, place, pair| {
            let merged = shared.get(&place).and_then(|edits| {
                let entries = edits.iter().map(|edit| contents.merged(edit));
                let entries: Vec<Entry> = entries.collect::<Option<_>>()?;
                let paths = edits.iter().map(|edit| edit.path.clone());
                Some(paths.zip(entries).collect())
            });
            if let Some(merged) = merged {
                answers[place] = this.laid_over(scene, &mut hasher, pair, merged);
            }
            Ok(())
        })?;
        Ok(answers)
    }

    /// Goes through the pairs while what their branches change is known.
    fn in_parts(
        &mut self,
        scene: &Scene,
        pairs: &[&Pair],
        mut look: impl FnMut(&Detector, usize, &Pair) -> Result<(), StoreError>,
    ) -> Result<(), DetectError> {
        for (part, some) in pairs.chunks(SIDES_AT_ONCE).enumerate() {
            self.look_at(scene, some.iter().flat_map(|pair| pair.sides(scene)))?;
            for (place, pair) in some.iter().enumerate() {
                look(self, part * SIDES_AT_ONCE + place, pair)?;
            }
            self.make_room();
        }
        Ok(())
    }

    /// What both branches of a pair with a single base change.
    fn known_sides(&self, scene: &Scene, pair: &Pair) -> Option<[&Side; 2]> {
        let base = pair.key.base?;
        let side = |branch: usize| self.sides.get(&(base, scene.trees[branch]));
        Some([side(pair.a)?.as_ref(), side(pair.b)?.as_ref()])
    }

    /// The clean merge of two branches whose common files have become `merged`: the smaller change
    /// laid over the tree of the other. `None` where that cannot be named.
    fn laid_over(
        &self,
        scene: &Scene,
        hasher: &mut TreeHasher<'_>,
        pair: &Pair,
        merged: Vec<(RepoPath, Entry)>,
    ) -> Option<MergeAnswer> {
        let [ours, theirs] = self.known_sides(scene, pair)?;
        let (tree, changes) = match ours.changes.len() < theirs.changes.len() {
            true => (scene.trees[pair.b], &ours.changes),
            false => (scene.trees[pair.a], &theirs.changes),
        };
        let messages = merged.iter().map(|(path, _)| auto_merging(path));
        let messages: Vec<Message> = messages.collect();
        let merged: HashMap<RepoPath, Entry> = merged.into_iter().collect();
        let entries = changes.iter().map(|change| {
            let merged = merged.get(&change.path).copied();
            (change.path.clone(), merged.or(change.new))
        });
        let tree = hasher.hash_with(tree, &entries.collect::<Vec<_>>())?;
        Some(MergeAnswer::Done(MergeResult {
            clean: true,
            tree,
            stages: Vec::new(),
            messages,
        }))
    }
}

/// What git says about every file whose contents it merges.
fn auto_merging(path: &RepoPath) -> Message {
    Message {
        paths: vec![path.clone()],
        kind: "Auto-merging".to_owned(),
        text: format!("Auto-merging {path}\n"),
    }
}
