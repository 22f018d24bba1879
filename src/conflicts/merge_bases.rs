//! The merge bases of every pair of branches, from one walk over their history.

use crate::conflicts::base_walk::BaseWalk;
use crate::conflicts::pair_table::PairTable;
use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;

/// The merge base of two branches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Base {
    /// Exactly one best common ancestor.
    One(Oid),
    /// Several, as after a criss-cross merge.
    Several,
    /// No common history.
    Unrelated,
    /// Not known, because history of one of the two is missing.
    Unknown,
}

/// The branches that share one single merge base with some other branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SharedBase {
    pub(super) base: Oid,
    /// The branches, ascending.
    pub(super) branches: Vec<usize>,
    /// `true` if it is the merge base of every pair of them.
    pub(super) all_pairs: bool,
}

/// The merge bases of all pairs of a list of branches.
#[derive(Debug)]
pub(super) struct MergeBases {
    known: Vec<bool>,
    /// For every pair the index of its merge bases in `lists`.
    table: PairTable,
    lists: Vec<Vec<Oid>>,
    most_common: Option<Oid>,
}

impl MergeBases {
    /// Gives every pair this merge base.
    pub(super) fn all(base: Oid, branches: usize) -> MergeBases {
        MergeBases {
            known: vec![true; branches],
            table: PairTable::new(branches),
            lists: vec![vec![base]],
            most_common: Some(base),
        }
    }

    /// Finds the merge bases from the tips, `None` for one without known history, and all commits
    /// reachable from them but not from `below`, children before parents. A branch that does not
    /// stand on `below` counts as one without known history.
    pub(super) fn new(
        tips: &[Option<Oid>],
        below: Option<Oid>,
        history: impl IntoIterator<Item = Lineage>,
    ) -> MergeBases {
        let mut walk = BaseWalk::new(tips);
        for (commit, parents) in history {
            walk.visit(commit, &parents);
        }
        let mut known: Vec<bool> = tips.iter().map(Option::is_some).collect();
        if let Some(below) = below {
            walk.visit(below, &[]);
            for (branch, known) in known.iter_mut().enumerate() {
                *known = *known && walk.is_last_below(branch);
            }
        }
        let (table, lists, most_common) = walk.into_bases();
        MergeBases {
            known,
            table,
            lists,
            most_common,
        }
    }

    /// Returns `true` if the history of every branch is known.
    pub(super) fn are_known(&self) -> bool {
        self.known.iter().all(|known| *known)
    }

    /// Returns the newest commit below the most branches, if any is below two.
    pub(super) fn most_common(&self) -> Option<Oid> {
        self.most_common
    }

    /// Returns the merge base of two different branches.
    pub(super) fn of(&self, a: usize, b: usize) -> Base {
        match self.best(a, b) {
            None => Base::Unknown,
            Some([]) => Base::Unrelated,
            Some([one]) => Base::One(*one),
            Some(_) => Base::Several,
        }
    }

    /// Returns all best common ancestors of two different branches; `None` if they are not known.
    pub(super) fn best(&self, a: usize, b: usize) -> Option<&[Oid]> {
        let known = self.known[a] && self.known[b];
        let list = known.then(|| self.table.get(a, b))?;
        Some(&self.lists[list as usize])
    }

    /// Lists every single merge base with the branches that share it, by its id.
    pub(super) fn shared(&self) -> Vec<SharedBase> {
        let count = self.known.len();
        let mut sharers: Vec<Option<(Vec<bool>, usize)>> = vec![None; self.lists.len()];
        for (a, b, list) in self.table.iter() {
            let list = list as usize;
            if self.lists[list].len() == 1 && self.known[a] && self.known[b] {
                let (is_sharer, pairs) = sharers[list].get_or_insert((vec![false; count], 0));
                (is_sharer[a], is_sharer[b]) = (true, true);
                *pairs += 1;
            }
        }
        let shared = sharers.into_iter().zip(&self.lists);
        let shared = shared.filter_map(|(sharers, list)| {
            let (is_sharer, pairs) = sharers?;
            let branches: Vec<usize> = (0..count).filter(|branch| is_sharer[*branch]).collect();
            let all_pairs = pairs == count_pairs(branches.len());
            Some(SharedBase {
                base: list[0],
                branches,
                all_pairs,
            })
        });
        let mut shared: Vec<SharedBase> = shared.collect();
        shared.sort_by_key(|shared| shared.base);
        shared
    }

    /// Lists every pair without a single known merge base, sorted.
    pub(super) fn without_single_base(&self) -> Vec<(usize, usize)> {
        let has_none = |(a, b): &(usize, usize)| !matches!(self.of(*a, *b), Base::One(_));
        pairs(self.known.len()).filter(has_none).collect()
    }
}

/// Yields every pair of different numbers below `count`, sorted.
pub(super) fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

fn count_pairs(branches: usize) -> usize {
    branches * branches.saturating_sub(1) / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn oid(letter: char) -> Oid {
        Oid::from_bytes([letter as u8; 20])
    }

    /// Parses a branch: `c:ba d:b` is commits with their parents.
    fn branch(text: &str) -> Vec<Lineage> {
        let commit = |word: &str| {
            let (name, parents) = word.split_once(':').unwrap();
            let name = oid(name.chars().next().unwrap());
            (name, parents.chars().map(oid).collect())
        };
        text.split_whitespace().map(commit).collect()
    }

    /// Finds the merge bases of branches above the commit `B`.
    fn bases_of(branches: &[&str]) -> MergeBases {
        let branches: Vec<_> = branches.iter().map(|text| branch(text)).collect();
        let tips = branches
            .iter()
            .map(|b| Some(b.first().map_or(oid('B'), |c| c.0)));
        let tips: Vec<Option<Oid>> = tips.collect();
        // Children first: a commit comes after all of its children.
        let mut rest: Vec<Lineage> = branches.concat();
        rest.sort();
        rest.dedup();
        let mut history: Vec<Lineage> = Vec::new();
        while !rest.is_empty() {
            let has_child = |commit: &Lineage| rest.iter().any(|c| c.1.contains(&commit.0));
            let place = rest.iter().position(|commit| !has_child(commit)).unwrap();
            history.push(rest.remove(place));
        }
        MergeBases::new(&tips, Some(oid('B')), history)
    }

    fn bases(branches: &[&str]) -> String {
        let bases = bases_of(branches);
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
    fn independent_branches_have_the_common_base() {
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
    fn branches_from_different_commits_of_the_main_line() {
        assert_eq!(bases(&["x:1 1:B", "y:2 2:1 1:B", "z:B"]), "1 B B");
    }

    #[test]
    fn a_shared_commit_beside_the_base_is_a_second_base() {
        assert_eq!(bases(&["m:BQ Q:", "n:BQ Q:"]), "several");
    }

    #[test]
    fn the_branch_that_is_the_base() {
        assert_eq!(bases(&["", "a:B"]), "B");
    }

    #[test]
    fn a_branch_without_the_base_is_not_known() {
        assert_eq!(bases(&["a:B", "b:", "c:B"]), "unknown B unknown");
        assert!(!bases_of(&["a:B", "b:"]).are_known());
    }

    #[test]
    fn more_branches_than_bits_in_a_word() {
        let names = (b'C'..)
            .map(char::from)
            .filter(|name| !name.is_whitespace());
        let texts = names.take(70).map(|name| format!("{name}:12 1:B 2:B"));
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let bases = bases_of(&texts);
        assert!(bases.are_known() && bases.shared().is_empty());
        assert_eq!(bases.without_single_base().len(), 70 * 69 / 2);
        let both = bases.best(3, 69).map(<[Oid]>::len);
        assert_eq!(both, Some(2));
        assert_eq!(bases.most_common(), Some(oid('1')));
    }

    #[test]
    fn shared_bases_and_the_rest_are_all_pairs_once() {
        let bases = bases_of(&["a:B", "c:a a:B", "m:ab a:B b:B", "n:ab a:B b:B", "z:B"]);
        assert_eq!(bases.without_single_base(), [(2, 3)]);
        let mut found = vec![(2, 3)];
        for shared in bases.shared() {
            let branches = &shared.branches;
            assert!(branches.len() > 1 && branches.is_sorted());
            let all = pairs(5).filter(|(a, b)| branches.contains(a) && branches.contains(b));
            let (mine, others): (Vec<_>, Vec<_>) =
                all.partition(|(a, b)| bases.of(*a, *b) == Base::One(shared.base));
            assert_eq!(shared.all_pairs, others.is_empty());
            found.extend(mine);
        }
        found.sort_unstable();
        assert_eq!(found, pairs(5).collect::<Vec<_>>());
    }
}
