//! Pairs that git merges clean and that no checkout can hold everywhere.

use std::sync::Arc;

use crate::conflicts::folded_names::colliding_names;
use crate::merge::change::RepoPath;
use crate::merge::verdict::{Class, PairVerdict, Unit};

use crate::conflicts::detector::Side;

/// Two branches that add such names over what they share, with all of these.
pub(super) struct Colliding {
    pair: (usize, usize),
    paths: Vec<RepoPath>,
}

/// Those of the given pairs that add such names over one base.
pub(super) fn colliding_over(
    branches: &[usize],
    sides: &[Arc<Side>],
    is_pair: impl Fn(usize, usize) -> bool,
) -> Vec<Colliding> {
    let added = branches.iter().zip(sides);
    let added: Vec<_> = added
        .map(|(branch, side)| (*branch, side.footprint.added.as_slice()))
        .collect();
    let found = colliding_names(&added).into_iter();
    let found = found.filter(|(a, b, _)| is_pair(*a, *b));
    found
        .map(|(a, b, paths)| Colliding {
            pair: (a, b),
            paths,
        })
        .collect()
}

/// Adds the unit `case-collision` to the pairs it concerns; the verdict stays git's. A pair that
/// needed no merge is not known yet: `unmerged` makes it.
pub(super) fn add_colliding_names(
    colliding: Vec<Colliding>,
    pairs: &mut Vec<PairVerdict>,
    unmerged: impl Fn(usize, usize) -> PairVerdict,
) {
    for Colliding { pair, paths } in colliding {
        add_unit(pairs, &unmerged, pair, paths);
    }
}

fn add_unit(
    pairs: &mut Vec<PairVerdict>,
    unmerged: impl Fn(usize, usize) -> PairVerdict,
    (a, b): (usize, usize),
    paths: Vec<RepoPath>,
) {
    let class = Class::CaseCollision;
    let place = match pairs.binary_search_by_key(&(a, b), |pair| (pair.a, pair.b)) {
        Ok(place) => place,
        Err(place) => {
            pairs.insert(place, unmerged(a, b));
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
