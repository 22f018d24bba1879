//! Pairs that git merges clean and that no checkout can hold everywhere.

use crate::conflict::bases::Base;
use crate::conflict::names::colliding_names;
use crate::engine::detect::scene::Scene;
use crate::engine::detect::{DetectError, Detector};
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, PairVerdict, Unit, Verdict};

impl Detector {
    /// Adds the unit `case-collision` to the pairs it concerns; the verdict stays git's.
    pub(super) fn add_colliding_names(
        &mut self,
        scene: &Scene,
        pairs: &mut Vec<PairVerdict>,
    ) -> Result<(), DetectError> {
        for (base, branches) in scene.bases.singles() {
            let tree = scene.store.tree_of(base)?;
            let sides = self.sides(scene, tree, &branches)?;
            let added = branches.iter().zip(&sides);
            let added: Vec<_> = added
                .map(|(branch, side)| (*branch, side.footprint.added.as_slice()))
                .collect();
            for (a, b, paths) in colliding_names(&added) {
                if scene.bases.of(a, b) == Base::One(base) {
                    add_unit(pairs, a, b, paths);
                }
            }
        }
        Ok(())
    }
}

fn add_unit(pairs: &mut Vec<PairVerdict>, a: usize, b: usize, paths: Vec<RepoPath>) {
    let class = Class::CaseCollision;
    let place = match pairs.binary_search_by_key(&(a, b), |pair| (pair.a, pair.b)) {
        Ok(place) => place,
        Err(place) => {
            let pair = PairVerdict {
                a,
                b,
                verdict: Verdict::Clean,
                class,
                severity: class.severity(),
                tree: None,
                units: Vec::new(),
                failure: None,
            };
            pairs.insert(place, pair);
            place
        }
    };
    let pair = &mut pairs[place];
    if pair.severity < class.severity() {
        (pair.class, pair.severity) = (class, class.severity());
    }
    pair.units.push(Unit {
        class,
        paths,
        hunks: Vec::new(),
    });
}
