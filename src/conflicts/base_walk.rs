//! One walk over the history of many branches that finds the merge bases of every pair.
//!
//! Every commit gets the set of branches it is an ancestor of, children before parents. The common
//! ancestors of two branches include all parents of each, so a common ancestor is a best one exactly
//! if none of its children is one. Nearly every commit has the set of its only child, so pairs are
//! examined only where histories fork or join.

use std::collections::HashMap;

use crate::conflicts::pair_table::PairTable;
use crate::merge::oid::Oid;

/// A set of branches, one bit each.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct BranchSet(Box<[u64]>);

impl BranchSet {
    fn has(&self, branch: usize) -> bool {
        self.0[branch / 64] >> (branch % 64) & 1 == 1
    }

    fn add(&mut self, branch: usize) {
        self.0[branch / 64] |= 1 << (branch % 64);
    }

    fn add_all(&mut self, other: &BranchSet) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn remove_all(&mut self, other: &BranchSet) {
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

/// The state of the walk. There are few different sets, so each is stored once.
pub(super) struct BaseWalk {
    tips: HashMap<Oid, Vec<usize>>,
    words: usize,
    sets: Vec<BranchSet>,
    indexes: HashMap<BranchSet, u32>,
    /// The different sets of the children visited so far, by commit.
    children: HashMap<Oid, Vec<u32>>,
    /// The set of the commit visited last.
    last: u32,
    table: PairTable,
    lists: Vec<Vec<Oid>>,
    /// The list that results from adding a commit to another one.
    longer: HashMap<(u32, Oid), u32>,
    most_common: Option<(u32, Oid)>,
}

impl BaseWalk {
    /// Starts at these tips, `None` for a branch without known history.
    pub(super) fn new(tips: &[Option<Oid>]) -> BaseWalk {
        let mut branches_at: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (branch, tip) in tips.iter().enumerate() {
            if let Some(tip) = tip {
                branches_at.entry(*tip).or_default().push(branch);
            }
        }
        BaseWalk {
            tips: branches_at,
            words: tips.len().div_ceil(64),
            sets: Vec::new(),
            indexes: HashMap::new(),
            children: HashMap::new(),
            last: 0,
            table: PairTable::new(tips.len()),
            lists: vec![Vec::new()],
            longer: HashMap::new(),
            most_common: None,
        }
    }

    /// Visits a commit after all of its children.
    pub(super) fn visit(&mut self, commit: Oid, parents: &[Oid]) {
        self.last = self.set_of(commit);
        for parent in parents {
            let sets = self.children.entry(*parent).or_default();
            if !sets.contains(&self.last) {
                sets.push(self.last);
            }
        }
    }

    /// Returns `true` if the commit visited last is an ancestor of the branch.
    pub(super) fn is_last_below(&self, branch: usize) -> bool {
        self.sets[self.last as usize].has(branch)
    }

    /// Returns the table of all pairs with indexes of lists, the lists of merge bases, and the
    /// newest commit below the most branches.
    pub(super) fn into_bases(self) -> (PairTable, Vec<Vec<Oid>>, Option<Oid>) {
        let most_common = self.most_common.map(|(_, commit)| commit);
        (self.table, self.lists, most_common)
    }

    fn set_of(&mut self, commit: Oid) -> u32 {
        let children = self.children.remove(&commit).unwrap_or_default();
        let tips_here = self.tips.get(&commit);
        if let ([set], None) = (children.as_slice(), tips_here) {
            return *set;
        }
        let mut set = BranchSet(vec![0; self.words].into());
        for child in &children {
            set.add_all(&self.sets[*child as usize]);
        }
        for branch in tips_here.into_iter().flatten() {
            set.add(*branch);
        }
        let index = self.intern(set);
        if !children.contains(&index) {
            self.note_base(commit, index, &children);
        }
        index
    }

    fn intern(&mut self, set: BranchSet) -> u32 {
        if let Some(index) = self.indexes.get(&set) {
            return *index;
        }
        let index = to_u32(self.sets.len());
        self.sets.push(set.clone());
        self.indexes.insert(set, index);
        index
    }

    /// Adds the commit as merge base of the pairs that have it and none of its children.
    fn note_base(&mut self, commit: Oid, index: u32, children: &[u32]) {
        let set = self.sets[index as usize].clone();
        let size = set.len();
        if size > 1 && self.most_common.is_none_or(|(most, _)| size > most) {
            self.most_common = Some((size, commit));
        }
        let mut of_branch: HashMap<usize, Vec<u32>> = HashMap::new();
        for child in children {
            for branch in self.sets[*child as usize].iter() {
                of_branch.entry(branch).or_default().push(*child);
            }
        }
        // Most pairs had the same list before, and get the same one now.
        let mut last = None;
        for a in set.iter() {
            let mut others = set.clone();
            for child in of_branch.get(&a).into_iter().flatten() {
                others.remove_all(&self.sets[*child as usize]);
            }
            for b in others.iter().filter(|b| *b > a) {
                let old = self.table.get(a, b);
                let new = match last {
                    Some((known, new)) if known == old => new,
                    _ => self.with(old, commit),
                };
                last = Some((old, new));
                self.table.set(a, b, new);
            }
        }
    }

    fn with(&mut self, list: u32, commit: Oid) -> u32 {
        if let Some(longer) = self.longer.get(&(list, commit)) {
            return *longer;
        }
        let index = to_u32(self.lists.len());
        let mut commits = self.lists[list as usize].clone();
        commits.push(commit);
        self.lists.push(commits);
        self.longer.insert((list, commit), index);
        index
    }
}

/// Converts an index; memory runs out long before 2^32 entries.
fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
