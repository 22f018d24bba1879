//! Added names that git merges cleanly but some file systems cannot hold together.
//!
//! They differ only by case or Unicode form. A checkout on such a file system loses one of them.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization as _;

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::verdict::{PairVerdict, Unit};

/// Two branches that add colliding names.
#[derive(Debug)]
pub(super) struct NameCollision {
    pub(super) pair: (usize, usize),
    /// All of these names, sorted.
    pub(super) paths: Vec<RepoPath>,
}

/// Finds the pairs of branches that add colliding names. Each branch comes with the paths it adds.
pub(super) fn collisions_among(added: &[(usize, &[RepoPath])]) -> Vec<NameCollision> {
    let mut holders: BTreeMap<&RepoPath, Vec<usize>> = BTreeMap::new();
    for (branch, paths) in added {
        for path in *paths {
            holders.entry(path).or_default().push(*branch);
        }
    }
    let mut by_name: HashMap<String, Vec<&RepoPath>> = HashMap::new();
    for path in holders.keys() {
        if let Some(name) = folded(path) {
            by_name.entry(name).or_default().push(path);
        }
    }
    let mut found: BTreeMap<(usize, usize), Vec<RepoPath>> = BTreeMap::new();
    for paths in by_name.values() {
        for (place, one) in paths.iter().enumerate() {
            for other in &paths[place + 1..] {
                for (a, b) in product(&holders[*one], &holders[*other]) {
                    let paths = found.entry((a.min(b), a.max(b))).or_default();
                    paths.extend([(*one).clone(), (*other).clone()]);
                }
            }
        }
    }
    let collision = |(pair, mut paths): ((usize, usize), Vec<RepoPath>)| {
        paths.sort();
        paths.dedup();
        NameCollision { pair, paths }
    };
    found.into_iter().map(collision).collect()
}

/// Adds a unit `case-collision` to the verdict of each pair; git's own verdict stays. `unmerged`
/// creates the verdict of a pair that needed no merge.
pub(super) fn add_collisions(
    collisions: Vec<NameCollision>,
    pairs: &mut Vec<PairVerdict>,
    unmerged: impl Fn(usize, usize) -> PairVerdict,
) {
    let class = Class::CaseCollision;
    for NameCollision {
        pair: (a, b),
        paths,
    } in collisions
    {
        let index = match pairs.binary_search_by_key(&(a, b), |pair| (pair.a, pair.b)) {
            Ok(index) => index,
            Err(index) => {
                pairs.insert(index, unmerged(a, b));
                index
            }
        };
        let pair = &mut pairs[index];
        if pair.severity < class.severity() {
            (pair.class, pair.severity) = (class, class.severity());
        }
        pair.units.push(Unit {
            class,
            paths,
            hunks: Vec::new(),
        });
    }
}

/// Yields every branch of one list with every other branch of the other.
fn product<'a>(
    ones: &'a [usize],
    others: &'a [usize],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let pairs = ones.iter().flat_map(|a| others.iter().map(|b| (*a, *b)));
    pairs.filter(|(a, b)| a != b)
}

/// Folds case and Unicode form as such a file system does; `None` for other bytes.
fn folded(path: &RepoPath) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let lower: String = text.nfd().flat_map(char::to_lowercase).collect();
    Some(lower.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(branches: &[&[&str]]) -> String {
        let owned: Vec<Vec<RepoPath>> = branches
            .iter()
            .map(|paths| paths.iter().map(|path| RepoPath::from(*path)).collect())
            .collect();
        let added: Vec<_> = owned.iter().map(Vec::as_slice).enumerate().collect();
        let lines = collisions_among(&added).into_iter().map(|collision| {
            let (a, b) = collision.pair;
            let paths: Vec<String> = collision.paths.iter().map(ToString::to_string).collect();
            format!("{a}-{b} {}", paths.join(" "))
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn case_differs_anywhere_in_the_path() {
        assert_eq!(show(&[&["Foo", "x"], &["foo"], &["y"]]), "0-1 Foo foo");
        assert_eq!(show(&[&["src/A"], &["Src/a"]]), "0-1 Src/a src/A");
    }

    #[test]
    fn two_unicode_forms_of_one_accent() {
        assert_eq!(show(&[&["\u{e9}"], &["e\u{301}"]]), "0-1 e\u{301} \u{e9}");
    }

    #[test]
    fn the_same_name_does_not_collide() {
        assert_eq!(show(&[&["foo"], &["foo"]]), "");
    }
}
