//! Which pairs of branches need a merge at all.
//!
//! For two branches with the same single merge base, git's merge is clean and is the overlay of
//! both changes when
//!
//! 1. they touch no common path;
//! 2. no path one touches is a directory above a path the other touches;
//! 3. neither adds below a directory that the other takes away.
//!
//! The argument, in short: git looks for renames only where a path is deleted on one side and
//! changed on the other (excluded by 1), or where a directory vanishes on one side and gains a file
//! on the other (excluded by 3); without renames every path is taken from the side that changed it,
//! and 2 excludes that a file and a directory want one name. Weaker rules are wrong.

use std::collections::{HashMap, HashSet};

use crate::conflicts::footprint::Footprint;
use crate::merge::change::RepoPath;

/// The rule itself, for one pair that shares the same single merge base.
pub fn independent(a: &Footprint, b: &Footprint) -> bool {
    if a.is_empty() || b.is_empty() {
        return true;
    }
    !shares_path(a, b) && are_apart_elsewhere(a, b)
}

/// The second and the third part of the rule alone: that the two meet, if at all, at paths that both
/// touch.
pub fn are_apart_elsewhere(a: &Footprint, b: &Footprint) -> bool {
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

/// Every pair (a, b), a before b, that is not [`independent`], sorted: found through an inverted
/// index, so that pairs that have nothing to do with each other are never looked at.
pub fn candidate_pairs(footprints: &[Footprint]) -> Vec<(usize, usize)> {
    let refs: Vec<&Footprint> = footprints.iter().collect();
    candidates_among(&refs)
}

/// As [`candidate_pairs`], for footprints that are kept elsewhere.
pub fn candidates_among(footprints: &[&Footprint]) -> Vec<(usize, usize)> {
    let index = Index::new(footprints, |_| true);
    let mut seen_by = vec![usize::MAX; footprints.len()];
    let mut pairs = Vec::new();
    for (a, footprint) in footprints.iter().enumerate() {
        let first = pairs.len();
        index.meet(footprint, |b| {
            if b > a && seen_by[b] != a {
                seen_by[b] = a;
                pairs.push((a, b));
            }
        });
        pairs[first..].sort_unstable();
    }
    pairs
}

/// The pairs (a, b), a before b, of the given ones that are not [`independent`], sorted. Branches that
/// left the main line at different places share all of its changes from the older place on, so that
/// nearly all of them would meet: of each pair only the smaller footprint is put into the index.
pub fn candidates_of(
    footprints: &[&Footprint],
    is_pair: impl Fn(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let count = footprints.len();
    let size = |place: usize| (footprints[place].touched.len(), place);
    let (mut indexed, mut asking) = (vec![false; count], vec![false; count]);
    for a in 0..count {
        for b in (a + 1..count).filter(|b| is_pair(a, *b)) {
            let (small, large) = if size(a) <= size(b) { (a, b) } else { (b, a) };
            (indexed[small], asking[large]) = (true, true);
        }
    }
    let index = Index::new(footprints, |place| indexed[place]);
    let mut seen_by = vec![usize::MAX; count];
    let mut pairs = Vec::new();
    for large in (0..count).filter(|place| asking[*place]) {
        index.meet(footprints[large], |small| {
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

type Places<'a> = HashMap<&'a [u8], Vec<usize>>;

#[derive(Default)]
struct Index<'a> {
    touched: Places<'a>,
    above_touched: Places<'a>,
    removed: Places<'a>,
    above_added: Places<'a>,
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

    /// Calls `found` with every branch this one meets; with some of them more than once.
    fn meet(&self, footprint: &Footprint, mut found: impl FnMut(usize)) {
        let mut look = |places: &Places<'a>, name: &[u8]| {
            let branches = places.get(name).into_iter().flatten();
            branches.for_each(|branch| found(*branch));
        };
        for path in &footprint.touched {
            look(&self.touched, path.as_bytes());
            look(&self.above_touched, path.as_bytes());
            path.ancestors()
                .for_each(|folder| look(&self.touched, folder));
        }
        for folder in &footprint.removed_directories {
            look(&self.above_added, folder.as_bytes());
        }
        for folder in footprint.added.iter().flat_map(RepoPath::ancestors) {
            look(&self.removed, folder);
        }
    }
}

/// Branches come in ascending order, so a repetition is always the last entry.
fn note<'a>(places: &mut Places<'a>, name: &'a [u8], branch: usize) {
    let branches = places.entry(name).or_default();
    if branches.last() != Some(&branch) {
        branches.push(branch);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `~p` modifies, `+p` adds, `-d/` removes a directory, in one line.
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

    fn judged(a: &str, b: &str) -> bool {
        let pair = [footprint(a), footprint(b)];
        let one = independent(&pair[0], &pair[1]);
        assert_eq!(one, independent(&pair[1], &pair[0]), "symmetric");
        assert_eq!(one, candidate_pairs(&pair).is_empty(), "index agrees");
        one
    }

    #[test]
    fn different_files_are_independent() {
        assert!(judged("~src/a +src/b", "~src/c ~d"));
    }

    #[test]
    fn the_same_path_is_not() {
        assert!(!judged("~src/a", "~src/a"));
    }

    #[test]
    fn a_file_where_the_other_has_a_directory_is_not() {
        assert!(!judged("+p", "+p/x"));
        assert!(judged("+p", "+pp/x"));
    }

    #[test]
    fn an_addition_below_a_directory_that_vanishes_is_not() {
        assert!(!judged("-d/ ~d/a", "+d/new"));
        assert!(!judged("-d/ ~d/a", "+d/deep/new"));
        assert!(judged("-d/ ~d/a", "~d/b"));
        assert!(judged("-d/ ~d/a", "+dd/new"));
    }

    #[test]
    fn a_branch_without_a_change_meets_nobody() {
        assert!(judged("", "~a -d/"));
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
            assert_eq!(candidate_pairs(&footprints), plain);
            let some = |a: usize, b: usize| (a * 5 + b * 3) % 7 > 1;
            plain.retain(|(a, b)| some(*a, *b));
            let refs: Vec<&Footprint> = footprints.iter().collect();
            assert_eq!(candidates_of(&refs, some), plain);
        }
    }
}
