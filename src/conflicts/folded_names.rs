//! Names that git keeps apart and some file systems do not: they differ only by case or by the way
//! Unicode writes an accent. git merges them clean; a checkout on such a system loses one.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization as _;

use crate::merge::change::RepoPath;

/// The pairs of branches that add such names, with all of these, sorted. Each branch is its place
/// and the paths it adds.
pub fn colliding_names(added: &[(usize, &[RepoPath])]) -> Vec<(usize, usize, Vec<RepoPath>)> {
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
    let sorted = |((a, b), mut paths): ((usize, usize), Vec<RepoPath>)| {
        paths.sort();
        paths.dedup();
        (a, b, paths)
    };
    found.into_iter().map(sorted).collect()
}

/// Every branch of one list with every other branch of the other.
fn product<'a>(
    ones: &'a [usize],
    others: &'a [usize],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let pairs = ones.iter().flat_map(|a| others.iter().map(|b| (*a, *b)));
    pairs.filter(|(a, b)| a != b)
}

/// What a file system that knows neither case nor Unicode forms sees; `None` for other bytes.
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
        let lines = colliding_names(&added).into_iter().map(|(a, b, paths)| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            format!("{a}-{b} {}", paths.join(" "))
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn case_anywhere_in_the_path() {
        assert_eq!(show(&[&["Foo", "x"], &["foo"], &["y"]]), "0-1 Foo foo");
        assert_eq!(show(&[&["src/A"], &["Src/a"]]), "0-1 Src/a src/A");
    }

    #[test]
    fn one_accent_written_in_two_ways() {
        assert_eq!(show(&[&["\u{e9}"], &["e\u{301}"]]), "0-1 e\u{301} \u{e9}");
    }

    #[test]
    fn the_same_name_is_no_collision() {
        assert_eq!(show(&[&["foo"], &["foo"]]), "");
    }
}
