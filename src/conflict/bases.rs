//! The merge base of every pair of branches, without asking for each of the N² pairs.
//!
//! One commit B below all branches is known, and for every branch the commits it has above B. Two
//! branches that share none of these have B as their single merge base. Where commits are shared
//! (a branch built on another, branches that left the main line at different places), all that
//! matters is which, so branches are grouped by their set of shared commits and each pair of groups
//! is looked at once.

use std::collections::{HashMap, HashSet};

use crate::model::ids::Oid;
use crate::model::merge::Lineage;

/// What two branches have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// Exactly one best common ancestor.
    One(Oid),
    /// Several, as after a criss-cross merge.
    Several,
    /// Nothing.
    Unrelated,
    /// B is not below one of the two, so what is known says nothing.
    Unknown,
}

/// The bases of all pairs of a list of branches.
#[derive(Debug)]
pub struct Bases {
    group_of: Vec<Option<usize>>,
    members: Vec<Vec<usize>>,
    table: Vec<Base>,
}

impl Bases {
    /// Every pair has this base: the branches were made on top of it.
    pub fn all(base: Oid, branches: usize) -> Bases {
        Bases {
            group_of: vec![Some(0); branches],
            members: vec![(0..branches).collect()],
            table: vec![Base::One(base)],
        }
    }

    /// From the commits each branch has above `base`, with their parents; `None` in `base` for
    /// histories with nothing in common, `None` for a branch that does not stand on `base`.
    pub fn new(base: Option<Oid>, above: &[Option<&[Lineage]>]) -> Bases {
        let shared = Shared::new(base, above);
        let mut groups: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut group_of = Vec::with_capacity(above.len());
        for (branch, commits) in above.iter().enumerate() {
            let group = commits.map(|commits| {
                let key = shared.among(commits);
                *groups.entry(key).or_insert_with(|| {
                    members.push(Vec::new());
                    members.len() - 1
                })
            });
            if let Some(group) = group {
                members[group].push(branch);
            }
            group_of.push(group);
        }
        let mut sets = vec![Vec::new(); members.len()];
        for (set, group) in groups {
            sets[group] = set;
        }
        let pairs = sets.iter().flat_map(|a| sets.iter().map(move |b| (a, b)));
        let table = pairs.map(|(a, b)| shared.base_of(base, a, b)).collect();
        Bases {
            group_of,
            members,
            table,
        }
    }

    /// What two branches have in common.
    pub fn of(&self, a: usize, b: usize) -> Base {
        match (self.group_of[a], self.group_of[b]) {
            (Some(a), Some(b)) => self.table[a * self.members.len() + b],
            _ => Base::Unknown,
        }
    }

    /// Every single base with the branches that have it with some other branch, in ascending order.
    pub fn singles(&self) -> Vec<(Oid, Vec<usize>)> {
        let groups = self.members.len();
        let mut involved: HashMap<Oid, Vec<bool>> = HashMap::new();
        for (place, base) in self.table.iter().enumerate() {
            let (a, b) = (place / groups, place % groups);
            if let Base::One(base) = base
                && (a != b || self.members[a].len() > 1)
            {
                let flags = involved.entry(*base).or_insert_with(|| vec![false; groups]);
                (flags[a], flags[b]) = (true, true);
            }
        }
        let branches = |flags: &[bool]| {
            let chosen = self.members.iter().zip(flags).filter(|(_, flag)| **flag);
            let mut branches: Vec<usize> = chosen.flat_map(|(m, _)| m.clone()).collect();
            branches.sort_unstable();
            branches
        };
        let mut singles: Vec<_> = involved
            .iter()
            .map(|(base, flags)| (*base, branches(flags)))
            .collect();
        singles.sort();
        singles
    }

    /// Every pair without a single known base, sorted.
    pub fn others(&self) -> Vec<(usize, usize)> {
        let groups = self.members.len();
        let plain = self.group_of.iter().all(Option::is_some);
        if plain && self.table.iter().all(|base| matches!(base, Base::One(_))) {
            return Vec::new();
        }
        let mut pairs = Vec::new();
        for a in 0..self.group_of.len() {
            let row =
                self.group_of[a].map(|group| &self.table[group * groups..(group + 1) * groups]);
            if plain && row.is_some_and(|row| row.iter().all(|base| matches!(base, Base::One(_)))) {
                continue;
            }
            let odd = |b: &usize| !matches!(self.of(a, *b), Base::One(_));
            pairs.extend((a + 1..self.group_of.len()).filter(odd).map(|b| (a, b)));
        }
        pairs
    }
}

/// The commits that more than one branch has above the common base.
struct Shared {
    index: HashMap<Oid, usize>,
    commits: Vec<Oid>,
    parents: Vec<Vec<usize>>,
    touches_base: Vec<bool>,
}

impl Shared {
    fn new(base: Option<Oid>, above: &[Option<&[Lineage]>]) -> Shared {
        let mut owners: HashMap<Oid, usize> = HashMap::new();
        for (oid, _) in above.iter().copied().flatten().flatten() {
            *owners.entry(*oid).or_default() += 1;
        }
        let mut shared = Shared {
            index: HashMap::new(),
            commits: Vec::new(),
            parents: Vec::new(),
            touches_base: Vec::new(),
        };
        let mut parents: Vec<&[Oid]> = Vec::new();
        for (oid, above) in above.iter().copied().flatten().flatten() {
            if owners[oid] > 1 && !shared.index.contains_key(oid) {
                shared.index.insert(*oid, parents.len());
                shared.commits.push(*oid);
                parents.push(above);
            }
        }
        for above in parents {
            // Whoever has a commit has its parents, so a parent that is not shared is below B.
            let known = above
                .iter()
                .filter_map(|oid| shared.index.get(oid).copied());
            shared.parents.push(known.collect());
            shared
                .touches_base
                .push(above.iter().any(|oid| Some(*oid) == base));
        }
        shared
    }

    fn among(&self, commits: &[Lineage]) -> Vec<usize> {
        let mut set: Vec<usize> = commits
            .iter()
            .filter_map(|(oid, _)| self.index.get(oid).copied())
            .collect();
        set.sort_unstable();
        set
    }

    /// The best common ancestors are the commits of both sets that are no parent in there, and B
    /// unless one of the sets' commits stands on it.
    fn base_of(&self, base: Option<Oid>, a: &[usize], b: &[usize]) -> Base {
        let common: Vec<usize> = a
            .iter()
            .copied()
            .filter(|commit| b.binary_search(commit).is_ok())
            .collect();
        if common.is_empty() {
            return base.map_or(Base::Unrelated, Base::One);
        }
        let parents = common.iter().flat_map(|commit| &self.parents[*commit]);
        let parents: HashSet<usize> = parents.copied().collect();
        let best: Vec<usize> = common
            .iter()
            .copied()
            .filter(|commit| !parents.contains(commit))
            .collect();
        let stands_on_base = common.iter().any(|commit| self.touches_base[*commit]);
        match best.as_slice() {
            [one] if base.is_none() || stands_on_base => Base::One(self.commits[*one]),
            _ => Base::Several,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn oid(letter: char) -> Oid {
        Oid::from_bytes([letter as u8; 20])
    }

    /// `c:ba d:b` is commits with their parents; a branch is all that is listed for it.
    fn branch(text: &str) -> Vec<Lineage> {
        let commit = |word: &str| {
            let (name, parents) = word.split_once(':').unwrap();
            let name = oid(name.chars().next().unwrap());
            (name, parents.chars().map(oid).collect())
        };
        text.split_whitespace().map(commit).collect()
    }

    fn bases(branches: &[&str]) -> String {
        let branches: Vec<_> = branches.iter().map(|text| branch(text)).collect();
        let above: Vec<_> = branches.iter().map(|b| Some(b.as_slice())).collect();
        let bases = Bases::new(Some(oid('B')), &above);
        let mut words = Vec::new();
        for a in 0..branches.len() {
            for b in a + 1..branches.len() {
                assert_eq!(bases.of(a, b), bases.of(b, a));
                words.push(match bases.of(a, b) {
                    Base::One(oid) => (oid.as_bytes()[0] as char).to_string(),
                    other => format!("{other:?}").to_lowercase(),
                });
            }
        }
        words.join(" ")
    }

    #[test]
    fn branches_that_share_nothing_have_the_common_base() {
        assert_eq!(bases(&["a:B", "b:B", "d:c c:B"]), "B B B");
    }

    #[test]
    fn a_branch_built_on_another_has_it_as_base() {
        assert_eq!(bases(&["a:B", "c:a a:B", "b:B"]), "a B B");
    }

    #[test]
    fn two_dependents_of_one_task_share_it() {
        assert_eq!(bases(&["c:a a:B", "d:a a:B"]), "a");
    }

    #[test]
    fn dependents_of_the_same_two_tasks_are_a_criss_cross() {
        assert_eq!(bases(&["m:ab a:B b:B", "n:ab a:B b:B"]), "several");
    }

    #[test]
    fn branches_from_different_places_of_the_main_line() {
        assert_eq!(bases(&["x:1 1:B", "y:2 2:1 1:B", "z:B"]), "1 B B");
    }

    #[test]
    fn something_shared_that_does_not_stand_on_the_base_is_a_second_base() {
        assert_eq!(bases(&["m:BQ Q:", "n:BQ Q:"]), "several");
    }

    #[test]
    fn the_branch_that_is_the_base() {
        assert_eq!(bases(&["", "a:B"]), "B");
    }

    #[test]
    fn singles_and_others_are_all_pairs_once() {
        let texts = ["a:B", "c:a a:B", "m:ab a:B b:B", "n:ab a:B b:B", "z:B"];
        let branches: Vec<_> = texts.iter().map(|text| branch(text)).collect();
        let above: Vec<_> = branches.iter().map(|b| Some(b.as_slice())).collect();
        let bases = Bases::new(Some(oid('B')), &above);
        assert_eq!(bases.others(), [(2, 3)]);
        for (base, branches) in bases.singles() {
            assert!(branches.len() > 1 && branches.is_sorted());
            let with_it = |a: usize| {
                branches
                    .iter()
                    .any(|b| a != *b && bases.of(a, *b) == Base::One(base))
            };
            assert!(branches.iter().all(|a| with_it(*a)));
        }
    }
}
