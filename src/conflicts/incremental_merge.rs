//! The tree that grows while candidates are merged one after the other.
//!
//! Most candidates of a run have nothing to do with each other, and a process of git's engine for
//! each costs more than all the rest of assembling. So a candidate that provably merges as an
//! overlay ([`crate::conflicts::merged_footprint`]) is laid over in process, and git is asked about the
//! others; where they only edit the same files, the contents may have been merged already
//! (`engine/edited.rs`). The rule needs a single merge base: the base of the run is one exactly if the
//! candidate stands on it and shares no commit above it with what is merged already.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::conflicts::blob_merges::Contents;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merged_footprint::Territory;
use crate::conflicts::shared_edits::shared_edit;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::answer::MergeAnswer;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// What has been merged so far, always onto the base of one run.
pub struct MergedTree<'a> {
    store: &'a Store,
    engine: &'a MergeEngine,
    base: Oid,
    base_tree: Oid,
    /// What was written last.
    tree: Oid,
    /// What was laid over it since, and is in no tree yet.
    laid: BTreeMap<RepoPath, Option<Entry>>,
    /// The commits above the base; `None` once a history could not be followed.
    commits: Option<HashSet<Oid>>,
    territory: Territory,
    /// Whether the rule may be used at all.
    overlays: bool,
    contents: Contents<'a>,
    /// What candidates change that were told, in their order, and where each stands, by their trees.
    told: Vec<Vec<Change>>,
    places: HashMap<Oid, usize>,
    merges_run: usize,
    contents_used: usize,
}

/// What a candidate brings, if its history says that the rule can be used on it.
struct Newcomer {
    /// What becomes of the paths it touches, in terms of the base.
    changes: Vec<Change>,
    footprint: Footprint,
}

impl<'a> MergedTree<'a> {
    /// The base, with nothing merged yet.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn new(
        store: &'a Store,
        engine: &'a MergeEngine,
        base: Oid,
    ) -> Result<MergedTree<'a>, StoreError> {
        let base_tree = store.tree_of(base)?;
        Ok(MergedTree {
            store,
            engine,
            base,
            base_tree,
            tree: base_tree,
            laid: BTreeMap::new(),
            commits: Some(HashSet::new()),
            territory: Territory::default(),
            overlays: !store.has_replacements()?,
            contents: Contents::new(engine),
            told: Vec::new(),
            places: HashMap::new(),
            merges_run: 0,
            contents_used: 0,
        })
    }

    /// The same, with what is known of merging contents.
    pub(crate) fn knowing(self, contents: Contents<'a>) -> MergedTree<'a> {
        MergedTree { contents, ..self }
    }

    /// What is known of merging contents by now.
    pub(crate) fn contents(&self) -> &Contents<'a> {
        &self.contents
    }

    /// The same, for whoever merges next.
    pub(crate) fn into_contents(self) -> Contents<'a> {
        self.contents
    }

    /// Says which candidates will come, as their trees and what these change against the base, so that
    /// git can be asked in one go about the contents that merging them will probably need.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(crate) fn foretell(
        &mut self,
        candidates: impl IntoIterator<Item = (Oid, Vec<Change>)>,
    ) -> Result<(), MergeError> {
        if !self.overlays {
            return Ok(());
        }
        let first = self.told.len();
        for (tree, changes) in candidates {
            self.places.insert(tree, self.told.len());
            self.told.push(changes);
        }
        let changes = self.told[first..].iter().flatten();
        let edits = self.contents.expected(self.store, None, changes)?;
        self.contents.ask(&edits)
    }

    /// Merges a candidate into `tip`, whose tree this is, and gives the new tree; `None` if the two
    /// do not merge, and then nothing has changed.
    ///
    /// # Errors
    /// When the store cannot be used or git cannot be run.
    pub fn merge(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, MergeError> {
        match self.merge_into(|_| Ok(tip), candidate)? {
            true => Ok(Some(self.written()?)),
            false => Ok(None),
        }
    }

    /// The same, for a tip that is only made, out of the tree, when git has to be asked; `false` if
    /// the two do not merge.
    ///
    /// # Errors
    /// As [`MergedTree::merge`].
    pub(crate) fn merge_into(
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
        let newcomer = match self.stands_alone(above.as_deref()) {
            true => self.newcomer(candidate)?,
            false => None,
        };
        let is_laid = newcomer.is_some_and(|newcomer| self.overlay(newcomer).is_some());
        if !is_laid {
            let tip = tip(self.written()?)?;
            match self.ask(tip, candidate)? {
                Some(tree) => self.tree = tree,
                None => return Ok(false),
            }
        }
        self.commits = match (self.commits.take(), above) {
            (Some(mut commits), Some(above)) => {
                commits.extend(above);
                Some(commits)
            }
            _ => None,
        };
        Ok(true)
    }

    /// The tree with all that was merged.
    ///
    /// # Errors
    /// When it cannot be written, or git cannot be run.
    pub(crate) fn written(&mut self) -> Result<Oid, MergeError> {
        if !self.laid.is_empty() {
            for entry in self.laid.values().flatten() {
                self.contents.bring(self.store, entry.oid)?;
            }
            let entries: Vec<_> = self.laid.iter().map(|(p, e)| (p.clone(), *e)).collect();
            self.tree = self.store.tree_overlaid(self.tree, &entries)?;
            self.laid.clear();
        }
        Ok(self.tree)
    }

    /// Takes in a candidate that did not merge by itself: `tree` is what became of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn settle(&mut self, candidate: Oid, tree: Oid) -> Result<(), StoreError> {
        self.look_at(tree)?;
        self.laid.clear();
        self.tree = tree;
        let above = self.store.commits_above(candidate, Some(self.base)).ok();
        self.commits = match (self.commits.take(), above) {
            (Some(mut commits), Some(above)) => {
                commits.extend(above.into_iter().map(|(commit, _)| commit));
                Some(commits)
            }
            _ => None,
        };
        Ok(())
    }

    /// How often git was asked to merge commits.
    pub fn merges_run(&self) -> usize {
        self.merges_run
    }

    /// How many candidates were merged with files that git had merged before for all at once.
    pub fn contents_used(&self) -> usize {
        self.contents_used
    }

    fn stands_alone(&self, above: Option<&[Oid]>) -> bool {
        match (&self.commits, above) {
            (Some(merged), Some(above)) => {
                self.overlays && !above.iter().any(|commit| merged.contains(commit))
            }
            _ => false,
        }
    }

    fn newcomer(&mut self, candidate: Oid) -> Result<Option<Newcomer>, MergeError> {
        let tree = self.store.tree_of(candidate)?;
        let place = self.places.get(&tree).copied();
        let changes = match place {
            Some(place) => self.told[place].clone(),
            None => self.store.changes(self.base_tree, tree)?,
        };
        let removed = self.store.removed_directories(tree, &changes)?;
        let footprint = Footprint::new(&changes, removed);
        if !self.territory.is_apart_from(&footprint) {
            return Ok(None);
        }
        let mut changes = changes;
        for change in &mut changes {
            match self.entry_after(change, place)? {
                Some(entry) => change.new = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(Newcomer { changes, footprint }))
    }

    /// What is at the path of a change after merging it, nothing being an answer; `None` if that is
    /// for git to say. `place` is where the candidate stands among those that were told.
    fn entry_after(
        &mut self,
        change: &Change,
        place: Option<usize>,
    ) -> Result<Option<Option<Entry>>, MergeError> {
        if !self.territory.has(&change.path) {
            return Ok(Some(change.new));
        }
        let there = match self.laid.get(&change.path) {
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
        if self.contents.is_open(&edit) {
            // What was foretold came out otherwise: so will all that follows at this path.
            let rest = place.map_or(&[][..], |place| &self.told[place..]);
            let changes = rest.iter().flatten().filter(|c| c.path == change.path);
            let there = Some((&change.path, there));
            let edits = self.contents.expected(self.store, there, changes)?;
            self.contents.ask(&edits)?;
        }
        Ok(self.contents.merged(&edit).map(Some))
    }

    /// `None` where libgit2 does not lay one tree over the other, as where a file becomes a
    /// directory: git is asked then. Only where something is taken away can that be, or a directory
    /// vanish, so only then is the tree written.
    fn overlay(&mut self, new: Newcomer) -> Option<()> {
        let meets = new.footprint.touched.iter().any(|p| self.territory.has(p));
        if new.changes.iter().any(|change| change.new.is_none()) {
            let below = self.written().ok()?;
            let entries = new.changes.iter().map(|c| (c.path.clone(), c.new));
            let entries: Vec<_> = entries.collect();
            let tree = self.store.tree_overlaid(below, &entries).ok()?;
            let vanished = self.store.removed_directories(tree, &new.changes).ok()?;
            self.territory.vanish(vanished);
            self.tree = tree;
        } else {
            let changes = new.changes.into_iter();
            self.laid
                .extend(changes.map(|change| (change.path, change.new)));
        }
        self.contents_used += usize::from(meets);
        self.territory.add(&new.footprint);
        Some(())
    }

    fn ask(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, MergeError> {
        self.merges_run += 1;
        let tree = match self.engine.merge(tip, candidate)? {
            MergeAnswer::Done(result) if result.is_sound() => result.tree,
            _ => return Ok(None),
        };
        self.look_at(tree)?;
        Ok(Some(tree))
    }

    /// Learns anew what a merged tree takes up.
    fn look_at(&mut self, tree: Oid) -> Result<(), StoreError> {
        let changes = self.store.changes(self.base_tree, tree)?;
        let removed = self.store.removed_directories(tree, &changes)?;
        self.territory = Territory::default();
        self.territory.add(&Footprint::new(&changes, removed));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::conflicts::blob_merges::Recall;
    use crate::git::commit::{By, NewCommit};
    use crate::git::{Git, Repo};

    const NAMES: [&str; 10] = [
        "a", "b", "c", "d/x", "d/y", "d/e/z", "f/one", "f/two", "d/new", "f/new",
    ];

    struct Scene {
        _folder: tempfile::TempDir,
        repo: Repo,
        store: Store,
        base: Oid,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path().to_owned();
            Git::at(&top).run(&["init", "--quiet"]).unwrap();
            let repo = Repo {
                common: top.join(".git"),
                git_dir: top.join(".git"),
                top,
                version: (2, 39),
            };
            let store = Store::open(&repo).unwrap();
            let files: Vec<_> = NAMES[..8]
                .iter()
                .map(|name| (*name, format!("text of {name}\n").repeat(9)))
                .collect();
            let empty = store.empty_tree().unwrap();
            let base = commit(&store, empty, &files, &[]);
            Scene {
                _folder: folder,
                repo,
                store,
                base,
            }
        }

        /// A candidate on `parent` with some edits, additions, removals and moves.
        fn candidate(&self, rng: &mut fastrand::Rng, parent: Oid) -> Oid {
            let tree = self.store.tree_of(parent).unwrap();
            let mut changes: Vec<(RepoPath, Option<Entry>)> = Vec::new();
            for _ in 0..rng.usize(1..3) {
                let name = NAMES[rng.usize(..NAMES.len())];
                let old = self.store.entry(tree, name).unwrap();
                let text = format!("{}: {}\n", name, rng.u8(..));
                let new = entry(&self.store, &text);
                match rng.u8(..4) {
                    0 | 1 => changes.push((name.into(), Some(new))),
                    2 if old.is_some() => changes.push((name.into(), None)),
                    _ if old.is_some() => {
                        changes.push((name.into(), None));
                        let target = format!("moved/{name}");
                        changes.push((target.as_str().into(), old));
                    }
                    _ => {}
                }
            }
            changes.sort_by(|a, b| a.0.cmp(&b.0));
            changes.dedup_by(|a, b| a.0 == b.0);
            let tree = self.store.tree_overlaid(tree, &changes).unwrap();
            write(&self.store, tree, &[parent])
        }
    }

    fn entry(store: &Store, text: &str) -> Entry {
        Entry {
            mode: 0o100_644,
            oid: store.write_blob(text.as_bytes()).unwrap(),
        }
    }

    fn commit(store: &Store, tree: Oid, files: &[(&str, String)], parents: &[Oid]) -> Oid {
        let entries = files
            .iter()
            .map(|(name, text)| (RepoPath::from(*name), Some(entry(store, text))));
        let tree = store
            .tree_overlaid(tree, &entries.collect::<Vec<_>>())
            .unwrap();
        write(store, tree, parents)
    }

    fn write(store: &Store, tree: Oid, parents: &[Oid]) -> Oid {
        let new = NewCommit {
            tree,
            parents,
            message: "x\n",
            time: jiff::Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        };
        store.write_commit(&new).unwrap()
    }

    #[test]
    fn every_tree_is_the_one_that_git_makes() {
        let scene = Scene::new();
        let engine = MergeEngine::writing(&scene.repo, scene.base).unwrap();
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut steps, mut asked, mut conflicts) = (0, 0, 0);
        for _ in 0..25 {
            let mut merged = MergedTree::new(&scene.store, &engine, scene.base).unwrap();
            let mut tip = scene.base;
            let mut parent = scene.base;
            for _ in 0..5 {
                let candidate = scene.candidate(&mut rng, parent);
                // One in four is built on the one before it.
                parent = if rng.u8(..4) == 0 {
                    candidate
                } else {
                    scene.base
                };
                let by_git = match engine.merge(tip, candidate).unwrap() {
                    MergeAnswer::Done(result) if result.is_sound() => Some(result.tree),
                    _ => None,
                };
                let found = merged.merge(tip, candidate).unwrap();
                assert_eq!(found, by_git, "candidate {candidate} into {tip}");
                steps += 1;
                match found {
                    Some(tree) => tip = write(&scene.store, tree, &[tip, candidate]),
                    None => conflicts += 1,
                }
            }
            asked += merged.merges_run();
        }
        assert!(conflicts > 5, "{conflicts} of {steps} conflict");
        assert!(asked > 10 && asked + 20 < steps, "{asked} of {steps} asked");
    }

    #[test]
    fn what_is_remembered_of_contents_is_not_asked_for_again_and_gives_the_same_trees() {
        let scene = Scene::new();
        let store = &scene.store;
        let lines = |edited: &[usize]| {
            let line = |n| match edited.contains(&n) {
                true => format!("another line {n}\n"),
                false => format!("line {n}\n"),
            };
            (0..60).map(line).collect::<String>()
        };
        let names = ["one", "two", "three"];
        let files: Vec<_> = names.iter().map(|name| (*name, lines(&[]))).collect();
        let empty = store.empty_tree().unwrap();
        let base = commit(store, empty, &files, &[]);
        let base_tree = store.tree_of(base).unwrap();
        let candidate = |n: usize| {
            let mut files = vec![
                (names[n % 3], lines(&[4 * n])),
                ("two", lines(&[4 * n + 2])),
            ];
            files.dedup_by(|a, b| a.0 == b.0);
            // Two that add the same file: git has to be asked about the second.
            if n == 4 || n == 7 {
                files.push(("new", "the same\n".to_owned()));
            }
            commit(store, base_tree, &files, &[base])
        };
        let mut candidates: Vec<Oid> = (0..9).map(candidate).collect();
        // What this one brings is there already: the merged file is what it was before.
        let both = vec![("two", lines(&[2, 4]))];
        candidates.insert(3, commit(store, base_tree, &both, &[base]));
        let engine = MergeEngine::quarantined(&scene.repo, base).unwrap();
        let merge_all = |engine: &MergeEngine, recall: Option<Recall<'_>>| {
            let store = engine.store().unwrap();
            let mut merged = MergedTree::new(&store, engine, base).unwrap();
            merged = merged.knowing(Contents::new(engine).recalling(recall));
            let told = candidates.iter().map(|candidate| {
                let tree = store.tree_of(*candidate).unwrap();
                (tree, store.changes(base_tree, tree).unwrap())
            });
            merged.foretell(told).unwrap();
            let mut tip = base;
            for candidate in &candidates {
                let tree = merged.merge(tip, *candidate).unwrap().unwrap();
                tip = write(&store, tree, &[tip, *candidate]);
            }
            let learned: HashMap<[Oid; 3], Oid> = merged.contents().learned().collect();
            (tip, learned, merged.merges_run())
        };
        let (tip, learned, asked) = merge_all(&engine.nested().unwrap(), None);
        assert!(learned.len() > 10, "{}", learned.len());
        let recall = |blobs| learned.get(&blobs).copied();
        let again = merge_all(&engine.nested().unwrap(), Some(&recall));
        assert_eq!(again, (tip, HashMap::new(), asked));
        let mut by_git = base;
        for candidate in &candidates {
            let merged = engine.merge(by_git, *candidate).unwrap();
            let MergeAnswer::Done(result) = merged else {
                panic!("{merged:?}")
            };
            by_git = write(&engine.store().unwrap(), result.tree, &[by_git, *candidate]);
        }
        assert_eq!(by_git, tip);
    }
}
