//! What one call looks at: the branches with their trees, and the pairs that need a look.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::conflicts::detector::{Branch, DetectError, Detector, Key, Side};
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merge_bases::{Base, Bases, Sharing};
use crate::conflicts::name_collisions::{Colliding, colliding_over};
use crate::conflicts::prune;
use crate::git::ancestry::{History, LinearHistory, common_ancestor};
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::tree_diff::TreeChanges;
use crate::git::{Git, Store, StoreError};
use crate::merge::change::Change;
use crate::merge::oid::Oid;

/// Differences that are asked for together: many branches that left the main line at different
/// places differ from each of these by much.
pub(super) const SIDES_AT_ONCE: usize = 64;

/// Changed paths that are kept for a second look; more are looked up again.
const CHANGES_KEPT: usize = 300_000;

/// The branches of one call, with their trees.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) engine: MergeEngine,
    /// What is merged: the tips, or throwaway commits over the base that was asked for.
    pub(super) commits: Vec<Oid>,
    pub(super) trees: Vec<Oid>,
    pub(super) bases: Arc<Bases>,
    pub(super) base: Option<Oid>,
    /// The throwaway commit that stands for a base that was asked for.
    pub(super) asked_base: Option<Oid>,
    pub(super) prune: bool,
}

/// One pair to be judged.
pub(super) struct Pair {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) key: Key,
    pub(super) bases: Vec<Oid>,
    pub(super) base_tree: Option<Oid>,
}

impl Scene {
    /// Whether this commit is the single merge base of any two of these branches.
    pub(super) fn share_only(&self, base: Oid, branches: &[usize]) -> bool {
        branches.iter().enumerate().all(|(place, a)| {
            let mut later = branches[place + 1..].iter();
            later.all(|b| self.bases.of(*a, *b) == Base::One(base))
        })
    }
}

impl Detector {
    /// The scene of these branches: that of the last call, if they are still the same.
    pub(super) fn scene(&mut self, branches: &[Branch]) -> Result<Scene, DetectError> {
        let tips = tips(branches);
        match self.scene.take() {
            Some((known, scene)) if known == tips => Ok(scene),
            _ => self.new_scene(tips),
        }
    }

    /// Keeps a scene for the next question about the same branches.
    pub(super) fn keep(&mut self, branches: &[Branch], scene: Scene) {
        self.scene = Some((tips(branches), scene));
    }

    fn new_scene(&mut self, tips: Vec<Oid>) -> Result<Scene, DetectError> {
        let store = match &self.quarantine {
            Some(quarantine) => quarantine.store()?,
            None => Store::open(&self.repo)?,
        };
        let trees = tips.iter().map(|tip| store.tree_of(*tip));
        let trees = trees.collect::<Result<Vec<Oid>, StoreError>>()?;
        let prune = self.options.prune && !store.has_replacements()?;
        if let Some(base) = self.options.base {
            let engine = self.engine(base)?;
            let root = engine.commit_tree(store.tree_of(base)?, &[])?;
            let commits = trees.iter().map(|tree| engine.commit_tree(*tree, &[root]));
            let commits = commits.collect::<Result<Vec<Oid>, MergeError>>()?;
            return Ok(Scene {
                store: engine.store()?,
                engine,
                bases: Arc::new(Bases::all(root, commits.len())),
                commits,
                trees,
                base: Some(base),
                asked_base: Some(root),
                prune,
            });
        }
        let straight = prune
            .then(|| store.linear_history(&tips, self.run_base))
            .flatten();
        let common = || match &straight {
            Some(straight) => Some(straight.base),
            None => common_ancestor(&self.git(), &tips).ok().flatten(),
        };
        let base = self.run_base.or_else(common);
        let bases = match straight {
            Some(straight) => Detector::straight_bases(straight, &tips),
            None => self.bases(base, &tips),
        };
        // One that shares nothing with the others, such as a branch for web pages, must not keep
        // the rest from having a base.
        let base = base.or(bases.below_most());
        let engine = self.engine(base.unwrap_or(tips[0]))?;
        Ok(Scene {
            store: engine.store()?,
            engine,
            bases,
            commits: tips,
            trees,
            base,
            asked_base: None,
            prune,
        })
    }

    fn engine(&self, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        match &self.quarantine {
            Some(shared) => {
                MergeEngine::in_quarantine(&self.repo, Arc::clone(shared), attributes_from)
            }
            None => MergeEngine::quarantined(&self.repo, attributes_from),
        }
    }

    /// The merge bases of all pairs; `base` is a commit below most of them, so that not all of
    /// history has to be read.
    fn bases(&mut self, base: Option<Oid>, tips: &[Oid]) -> Arc<Bases> {
        if let Some((known_tips, known_base, bases)) = &self.bases
            && known_tips == tips
            && *known_base == base
        {
            return Arc::clone(bases);
        }
        let mut bases = self.bases_above(base, tips);
        if base.is_some() && !bases.are_known() {
            let whole = self.bases_above(None, tips);
            if whole.are_known() {
                bases = whole;
            }
        }
        let bases = Arc::new(bases);
        self.bases = Some((tips.to_vec(), base, Arc::clone(&bases)));
        bases
    }

    fn straight_bases(straight: LinearHistory, tips: &[Oid]) -> Arc<Bases> {
        let known: Vec<Option<Oid>> = tips.iter().copied().map(Some).collect();
        Arc::new(Bases::new(&known, Some(straight.base), straight.commits))
    }

    fn bases_above(&self, base: Option<Oid>, tips: &[Oid]) -> Bases {
        let git = self.git();
        let known: Vec<Option<Oid>> = tips.iter().copied().map(Some).collect();
        if let Ok(history) = History::above(&git, tips, base) {
            return Bases::new(&known, base, history.commits());
        }
        // One branch whose history is missing must not keep the others from having one.
        let is_whole = |tip: &Oid| History::above(&git, &[*tip], base).is_ok();
        let known: Vec<Option<Oid>> = known.iter().map(|tip| tip.filter(is_whole)).collect();
        let whole: Vec<Oid> = known.iter().copied().flatten().collect();
        match History::above(&git, &whole, base) {
            Ok(history) => Bases::new(&known, base, history.commits()),
            Err(_) => Bases::new(&vec![None; tips.len()], None, []),
        }
    }

    /// git where it sees what is compared.
    fn git(&self) -> Git {
        let git = self.repo.git();
        match &self.quarantine {
            Some(quarantine) => git.env("GIT_OBJECT_DIRECTORY", quarantine.objects()),
            None => git,
        }
    }

    /// Every pair that has to be looked at, sorted, and what collides only on some file systems.
    pub(super) fn pairs(
        &mut self,
        scene: &Scene,
    ) -> Result<(Vec<Pair>, Vec<Colliding>), DetectError> {
        let (mut pairs, mut colliding) = (Vec::new(), Vec::new());
        let sharing = scene.bases.singles();
        let trees = sharing.iter().map(|s| scene.store.tree_of(s.base));
        let trees = trees.collect::<Result<Vec<Oid>, StoreError>>()?;
        let sharing: Vec<(Sharing, Oid)> = sharing.into_iter().zip(trees).collect();
        for some in cut_by_size(&sharing, |(sharing, _)| sharing.branches.len()) {
            let keys = some.iter().flat_map(|(sharing, tree)| {
                let branches = sharing.branches.iter();
                branches.map(|branch| (*tree, scene.trees[*branch]))
            });
            self.look_at(scene, keys)?;
            for (sharing, tree) in some {
                let found = self.pairs_over(scene, sharing, *tree, &mut colliding)?;
                pairs.extend(found);
            }
            self.make_room();
        }
        let odd = scene.bases.others();
        let odd = odd.into_iter().map(|(a, b)| self.odd_pair(scene, a, b));
        let mut odd = odd.collect::<Result<Vec<Pair>, DetectError>>()?;
        odd.sort_by_key(|pair| pair.base_tree);
        for some in odd.chunks(SIDES_AT_ONCE / 2) {
            self.look_at(scene, some.iter().flat_map(|pair| pair.sides(scene)))?;
            for pair in some {
                // After criss-cross merges any base will do: what both have from there is one name.
                if let Some(tree) = pair.base_tree {
                    let branches = [pair.a, pair.b];
                    let sides = self.sides(scene, tree, &branches)?;
                    colliding.extend(colliding_over(&branches, &sides, |_, _| true));
                }
            }
            self.make_room();
        }
        pairs.extend(odd);
        pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok((pairs, colliding))
    }

    /// The pairs with this single base that have to be looked at.
    fn pairs_over(
        &mut self,
        scene: &Scene,
        sharing: &Sharing,
        base_tree: Oid,
        colliding: &mut Vec<Colliding>,
    ) -> Result<Vec<Pair>, DetectError> {
        let Sharing { base, branches, .. } = sharing;
        let has_base = |a: usize, b: usize| scene.bases.of(a, b) == Base::One(*base);
        let sides = self.sides(scene, base_tree, branches)?;
        colliding.extend(colliding_over(branches, &sides, has_base));
        let has_base = |a: usize, b: usize| has_base(branches[a], branches[b]);
        let footprints: Vec<&Footprint> = sides.iter().map(|side| &side.footprint).collect();
        let candidates = match (scene.prune, sharing.all_pairs) {
            (true, true) => prune::candidates_among(&footprints),
            (true, false) => prune::candidates_of(&footprints, has_base),
            (false, _) => {
                let mut all = all_pairs(branches.len());
                all.retain(|(a, b)| has_base(*a, *b));
                all
            }
        };
        let pair = |(a, b): (usize, usize)| {
            self.single_base_pair(scene, branches[a], branches[b], *base, base_tree)
        };
        Ok(candidates.into_iter().map(pair).collect())
    }

    fn single_base_pair(&self, scene: &Scene, a: usize, b: usize, base: Oid, tree: Oid) -> Pair {
        Pair {
            a,
            b,
            key: Key {
                base: Some(tree),
                attributes: self.run_base.or(self.options.base).unwrap_or(base),
                a: scene.commits[a],
                b: scene.commits[b],
            },
            bases: vec![self.options.base.unwrap_or(base)],
            base_tree: Some(tree),
        }
    }

    /// A pair whose history has to be asked for: git finds the bases while it merges; ours are
    /// only for the names of what was found.
    fn odd_pair(&self, scene: &Scene, a: usize, b: usize) -> Result<Pair, DetectError> {
        let (tip_a, tip_b) = (scene.commits[a], scene.commits[b]);
        let bases = match scene.bases.best(a, b) {
            Some(bases) => bases.to_vec(),
            None => scene.store.merge_bases(tip_a, tip_b).unwrap_or_default(),
        };
        let base_tree = match bases.first() {
            Some(base) => Some(scene.store.tree_of(*base)?),
            None => None,
        };
        let first = bases.first().copied();
        Ok(Pair {
            a,
            b,
            key: Key {
                base: None,
                attributes: self.run_base.or(first).or(scene.base).unwrap_or(tip_a),
                a: tip_a,
                b: tip_b,
            },
            bases,
            base_tree,
        })
    }

    /// What one branch does to a base tree.
    pub(super) fn side(
        &mut self,
        scene: &Scene,
        base: Oid,
        branch: usize,
    ) -> Result<Arc<Side>, DetectError> {
        let sides = self.sides(scene, base, &[branch])?;
        Ok(sides.into_iter().next().unwrap_or_default())
    }

    /// What each of these branches does to a base tree.
    pub(super) fn sides(
        &mut self,
        scene: &Scene,
        base: Oid,
        branches: &[usize],
    ) -> Result<Vec<Arc<Side>>, DetectError> {
        let keys = branches.iter().map(|branch| (base, scene.trees[*branch]));
        self.look_at(scene, keys.clone())?;
        let known = keys.map(|key| self.sides.get(&key).cloned().unwrap_or_default());
        Ok(known.collect())
    }

    /// Finds out, all at once, what is not known yet of these (base tree, tree of a branch).
    pub(super) fn look_at(
        &mut self,
        scene: &Scene,
        keys: impl Iterator<Item = (Oid, Oid)>,
    ) -> Result<(), DetectError> {
        let unknown = keys.filter(|key| !self.sides.contains_key(key));
        let unknown: BTreeSet<(Oid, Oid)> = unknown.collect();
        let unknown: Vec<(Oid, Oid)> = unknown.into_iter().collect();
        let found = scene.engine.tree_changes(&unknown)?;
        for (key, found) in unknown.into_iter().zip(found) {
            self.sides.insert(key, Arc::new(Side::new(found)));
        }
        Ok(())
    }

    /// Drops what was found out if it is too much to keep.
    pub(super) fn make_room(&mut self) {
        let changes = self.sides.values().map(|side| side.changes.len());
        if changes.sum::<usize>() > CHANGES_KEPT {
            self.sides.clear();
        }
    }
}

impl Pair {
    /// The (base tree, tree of a branch) of both sides, where there is a base.
    pub(super) fn sides(&self, scene: &Scene) -> impl Iterator<Item = (Oid, Oid)> + use<> {
        let trees = [scene.trees[self.a], scene.trees[self.b]];
        let base = self.base_tree.into_iter();
        base.flat_map(move |base| trees.map(|tree| (base, tree)))
    }
}

impl Side {
    pub(super) fn as_seen(&self) -> (&[Change], &Footprint) {
        (&self.changes, &self.footprint)
    }

    fn new(found: TreeChanges) -> Side {
        let footprint = Footprint::new(&found.changes, found.removed_directories);
        Side {
            changes: found.changes,
            footprint,
        }
    }
}

fn tips(branches: &[Branch]) -> Vec<Oid> {
    branches.iter().map(|branch| branch.tip).collect()
}

/// Cuts a list where what it takes adds up to [`SIDES_AT_ONCE`].
fn cut_by_size<T>(list: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut batches, mut start, mut taken) = (Vec::new(), 0, 0);
    for (place, one) in list.iter().enumerate() {
        if place > start && taken + size(one) > SIDES_AT_ONCE {
            batches.push(&list[start..place]);
            (start, taken) = (place, 0);
        }
        taken += size(one);
    }
    batches.push(&list[start..]);
    batches
}

fn all_pairs(count: usize) -> Vec<(usize, usize)> {
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    pairs.collect()
}
