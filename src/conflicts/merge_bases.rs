//! The merge bases of every pair of branches, from one walk over their history.
//!
//! Every commit gets the set of branches it is an ancestor of, children before parents. What two
//! branches have in common is closed under "parent of", so a commit both have is one of their best
//! common ancestors exactly when no child of it is common to them, too. Nearly every commit has the
//! set of its only child, so only where histories fork or meet are pairs looked at at all.

use std::collections::{BTreeMap, HashMap};

use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;

/// What two branches have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// Exactly one best common ancestor.
    One(Oid),
    /// Several, as after a criss-cross merge.
    Several,
    /// Nothing.
    Unrelated,
    /// The history of one of the two is not known, so nothing is concluded from it.
    Unknown,
}

/// The branches that have one single merge base in common with some other branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sharing {
    /// The merge base.
    pub base: Oid,
    /// The branches, ascending.
    pub branches: Vec<usize>,
    /// Whether it is the merge base of every pair of them.
    pub all_pairs: bool,
}

/// The bases of all pairs of a list of branches.
#[derive(Debug)]
pub struct Bases {
    known: Vec<bool>,
    /// For every pair the place of its bases in `lists`.
    table: Vec<u32>,
    lists: Vec<Vec<Oid>>,
    below_most: Option<Oid>,
}

impl Bases {
    /// Every pair has this base: the branches were made on top of it.
    pub fn all(base: Oid, branches: usize) -> Bases {
        Bases {
            known: vec![true; branches],
            table: vec![0; pairs_of(branches)],
            lists: vec![vec![base]],
            below_most: Some(base),
        }
    }

    /// From the tips of the branches, `None` for one whose history is not known, and all commits
    /// they have and `below` has not, children before their parents. A branch that does not stand
    /// on `below` counts as one whose history is not known.
    pub fn new(
        tips: &[Option<Oid>],
        below: Option<Oid>,
        history: impl IntoIterator<Item = Lineage>,
    ) -> Bases {
        let mut walk = Walk::new(tips);
        for (commit, parents) in history {
            let set = walk.arrive(commit);
            for parent in parents {
                walk.hand_down(parent, set);
            }
        }
        let mut known: Vec<bool> = tips.iter().map(Option::is_some).collect();
        if let Some(below) = below {
            let set = walk.arrive(below);
            let on_it = &walk.sets[set as usize];
            for (branch, known) in known.iter_mut().enumerate() {
                *known = *known && on_it.has(branch);
            }
        }
        Bases {
            known,
            table: walk.table,
            lists: walk.lists,
            below_most: walk.below_most.map(|(_, commit)| commit),
        }
    }

    /// Whether the history of every branch is known.
    pub fn are_known(&self) -> bool {
        self.known.iter().all(|known| *known)
    }

    /// The newest commit that no other one has more branches on top of, if it is below two at all.
    pub fn below_most(&self) -> Option<Oid> {
        self.below_most
    }

    /// What two different branches have in common.
    pub fn of(&self, a: usize, b: usize) -> Base {
        match self.best(a, b) {
            None => Base::Unknown,
            Some([]) => Base::Unrelated,
            Some([one]) => Base::One(*one),
            Some(_) => Base::Several,
        }
    }

    /// All best common ancestors of two different branches, `None` if they are not known.
    pub fn best(&self, a: usize, b: usize) -> Option<&[Oid]> {
        let known = self.known[a] && self.known[b];
        let list = known.then(|| self.table[place_of(a, b)])?;
        Some(&self.lists[list as usize])
    }

    /// Every single base with the branches that have it with some other branch, by its id.
    pub fn singles(&self) -> Vec<Sharing> {
        let count = self.known.len();
        let mut involved: BTreeMap<Oid, (Vec<bool>, usize)> = BTreeMap::new();
        for (a, b) in pairs(count) {
            let Base::One(base) = self.of(a, b) else {
                continue;
            };
            let entry = involved.entry(base);
            let (flags, pairs) = entry.or_insert_with(|| (vec![false; count], 0));
            (flags[a], flags[b]) = (true, true);
            *pairs += 1;
        }
        let sharing = |(base, (flags, pairs)): (Oid, (Vec<bool>, usize))| {
            let branches: Vec<usize> = (0..count).filter(|branch| flags[*branch]).collect();
            let all_pairs = pairs == pairs_of(branches.len());
            Sharing {
                base,
                branches,
                all_pairs,
            }
        };
        involved.into_iter().map(sharing).collect()
    }

    /// Every pair without a single known base, sorted.
    pub fn others(&self) -> Vec<(usize, usize)> {
        let odd = |(a, b): &(usize, usize)| !matches!(self.of(*a, *b), Base::One(_));
        pairs(self.known.len()).filter(odd).collect()
    }
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

fn pairs_of(branches: usize) -> usize {
    branches * branches.saturating_sub(1) / 2
}

/// Where a pair stands in a table of all pairs of different branches.
fn place_of(a: usize, b: usize) -> usize {
    let (low, high) = (a.min(b), a.max(b));
    high * (high - 1) / 2 + low
}

/// A set of branches, a bit for each.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Set(Box<[u64]>);

impl Set {
    fn has(&self, branch: usize) -> bool {
        self.0[branch / 64] >> (branch % 64) & 1 == 1
    }

    fn add(&mut self, branch: usize) {
        self.0[branch / 64] |= 1 << (branch % 64);
    }

    fn add_all(&mut self, other: &Set) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn take_all(&mut self, other: &Set) {
        for (word, less) in self.0.iter_mut().zip(&other.0) {
            *word &= !less;
        }
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(nth, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(nth * 64 + bit)
            })
        })
    }
}

/// The way down through history. Few different sets of branches are met, so each is kept once and
/// known by its place.
struct Walk {
    tips: HashMap<Oid, Vec<usize>>,
    words: usize,
    sets: Vec<Set>,
    places: HashMap<Set, u32>,
    /// The different sets of the children that were met, for commits that were not.
    waiting: HashMap<Oid, Vec<u32>>,
    table: Vec<u32>,
    lists: Vec<Vec<Oid>>,
    /// The list that is another one with one more commit.
    longer: HashMap<(u32, Oid), u32>,
    below_most: Option<(u32, Oid)>,
}

impl Walk {
    fn new(tips: &[Option<Oid>]) -> Walk {
        let mut branches_at: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (branch, tip) in tips.iter().enumerate() {
            if let Some(tip) = tip {
                branches_at.entry(*tip).or_default().push(branch);
            }
        }
        Walk {
            tips: branches_at,
            words: tips.len().div_ceil(64),
            sets: Vec::new(),
            places: HashMap::new(),
            waiting: HashMap::new(),
            table: vec![0; pairs_of(tips.len())],
            lists: vec![Vec::new()],
            longer: HashMap::new(),
            below_most: None,
        }
    }

    /// The set of a commit all of whose children were met.
    fn arrive(&mut self, commit: Oid) -> u32 {
        let children = self.waiting.remove(&commit).unwrap_or_default();
        let here = self.tips.get(&commit);
        if let ([set], None) = (children.as_slice(), here) {
            return *set;
        }
        let mut set = Set(vec![0; self.words].into());
        for child in &children {
            set.add_all(&self.sets[*child as usize]);
        }
        for branch in here.into_iter().flatten() {
            set.add(*branch);
        }
        let place = self.intern(set);
        if !children.contains(&place) {
            self.note_base(commit, place, &children);
        }
        place
    }

    fn hand_down(&mut self, parent: Oid, set: u32) {
        let sets = self.waiting.entry(parent).or_default();
        if !sets.contains(&set) {
            sets.push(set);
        }
    }

    fn intern(&mut self, set: Set) -> u32 {
        if let Some(place) = self.places.get(&set) {
            return *place;
        }
        let place = number(self.sets.len());
        self.sets.push(set.clone());
        self.places.insert(set, place);
        place
    }

    /// Gives the commit as a base to the pairs that have it and none of its children.
    fn note_base(&mut self, commit: Oid, place: u32, children: &[u32]) {
        let set = self.sets[place as usize].clone();
        let size = set.len();
        if size > 1 && self.below_most.is_none_or(|(most, _)| size > most) {
            self.below_most = Some((size, commit));
        }
        for a in set.iter() {
            let mut others = set.clone();
            for child in children {
                let child = &self.sets[*child as usize];
                if child.has(a) {
                    others.take_all(child);
                }
            }
            for b in others.iter().filter(|b| *b > a) {
                let pair = place_of(a, b);
                self.table[pair] = self.with(self.table[pair], commit);
            }
        }
    }

    fn with(&mut self, list: u32, commit: Oid) -> u32 {
        if let Some(longer) = self.longer.get(&(list, commit)) {
            return *longer;
        }
        let place = number(self.lists.len());
        let mut commits = self.lists[list as usize].clone();
        commits.push(commit);
        self.lists.push(commits);
        self.longer.insert((list, commit), place);
        place
    }
}

/// A place in a list that is far from having 2^32 entries: each costs more than its number.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
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

    /// Of branches that are named by their first commits.
    fn bases_of(branches: &[&str]) -> Bases {
        let branches: Vec<_> = branches.iter().map(|text| branch(text)).collect();
        let tips = branches
            .iter()
            .map(|b| Some(b.first().map_or(oid('B'), |c| c.0)));
        let tips: Vec<Option<Oid>> = tips.collect();
        // Children first: a commit whose children all were listed comes next.
        let mut rest: Vec<Lineage> = branches.concat();
        rest.sort();
        rest.dedup();
        let mut history: Vec<Lineage> = Vec::new();
        while !rest.is_empty() {
            let has_child = |commit: &Lineage| rest.iter().any(|c| c.1.contains(&commit.0));
            let place = rest.iter().position(|commit| !has_child(commit)).unwrap();
            history.push(rest.remove(place));
        }
        Bases::new(&tips, Some(oid('B')), history)
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
    fn a_branch_that_does_not_stand_on_the_base_is_not_known() {
        assert_eq!(bases(&["a:B", "b:", "c:B"]), "unknown B unknown");
        assert!(!bases_of(&["a:B", "b:"]).are_known());
    }

    #[test]
    fn more_branches_than_one_word_has_bits() {
        let names = (b'C'..)
            .map(char::from)
            .filter(|name| !name.is_whitespace());
        let texts = names.take(70).map(|name| format!("{name}:12 1:B 2:B"));
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let bases = bases_of(&texts);
        assert!(bases.are_known() && bases.singles().is_empty());
        assert_eq!(bases.others().len(), 70 * 69 / 2);
        let both = bases.best(3, 69).map(<[Oid]>::len);
        assert_eq!(both, Some(2));
        assert_eq!(bases.below_most(), Some(oid('1')));
    }

    #[test]
    fn singles_and_others_are_all_pairs_once() {
        let bases = bases_of(&["a:B", "c:a a:B", "m:ab a:B b:B", "n:ab a:B b:B", "z:B"]);
        assert_eq!(bases.others(), [(2, 3)]);
        let mut found = vec![(2, 3)];
        for sharing in bases.singles() {
            let branches = &sharing.branches;
            assert!(branches.len() > 1 && branches.is_sorted());
            let all = pairs(5).filter(|(a, b)| branches.contains(a) && branches.contains(b));
            let (mine, others): (Vec<_>, Vec<_>) =
                all.partition(|(a, b)| bases.of(*a, *b) == Base::One(sharing.base));
            assert_eq!(sharing.all_pairs, others.is_empty());
            found.extend(mine);
        }
        found.sort_unstable();
        assert_eq!(found, pairs(5).collect::<Vec<_>>());
    }
}
