//! The footprint of many merged branches together, to compare the next one with all of them at once.
//!
//! The rule is that of [`crate::conflicts::prune`], with the merged tree as the other side.

use std::collections::HashSet;

use crate::conflicts::footprint::Footprint;
use crate::merge::change::RepoPath;

/// The footprint of a merged tree, as sets that grow with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct MergedFootprint {
    touched: HashSet<RepoPath>,
    above_touched: HashSet<RepoPath>,
    removed: HashSet<RepoPath>,
    above_added: HashSet<RepoPath>,
}

impl MergedFootprint {
    /// Adds the footprint of a branch. Directories that are only removed by several branches together
    /// are in no footprint: [`MergedFootprint::add_removed`] adds them.
    pub(super) fn add(&mut self, footprint: &Footprint) {
        for path in &footprint.touched {
            self.touched.insert(path.clone());
            self.above_touched
                .extend(path.ancestors().map(RepoPath::new));
        }
        for path in &footprint.added {
            self.above_added.extend(path.ancestors().map(RepoPath::new));
        }
        self.add_removed(footprint.removed_directories.iter().cloned());
    }

    /// Adds directories that the merged tree no longer has.
    pub(super) fn add_removed(&mut self, directories: impl IntoIterator<Item = RepoPath>) {
        self.removed.extend(directories);
    }

    /// Returns `true` if only common paths can conflict with a branch of the same single merge base.
    pub(super) fn is_apart_from(&self, branch: &Footprint) -> bool {
        if self.touched.is_empty() || branch.is_empty() {
            return true;
        }
        let is_file_and_directory =
            |path: &RepoPath| self.above_touched.contains(path) || any_above(path, &self.touched);
        let adds_to_removed = |path: &RepoPath| any_above(path, &self.removed);
        let removes_under_added = |folder: &RepoPath| self.above_added.contains(folder);
        !branch.touched.iter().any(is_file_and_directory)
            && !branch.added.iter().any(adds_to_removed)
            && !branch.removed_directories.iter().any(removes_under_added)
    }

    /// Returns `true` if this path is touched.
    pub(super) fn has(&self, path: &RepoPath) -> bool {
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

    fn is_overlay(merged: &MergedFootprint, next: &Footprint) -> bool {
        let shared = next.touched.iter().any(|path| merged.has(path));
        !shared && merged.is_apart_from(next)
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
    fn the_rule_holds_for_the_joined_footprint() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut yes, mut no) = (0, 0);
        for _ in 0..3000 {
            let parts: Vec<Footprint> = (0..rng.usize(1..4))
                .map(|_| any_footprint(&mut rng))
                .collect();
            let next = any_footprint(&mut rng);
            let mut merged = MergedFootprint::default();
            parts.iter().for_each(|part| merged.add(part));
            let expected = independent(&joined(&parts), &next);
            let found = is_overlay(&merged, &next);
            assert_eq!(found, expected, "{parts:?} and {next:?}");
            *(if found { &mut yes } else { &mut no }) += 1;
        }
        assert!(yes > 300 && no > 300, "both answers were seen: {yes}, {no}");
    }

    #[test]
    fn a_directory_that_two_branches_remove_together_matters_for_additions() {
        let mut merged = MergedFootprint::default();
        merged.add(&Footprint {
            touched: vec!["d/a".into(), "d/b".into()],
            ..Footprint::default()
        });
        let adder = Footprint {
            touched: vec!["d/new".into()],
            added: vec!["d/new".into()],
            removed_directories: Vec::new(),
        };
        assert!(is_overlay(&merged, &adder));
        merged.add_removed([RepoPath::from("d")]);
        assert!(!is_overlay(&merged, &adder));
    }
}
