//! Finds the pairs of a comparison that need a verdict.

use crate::conflicts::branch_changes::{ChangeCache, READ_AT_ONCE};
use crate::conflicts::comparison::Comparison;
use crate::conflicts::error::DetectError;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merge_bases::{Base, SharedBase, pairs};
use crate::conflicts::name_collisions::{NameCollision, collisions_among};
use crate::conflicts::options::Settings;
use crate::conflicts::pair::{Pair, PairKey};
use crate::conflicts::prune;
use crate::git::StoreError;
use crate::merge::oid::Oid;

/// The pairs that need a verdict, sorted, and colliding names.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) pairs: Vec<Pair>,
    pub(super) collisions: Vec<NameCollision>,
}

/// Finds the pairs that need a verdict.
pub(super) fn candidates(
    settings: &Settings,
    comparison: &Comparison,
    changes: &mut ChangeCache,
) -> Result<Candidates, DetectError> {
    let mut finder = Finder {
        settings,
        comparison,
        changes,
        found: Candidates::default(),
    };
    finder.add_pairs_with_single_base()?;
    finder.add_other_pairs()?;
    let mut found = finder.found;
    found.pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
    Ok(found)
}

struct Finder<'a> {
    settings: &'a Settings,
    comparison: &'a Comparison,
    changes: &'a mut ChangeCache,
    found: Candidates,
}

impl Finder<'_> {
    fn add_pairs_with_single_base(&mut self) -> Result<(), DetectError> {
        let shared = self.comparison.bases.shared();
        let trees = shared
            .iter()
            .map(|shared| self.comparison.store.tree_of(shared.base));
        let trees = trees.collect::<Result<Vec<Oid>, StoreError>>()?;
        let shared: Vec<(SharedBase, Oid)> = shared.into_iter().zip(trees).collect();
        for some in split_by_size(&shared, |(shared, _)| shared.branches.len()) {
            let pairs = some.iter().flat_map(|(shared, tree)| {
                let branches = shared.branches.iter();
                branches.map(|branch| (*tree, self.comparison.trees[*branch]))
            });
            self.changes.load(&self.comparison.engine, pairs)?;
            for (shared, tree) in some {
                self.add_pairs_on(shared, *tree)?;
            }
            self.changes.trim();
        }
        Ok(())
    }

    /// Adds the pairs with this single merge base that are not independent.
    fn add_pairs_on(&mut self, shared: &SharedBase, base_tree: Oid) -> Result<(), DetectError> {
        let SharedBase { base, branches, .. } = shared;
        let comparison = self.comparison;
        let trees = branches.iter().map(|branch| comparison.trees[*branch]);
        let changes = self.changes.of(&comparison.engine, base_tree, trees)?;
        let footprints: Vec<&Footprint> = changes.iter().map(|known| &known.footprint).collect();
        let has_base = |a: usize, b: usize| comparison.bases.of(a, b) == Base::One(*base);
        let collisions = name_collisions(branches, &footprints).into_iter();
        let collisions = collisions.filter(|found| has_base(found.pair.0, found.pair.1));
        self.found.collisions.extend(collisions);
        let is_pair = |a: usize, b: usize| has_base(branches[a], branches[b]);
        let candidates = match (comparison.prune, shared.all_pairs) {
            (true, true) => prune::candidates_among(&footprints),
            (true, false) => prune::candidates_of(&footprints, is_pair),
            (false, _) => pairs(branches.len())
                .filter(|(a, b)| is_pair(*a, *b))
                .collect(),
        };
        let pair =
            |(a, b): (usize, usize)| self.pair_on(branches[a], branches[b], *base, base_tree);
        let found: Vec<Pair> = candidates.into_iter().map(pair).collect();
        self.found.pairs.extend(found);
        Ok(())
    }

    fn pair_on(&self, a: usize, b: usize, base: Oid, base_tree: Oid) -> Pair {
        let Comparison { commits, trees, .. } = self.comparison;
        let given = self.settings.options.base;
        Pair {
            a,
            b,
            key: PairKey {
                base: Some(base_tree),
                attributes: self.settings.common_base.or(given).unwrap_or(base),
                a: commits[a],
                b: commits[b],
            },
            bases: vec![given.unwrap_or(base)],
            base_tree: Some(base_tree),
            trees: [trees[a], trees[b]],
        }
    }

    /// Adds the pairs whose merge bases git has to find while it merges them.
    fn add_other_pairs(&mut self) -> Result<(), DetectError> {
        let others = self.comparison.bases.without_single_base().into_iter();
        let others = others.map(|(a, b)| self.pair_of_history(a, b));
        let mut others = others.collect::<Result<Vec<Pair>, DetectError>>()?;
        others.sort_by_key(|pair| pair.base_tree);
        let engine = &self.comparison.engine;
        for some in others.chunks(READ_AT_ONCE / 2) {
            let trees = some.iter().flat_map(Pair::tree_pairs);
            self.changes.load(engine, trees)?;
            for pair in some {
                // After criss-cross merges any base will do: both got the same from there.
                if let Some(base) = pair.base_tree {
                    let changes = self.changes.of(engine, base, pair.trees.into_iter())?;
                    let footprints = [&changes[0].footprint, &changes[1].footprint];
                    let collisions = name_collisions(&[pair.a, pair.b], &footprints);
                    self.found.collisions.extend(collisions);
                }
            }
            self.changes.trim();
        }
        self.found.pairs.extend(others);
        Ok(())
    }

    /// Builds a pair with several merge bases, or unknown ones; these only serve reports.
    fn pair_of_history(&self, a: usize, b: usize) -> Result<Pair, DetectError> {
        let comparison = self.comparison;
        let (commits, trees) = (&comparison.commits, &comparison.trees);
        let bases = match comparison.bases.best(a, b) {
            Some(bases) => bases.to_vec(),
            None => comparison
                .store
                .merge_bases(commits[a], commits[b])
                .unwrap_or_default(),
        };
        let first = bases.first().copied();
        let base_tree = first
            .map(|base| comparison.store.tree_of(base))
            .transpose()?;
        let attributes = self.settings.common_base.or(first).or(comparison.base);
        Ok(Pair {
            a,
            b,
            key: PairKey {
                base: None,
                attributes: attributes.unwrap_or(commits[a]),
                a: commits[a],
                b: commits[b],
            },
            bases,
            base_tree,
            trees: [trees[a], trees[b]],
        })
    }
}

fn name_collisions(branches: &[usize], footprints: &[&Footprint]) -> Vec<NameCollision> {
    let added = branches.iter().zip(footprints);
    let added: Vec<_> = added
        .map(|(branch, footprint)| (*branch, footprint.added.as_slice()))
        .collect();
    collisions_among(&added)
}

/// Splits a list into parts whose sizes add up to at most [`READ_AT_ONCE`], if possible.
fn split_by_size<T>(list: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut start, mut taken) = (Vec::new(), 0, 0);
    for (index, one) in list.iter().enumerate() {
        if index > start && taken + size(one) > READ_AT_ONCE {
            parts.push(&list[start..index]);
            (start, taken) = (index, 0);
        }
        taken += size(one);
    }
    parts.push(&list[start..]);
    parts
}
