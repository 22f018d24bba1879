//! Pairs that git merges clean and that no checkout can hold everywhere.

use std::sync::Arc;

use crate::conflict::names::colliding_names;
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, PairVerdict, Unit, Verdict};
use crate::model::ids::Oid;

use super::Side;

/// Two branches that add such names over a base, with all of these.
pub(super) struct Colliding {
    base: Oid,
    pair: (usize, usize),
    paths: Vec<RepoPath>,
}

/// Those of the given pairs that add such names over one base.
pub(super) fn colliding_over(
    base: Oid,
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
            base,
            pair: (a, b),
            paths,
        })
        .collect()
}

/// Adds the unit `case-collision` to the pairs it concerns; the verdict stays git's.
pub(super) fn add_colliding_names(colliding: Vec<Colliding>, pairs: &mut Vec<PairVerdict>) {
    for Colliding { base, pair, paths } in colliding {
        add_unit(pairs, base, pair, paths);
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
