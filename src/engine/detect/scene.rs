//! What one call looks at: the branches with their trees, and the pairs that need a look.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::conflict::bases::{Base, Bases};
use crate::conflict::footprint::Footprint;
use crate::conflict::prune;
use crate::engine::detect::{Above, Branch, DetectError, Detector, Key, Side};
use crate::git::ancestry::{History, common_ancestor};
use crate::git::merge_tree::{MergeEngine, MergeError};
use crate::git::tree_diff::TreeChanges;
use crate::git::{Git, Store, StoreError};
use crate::model::ids::Oid;
use crate::model::merge::Lineage;

/// The branches of one call, with their trees.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) engine: MergeEngine,
    /// What is merged: the tips, or throwaway commits over the base that was asked for.
    pub(super) commits: Vec<Oid>,
    pub(super) trees: Vec<Oid>,
    pub(super) bases: Bases,
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

impl Detector {
    pub(super) fn scene(&mut self, branches: &[Branch]) -> Result<Scene, DetectError> {
        let tips: Vec<Oid> = branches.iter().map(|branch| branch.tip).collect();
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
                bases: Bases::all(root, commits.len()),
                commits,
                trees,
                base: Some(base),
                asked_base: Some(root),
                prune,
            });
        }
        let base = match self.run_base {
            Some(base) => Some(base),
            None => self.common_base(&store, &tips),
        };
        let above = self.above(&store, base, &tips);
        let above: Vec<_> = above
            .iter()
            .map(|a| a.as_deref().map(Vec::as_slice))
            .collect();
        let engine = self.engine(base.unwrap_or(tips[0]))?;
        Ok(Scene {
            store: engine.store()?,
            engine,
            bases: Bases::new(base, &above),
            commits: tips,
            trees,
            base,
            asked_base: None,
            prune,
        })
    }

    fn engine(&self, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        match &self.quarantine {
            Some(shared) => MergeEngine::within(&self.repo, Arc::clone(shared), attributes_from),
            None => MergeEngine::quarantined(&self.repo, attributes_from),
        }
    }

    /// What each branch has above the base; `None` if it does not stand on it, or if its history
    /// cannot be walked, so that nothing is concluded from it.
    fn above(&mut self, store: &Store, base: Option<Oid>, tips: &[Oid]) -> Vec<Above> {
        let is_new = |tip: &&Oid| !self.above.contains_key(&(base, **tip));
        let new: Vec<Oid> = tips.iter().filter(is_new).copied().collect();
        let history = match new.len() {
            0 => None,
            _ => History::above(&self.git(), &new, base).ok(),
        };
        for tip in new {
            let commits = match &history {
                Some(history) => Some(history.of(tip)),
                // One branch whose history is missing must not keep the others from having one.
                None => store.commits_above(tip, base).ok(),
            };
            let on_base = |commits: &Vec<Lineage>| {
                base.is_none_or(|base| {
                    tip == base || commits.iter().any(|(_, parents)| parents.contains(&base))
                })
            };
            let above = commits.filter(on_base).map(Arc::new);
            self.above.insert((base, tip), above);
        }
        let known = tips.iter().map(|tip| self.above.get(&(base, *tip)));
        known.map(|above| above.cloned().flatten()).collect()
    }

    /// git where it sees what is compared.
    fn git(&self) -> Git {
        let git = self.repo.git();
        match &self.quarantine {
            Some(quarantine) => git.env("GIT_OBJECT_DIRECTORY", quarantine.objects()),
            None => git,
        }
    }

    fn common_base(&self, store: &Store, tips: &[Oid]) -> Option<Oid> {
        match common_ancestor(&self.git(), tips) {
            Ok(Some(base)) => Some(base),
            _ => base_of_most(store, tips),
        }
    }

    /// Every pair that has to be looked at, sorted.
    pub(super) fn pairs(&mut self, scene: &Scene) -> Result<Vec<Pair>, DetectError> {
        let mut pairs = Vec::new();
        for (base, branches) in scene.bases.singles() {
            let base_tree = scene.store.tree_of(base)?;
            let sides = self.sides(scene, base_tree, &branches)?;
            let candidates = if scene.prune {
                let footprints: Vec<&Footprint> = sides.iter().map(|s| &s.footprint).collect();
                prune::candidates_among(&footprints)
            } else {
                all_pairs(branches.len())
            };
            for (a, b) in candidates {
                let (a, b) = (branches[a], branches[b]);
                if scene.bases.of(a, b) == Base::One(base) {
                    pairs.push(self.single_base_pair(scene, a, b, base, base_tree));
                }
            }
        }
        let odd = scene.bases.others();
        let odd = odd.into_iter().map(|(a, b)| self.odd_pair(scene, a, b));
        let odd = odd.collect::<Result<Vec<Pair>, DetectError>>()?;
        self.look_at(scene, odd.iter().flat_map(|pair| pair.sides(scene)))?;
        pairs.extend(odd);
        pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok(pairs)
    }

    fn single_base_pair(&self, scene: &Scene, a: usize, b: usize, base: Oid, tree: Oid) -> Pair {
        // With one base the trees decide; who asks for all pairs gets a merge for each.
        let sides = if scene.prune {
            &scene.trees
        } else {
            &scene.commits
        };
        let side = |branch: usize| sides[branch];
        Pair {
            a,
            b,
            key: Key {
                base: Some(tree),
                attributes: self.run_base.or(self.options.base).unwrap_or(base),
                a: side(a),
                b: side(b),
            },
            bases: vec![self.options.base.unwrap_or(base)],
            base_tree: Some(tree),
        }
    }

    /// A pair whose history has to be asked for: git finds the bases while it merges; ours are
    /// only for the names of what was found.
    fn odd_pair(&self, scene: &Scene, a: usize, b: usize) -> Result<Pair, DetectError> {
        let (tip_a, tip_b) = (scene.commits[a], scene.commits[b]);
        let bases = scene.store.merge_bases(tip_a, tip_b).unwrap_or_default();
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
    fn look_at(
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
    fn new(found: TreeChanges) -> Side {
        let footprint = Footprint::new(&found.changes, found.removed_directories);
        Side {
            changes: found.changes,
            footprint,
        }
    }
}

/// A commit below most of the branches. One that shares nothing with the others, such as a branch
/// for web pages, must not keep the rest from having a base.
fn base_of_most(store: &Store, tips: &[Oid]) -> Option<Oid> {
    let (mut most, mut found) = (0, None);
    let mut rest = tips.to_vec();
    while rest.len() > most {
        let mut base = rest[0];
        let (mut standing, mut aside) = (0, Vec::new());
        for tip in rest {
            match store.common_ancestor(&[base, tip]) {
                Ok(Some(ancestor)) => (base, standing) = (ancestor, standing + 1),
                _ => aside.push(tip),
            }
        }
        if standing > most {
            (most, found) = (standing, Some(base));
        }
        if standing == 0 {
            break;
        }
        rest = aside;
    }
    found
}

fn all_pairs(count: usize) -> Vec<(usize, usize)> {
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    pairs.collect()
}
