//! What many branches that were merged one after the other touch together, so that the next one can
//! be held against all of them at once.
//!
//! The rule is that of [`crate::conflicts::prune`], with the merged tree as the other side: what is
//! kept here is the difference of that tree to the base.

use std::collections::HashSet;

use crate::conflicts::footprint::Footprint;
use crate::merge::change::RepoPath;

/// The footprint of a merged tree, as sets that grow with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Territory {
    touched: HashSet<RepoPath>,
    above_touched: HashSet<RepoPath>,
    removed: HashSet<RepoPath>,
    above_added: HashSet<RepoPath>,
}

impl Territory {
    /// Adds the footprint of a branch that was overlaid. Directories that only vanish by all
    /// branches together are not in anyone's footprint: [`Territory::vanish`] adds them.
    pub fn add(&mut self, footprint: &Footprint) {
        for path in &footprint.touched {
            self.touched.insert(path.clone());
            self.above_touched
                .extend(path.ancestors().map(RepoPath::new));
        }
        for path in &footprint.added {
            self.above_added.extend(path.ancestors().map(RepoPath::new));
        }
        self.vanish(footprint.removed_directories.iter().cloned());
    }

    /// Adds directories that the merged tree no longer has.
    pub fn vanish(&mut self, directories: impl IntoIterator<Item = RepoPath>) {
        self.removed.extend(directories);
    }

    /// Whether a branch with the same single merge base merges as a mere overlay but for the paths
    /// that both touch.
    pub fn is_apart_from(&self, branch: &Footprint) -> bool {
        if self.touched.is_empty() || branch.is_empty() {
            return true;
        }
        let in_the_way =
            |path: &RepoPath| self.above_touched.contains(path) || any_above(path, &self.touched);
        let adds_to_removed = |path: &RepoPath| any_above(path, &self.removed);
        let removes_under_added = |folder: &RepoPath| self.above_added.contains(folder);
        !branch.touched.iter().any(in_the_way)
            && !branch.added.iter().any(adds_to_removed)
            && !branch.removed_directories.iter().any(removes_under_added)
    }

    /// Whether this very path is touched.
    pub fn has(&self, path: &RepoPath) -> bool {
        self.touched.contains(path)
    }
}

fn any_above(path: &RepoPath, folders: &HashSet<RepoPath>) -> bool {
    path.ancestors()
        .any(|folder| folders.contains(&RepoPath::new(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflicts::prune::independent;

    const NAMES: [&str; 11] = [
        "a", "b", "d", "d/a", "d/b", "d/e/a", "d/e", "dd", "dd/a", "c/x", "c",
    ];

    fn is_overlay(territory: &Territory, next: &Footprint) -> bool {
        let shared = next.touched.iter().any(|path| territory.has(path));
        !shared && territory.is_apart_from(next)
    }

    fn any_footprint(rng: &mut fastrand::Rng) -> Footprint {
        let mut footprint = Footprint::default();
        for _ in 0..rng.usize(..4) {
            let name = NAMES[rng.usize(..NAMES.len())];
            match rng.u8(..3) {
                0 => footprint.touched.push(name.into()),
                1 => {
                    footprint.touched.push(name.into());
                    footprint.added.push(name.into());
                }
                _ => {
                    footprint
                        .touched
                        .push(format!("{name}/gone").as_str().into());
                    footprint.removed_directories.push(name.into());
                }
            }
        }
        footprint
    }

    fn joined(parts: &[Footprint]) -> Footprint {
        let mut all = Footprint::default();
        for part in parts {
            all.touched.extend(part.touched.iter().cloned());
            all.added.extend(part.added.iter().cloned());
            let removed = part.removed_directories.iter().cloned();
            all.removed_directories.extend(removed);
        }
        all
    }

    #[test]
    fn it_says_what_the_rule_for_two_branches_says_about_the_joined_footprint() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut yes, mut no) = (0, 0);
        for _ in 0..3000 {
            let parts: Vec<Footprint> = (0..rng.usize(1..4))
                .map(|_| any_footprint(&mut rng))
                .collect();
            let next = any_footprint(&mut rng);
            let mut territory = Territory::default();
            parts.iter().for_each(|part| territory.add(part));
            let expected = independent(&joined(&parts), &next);
            let found = is_overlay(&territory, &next);
            assert_eq!(found, expected, "{parts:?} and {next:?}");
            *(if found { &mut yes } else { &mut no }) += 1;
        }
        assert!(yes > 300 && no > 300, "both answers were seen: {yes}, {no}");
    }

    #[test]
    fn a_directory_that_only_vanishes_by_two_branches_together_stops_who_adds_to_it() {
        let mut territory = Territory::default();
        territory.add(&Footprint {
            touched: vec!["d/a".into(), "d/b".into()],
            ..Footprint::default()
        });
        let adder = Footprint {
            touched: vec!["d/new".into()],
            added: vec!["d/new".into()],
            removed_directories: Vec::new(),
        };
        assert!(is_overlay(&territory, &adder));
        territory.vanish([RepoPath::from("d")]);
        assert!(!is_overlay(&territory, &adder));
    }
}
