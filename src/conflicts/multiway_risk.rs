//! Finds branches that can conflict together though they merge in pairs.
//!
//! For branches that all share one single merge base, git merges path by path as long as it detects
//! no renames and no file and directory want one name. Then a path that two of them touch becomes
//! the same as in the merge of these two, and a new conflict needs three branches at one path.
//! Renames matter only if one branch deletes a path that another changes, or if a directory has
//! deletions and additions. Then all connected branches count, and every addition may be the target
//! of a rename.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::merge::change::{Change, RepoPath};

/// Finds groups of three or more branches that can conflict together, as indexes in order. Groups do
/// not affect each other.
pub(super) fn risky_groups(branches: &[&[Change]]) -> Vec<Vec<usize>> {
    let mut touchers: HashMap<&RepoPath, Vec<usize>> = HashMap::new();
    for (place, changes) in branches.iter().enumerate() {
        for change in *changes {
            touchers.entry(&change.path).or_default().push(place);
        }
    }
    let structural = may_be_structural(branches, &touchers);
    let enough = if structural { 2 } else { 3 };
    let mut groups = Groups::new(branches.len());
    for (path, places) in &touchers {
        if places.len() >= enough {
            groups.join(places);
        }
        if structural {
            let above = path
                .ancestors()
                .filter_map(|above| touchers.get(&RepoPath::new(above)));
            above.for_each(|others| groups.join(&[places[0], others[0]]));
        }
    }
    if structural {
        let moves = |changes: &[Change]| changes.iter().any(|c| c.old.is_none() || c.new.is_none());
        let movers: Vec<usize> = (0..branches.len())
            .filter(|place| moves(branches[*place]))
            .collect();
        groups.join(&movers);
        // Branches with a file at a path join all branches with a directory there.
        for (path, places) in &touchers {
            let above = path
                .ancestors()
                .any(|above| touchers.contains_key(&RepoPath::new(above)));
            if above {
                groups.join(places);
            }
        }
    }
    groups.of_three_and_more()
}

/// Returns `true` if git may detect renames, or a file and a directory may want one name.
fn may_be_structural(branches: &[&[Change]], touchers: &HashMap<&RepoPath, Vec<usize>>) -> bool {
    let (mut emptied, mut filled) = (HashSet::new(), HashSet::new());
    for change in branches.iter().copied().flatten() {
        let shared = touchers[&change.path].len() > 1;
        if change.new.is_none() {
            if shared {
                return true;
            }
            emptied.extend(change.path.ancestors());
        }
        if change.old.is_none() {
            filled.extend(change.path.ancestors());
        }
        let mut above = change.path.ancestors();
        if above.any(|above| touchers.contains_key(&RepoPath::new(above))) {
            return true;
        }
    }
    emptied.iter().any(|folder| filled.contains(folder))
}

/// Union-find over indexes of branches.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Groups {
        Groups((0..count).collect())
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, places: &[usize]) {
        for pair in places.windows(2) {
            let (a, b) = (self.root(pair[0]), self.root(pair[1]));
            self.0[a.max(b)] = a.min(b);
        }
    }

    fn of_three_and_more(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..self.0.len() {
            groups.entry(self.root(place)).or_default().push(place);
        }
        groups
            .into_values()
            .filter(|group| group.len() > 2)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::change::Entry;
    use crate::merge::oid::Oid;

    /// Parses changes: `+path` added, `-path` deleted, `path` changed.
    fn changes(text: &str) -> Vec<Change> {
        let entry = |byte| {
            Some(Entry {
                mode: 0o100_644,
                oid: Oid::from_bytes([byte; 20]),
            })
        };
        let change = |word: &str| match word.split_at(1) {
            ("+", path) => (path.into(), None, entry(2)),
            ("-", path) => (path.into(), entry(1), None),
            _ => (word.into(), entry(1), entry(2)),
        };
        let change = |word| {
            let (path, old, new) = change(word);
            Change { path, old, new }
        };
        text.split_whitespace().map(change).collect()
    }

    fn groups(branches: &[&str]) -> Vec<Vec<usize>> {
        let branches: Vec<_> = branches.iter().map(|text| changes(text)).collect();
        let branches: Vec<&[Change]> = branches.iter().map(Vec::as_slice).collect();
        risky_groups(&branches)
    }

    #[test]
    fn edits_are_risky_if_three_branches_share_a_path() {
        assert_eq!(groups(&["a b", "b c", "c a"]), [[0usize; 0]; 0]);
        assert_eq!(groups(&["a", "x", "a", "a b", "b"]), [[0, 2, 3]]);
        assert_eq!(groups(&["+a", "+b", "-c/d", "+e"]), [[0usize; 0]; 0]);
    }

    #[test]
    fn all_connected_branches_count_if_git_may_detect_a_rename() {
        // A directory that may be emptied and gains a file; the other addition may be its new place.
        assert_eq!(groups(&["-x/a", "+y/a", "+x/new", "z"]), [[0, 1, 2]]);
        // A deleted file that another changes.
        assert_eq!(groups(&["-f +g", "f", "z"]), [[0usize; 0]; 0]);
        assert_eq!(groups(&["-f +g", "f h", "+k", "h", "z"]), [[0, 1, 2, 3]]);
        // A file and a directory at one path.
        assert_eq!(groups(&["d", "+d/x", "+e", "z"]), [[0, 1, 2]]);
    }
}
