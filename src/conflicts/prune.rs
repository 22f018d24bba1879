//! Finds the pairs of branches that need a merge at all.
//!
//! For two branches with the same single merge base, git's merge is clean and is the overlay of
//! both changes if
//!
//! 1. they touch no common path;
//! 2. no path that one touches is a directory above a path that the other touches;
//! 3. neither adds below a directory that the other removes.
//!
//! Proof: git detects renames only if a path is deleted on one side and changed on the other
//! (excluded by 1), or if a directory is removed on one side and gains a file on the other (excluded
//! by 3). Without renames every path is taken from the side that changed it, and 2 excludes that a
//! file and a directory want one name. Weaker rules are wrong.

use std::collections::{HashMap, HashSet};

use crate::conflicts::footprint::Footprint;
use crate::merge::change::RepoPath;

/// Returns `true` if a pair with the same single merge base needs no merge.
pub(super) fn independent(a: &Footprint, b: &Footprint) -> bool {
    if a.is_empty() || b.is_empty() {
        return true;
    }
    !shares_path(a, b) && is_apart_elsewhere(a, b)
}

/// Returns `true` if parts 2 and 3 of the rule hold, so that only common paths can conflict.
pub(super) fn is_apart_elsewhere(a: &Footprint, b: &Footprint) -> bool {
    !one_is_above(a, b) && !adds_to_removed(a, b) && !adds_to_removed(b, a)
}

fn shares_path(a: &Footprint, b: &Footprint) -> bool {
    let paths: HashSet<&RepoPath> = a.touched.iter().collect();
    b.touched.iter().any(|path| paths.contains(path))
}

fn one_is_above(a: &Footprint, b: &Footprint) -> bool {
    let above = |high: &Footprint, low: &Footprint| {
        let paths: HashSet<&[u8]> = high.touched.iter().map(RepoPath::as_bytes).collect();
        let mut folders = low.touched.iter().flat_map(RepoPath::ancestors);
        folders.any(|folder| paths.contains(folder))
    };
    above(a, b) || above(b, a)
}

fn adds_to_removed(adder: &Footprint, remover: &Footprint) -> bool {
    let removed: HashSet<&[u8]> = remover
        .removed_directories
        .iter()
        .map(RepoPath::as_bytes)
        .collect();
    let mut folders = adder.added.iter().flat_map(RepoPath::ancestors);
    folders.any(|folder| removed.contains(folder))
}

/// Lists every pair (a, b), a before b, that is not [`independent`], sorted. An inverted index finds
/// them, so that independent pairs are never examined.
pub(super) fn candidates_among(footprints: &[&Footprint]) -> Vec<(usize, usize)> {
    let index = Index::new(footprints, |_| true);
    let mut seen_by = vec![usize::MAX; footprints.len()];
    let mut pairs = Vec::new();
    for (a, footprint) in footprints.iter().enumerate() {
        let first = pairs.len();
        index.find(footprint, |b| {
            if b > a && seen_by[b] != a {
                seen_by[b] = a;
                pairs.push((a, b));
            }
        });
        pairs[first..].sort_unstable();
    }
    pairs
}

/// Lists the given pairs (a, b), a before b, that are not [`independent`], sorted.
///
/// Branches that left the main line at different commits share all changes since the older one, so
/// nearly all of them touch common paths. Of each pair only the smaller footprint is indexed.
pub(super) fn candidates_of(
    footprints: &[&Footprint],
    is_pair: impl Fn(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let count = footprints.len();
    let size = |place: usize| (footprints[place].touched.len(), place);
    let (mut indexed, mut asking) = (vec![false; count], vec![false; count]);
    for b in 0..count {
        for a in (0..b).filter(|a| is_pair(*a, b)) {
            let (small, large) = if size(a) <= size(b) { (a, b) } else { (b, a) };
            (indexed[small], asking[large]) = (true, true);
        }
    }
    let index = Index::new(footprints, |place| indexed[place]);
    let mut seen_by = vec![usize::MAX; count];
    let mut pairs = Vec::new();
    for large in (0..count).filter(|place| asking[*place]) {
        index.find(footprints[large], |small| {
            if seen_by[small] != large {
                seen_by[small] = large;
                if small != large && is_pair(small.min(large), small.max(large)) {
                    pairs.push((small.min(large), small.max(large)));
                }
            }
        });
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

type Branches<'a> = HashMap<&'a [u8], Vec<usize>>;

/// The branches of each path, as indexes of their footprints.
#[derive(Default)]
struct Index<'a> {
    touched: Branches<'a>,
    above_touched: Branches<'a>,
    removed: Branches<'a>,
    above_added: Branches<'a>,
}

impl<'a> Index<'a> {
    fn new(footprints: &[&'a Footprint], is_in: impl Fn(usize) -> bool) -> Index<'a> {
        let mut index = Index::default();
        let chosen = footprints.iter().enumerate();
        for (place, footprint) in chosen.filter(|(place, _)| is_in(*place)) {
            for path in &footprint.touched {
                note(&mut index.touched, path.as_bytes(), place);
                for folder in path.ancestors() {
                    note(&mut index.above_touched, folder, place);
                }
            }
            for folder in &footprint.removed_directories {
                note(&mut index.removed, folder.as_bytes(), place);
            }
            for folder in footprint.added.iter().flat_map(RepoPath::ancestors) {
                note(&mut index.above_added, folder, place);
            }
        }
        index
    }

    /// Calls `found` with every branch that is not independent of this one, some repeatedly.
    fn find(&self, footprint: &Footprint, mut found: impl FnMut(usize)) {
        let mut report = |index: &Branches<'a>, name: &[u8]| {
            let branches = index.get(name).into_iter().flatten();
            branches.for_each(|branch| found(*branch));
        };
        for path in &footprint.touched {
            report(&self.touched, path.as_bytes());
            report(&self.above_touched, path.as_bytes());
            path.ancestors()
                .for_each(|folder| report(&self.touched, folder));
        }
        for folder in &footprint.removed_directories {
            report(&self.above_added, folder.as_bytes());
        }
        for folder in footprint.added.iter().flat_map(RepoPath::ancestors) {
            report(&self.removed, folder);
        }
    }
}

/// Adds a branch; branches come in ascending order, so a repetition is always the last entry.
fn note<'a>(index: &mut Branches<'a>, name: &'a [u8], branch: usize) {
    let branches = index.entry(name).or_default();
    if branches.last() != Some(&branch) {
        branches.push(branch);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Parses a footprint: `~p` modifies, `+p` adds, `-d/` removes a directory.
    fn footprint(text: &str) -> Footprint {
        let mut footprint = Footprint::default();
        for word in text.split_whitespace() {
            let (sign, path) = word.split_at(1);
            match (sign, path.strip_suffix('/')) {
                ("-", Some(folder)) => footprint.removed_directories.push(folder.into()),
                ("+", _) => {
                    footprint.added.push(path.into());
                    footprint.touched.push(path.into());
                }
                _ => footprint.touched.push(path.into()),
            }
        }
        footprint.touched.sort();
        footprint.added.sort();
        footprint
    }

    fn are_independent(a: &str, b: &str) -> bool {
        let (a, b) = (footprint(a), footprint(b));
        let one = independent(&a, &b);
        assert_eq!(one, independent(&b, &a), "symmetric");
        assert_eq!(one, candidates_among(&[&a, &b]).is_empty(), "index agrees");
        one
    }

    #[test]
    fn different_files_are_independent() {
        assert!(are_independent("~src/a +src/b", "~src/c ~d"));
    }

    #[test]
    fn a_common_path_is_not_independent() {
        assert!(!are_independent("~src/a", "~src/a"));
    }

    #[test]
    fn a_file_and_a_directory_at_one_path_are_not_independent() {
        assert!(!are_independent("+p", "+p/x"));
        assert!(are_independent("+p", "+pp/x"));
    }

    #[test]
    fn an_addition_below_a_removed_directory_is_not_independent() {
        assert!(!are_independent("-d/ ~d/a", "+d/new"));
        assert!(!are_independent("-d/ ~d/a", "+d/deep/new"));
        assert!(are_independent("-d/ ~d/a", "~d/b"));
        assert!(are_independent("-d/ ~d/a", "+dd/new"));
    }

    #[test]
    fn a_branch_without_changes_is_independent_of_all() {
        assert!(are_independent("", "~a -d/"));
    }

    #[test]
    fn the_index_finds_what_the_rule_finds() {
        let mut rng = fastrand::Rng::with_seed(11);
        let names = [
            "a", "b", "d", "d/a", "d/b", "d/e/a", "d/e", "dd", "dd/a", "c/x", "c",
        ];
        for _ in 0..300 {
            let footprints: Vec<Footprint> = (0..rng.usize(2..12))
                .map(|_| {
                    let words = (0..rng.usize(..4)).map(|_| {
                        let name = names[fastrand::Rng::with_seed(rng.u64(..)).usize(..11)];
                        match rng.u8(..3) {
                            0 => format!("~{name}"),
                            1 => format!("+{name}"),
                            _ => format!("~{name} -{name}/"),
                        }
                    });
                    footprint(&words.collect::<Vec<_>>().join(" "))
                })
                .collect();
            let mut plain = Vec::new();
            for a in 0..footprints.len() {
                for b in a + 1..footprints.len() {
                    if !independent(&footprints[a], &footprints[b]) {
                        plain.push((a, b));
                    }
                }
            }
            let refs: Vec<&Footprint> = footprints.iter().collect();
            assert_eq!(candidates_among(&refs), plain);
            let some = |a: usize, b: usize| (a * 5 + b * 3) % 7 > 1;
            plain.retain(|(a, b)| some(*a, *b));
            assert_eq!(candidates_of(&refs, some), plain);
        }
    }
}
