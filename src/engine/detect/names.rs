//! Pairs that git merges clean and that no checkout can hold everywhere.

use crate::conflict::bases::Base;
use crate::conflict::names::colliding_names;
use crate::engine::detect::scene::Scene;
use crate::engine::detect::{DetectError, Detector};
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, PairVerdict, Unit, Verdict};
use crate::model::ids::Oid;

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
                    add_unit(pairs, base, (a, b), paths);
                }
            }
        }
        for (a, b) in scene.bases.others() {
            // After criss-cross merges any base will do: what both have from there is one name.
            let bases = scene.store.merge_bases(scene.commits[a], scene.commits[b]);
            let Some(base) = bases.unwrap_or_default().first().copied() else {
                continue;
            };
            let tree = scene.store.tree_of(base)?;
            let one = self.side(scene, tree, a)?;
            let other = self.side(scene, tree, b)?;
            let added = [(a, &one), (b, &other)]
                .map(|(branch, side)| (branch, side.footprint.added.as_slice()));
            for (a, b, paths) in colliding_names(&added) {
                add_unit(pairs, base, (a, b), paths);
            }
        }
        Ok(())
    }
}

fn add_unit(pairs: &mut Vec<PairVerdict>, base: Oid, (a, b): (usize, usize), paths: Vec<RepoPath>) {
    let class = Class::CaseCollision;
    let place = match pairs.binary_search_by_key(&(a, b), |pair| (pair.a, pair.b)) {
        Ok(place) => place,
        Err(place) => {
            let pair = PairVerdict {
                a,
                b,
                bases: vec![base],
                attributes: None,
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
