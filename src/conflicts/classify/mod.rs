//! Splits git's answer about two branches into units with one class each.
//!
//! A unit is a connected group of staged paths and paths named in messages. Neither stages nor
//! messages alone tell the classes apart: a class depends on message types, on the stages with their
//! modes and objects, and on the renames of each branch.

use std::collections::HashMap;

use crate::merge::answer::{MergeResult, Rename};
use crate::merge::change::{Change, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::{Unit, Verdict};

use crate::conflicts::classify::clean::clean_units;
use crate::conflicts::classify::conflicts::conflict_unit;
use crate::conflicts::classify::groups::groups;

mod clean;
mod conflicts;
mod groups;

/// One of the two branches.
#[derive(Clone, Copy, Debug)]
pub(super) struct SideInfo<'a> {
    /// The merged commit, which git uses in synthetic file names.
    pub(super) commit: Oid,
    /// Its changes against the merge base, without rename detection, sorted by path.
    pub(super) changes: &'a [Change],
    /// Its renames as (old path, new path), only if [`needs_renames`].
    pub(super) renames: &'a [Rename],
}

/// Everything a verdict depends on.
pub(super) struct Evidence<'a> {
    /// git's answer.
    pub(super) result: &'a MergeResult,
    /// The first branch.
    pub(super) ours: SideInfo<'a>,
    /// The second branch.
    pub(super) theirs: SideInfo<'a>,
    /// Reads a blob.
    pub(super) blob: &'a dyn Fn(Oid) -> Option<Vec<u8>>,
    /// Returns `true` for generated paths: lock files, snapshots, those marked by an attribute.
    pub(super) generated: &'a dyn Fn(&RepoPath) -> bool,
}

/// The verdict on a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Classified {
    /// git's verdict.
    pub(super) verdict: Verdict,
    /// The class of the worst unit.
    pub(super) class: Class,
    /// The worst severity.
    pub(super) severity: u8,
    /// The units, worst first.
    pub(super) units: Vec<Unit>,
}

impl Classified {
    /// Sorts units, given with their severities.
    pub(super) fn new(verdict: Verdict, units: Vec<(Unit, u8)>) -> Classified {
        let mut units = units;
        units.sort_by(|(a, x), (b, y)| {
            y.cmp(x)
                .then_with(|| (a.class, &a.paths).cmp(&(b.class, &b.paths)))
        });
        let worst = units
            .first()
            .map(|(unit, severity)| (unit.class, *severity));
        let (class, severity) = worst.unwrap_or(match verdict {
            Verdict::Clean => (Class::Independent, 0),
            _ => (Class::EngineFailure, Class::EngineFailure.severity()),
        });
        Classified {
            verdict,
            class,
            severity,
            units: units.into_iter().map(|(unit, _)| unit).collect(),
        }
    }

    /// The verdict on a pair on which git failed.
    pub(super) fn engine_failure() -> Classified {
        Classified::new(Verdict::EngineFailure, Vec::new())
    }
}

/// Returns `true` if the class of a unit depends on the renames of the branches.
pub(super) fn needs_renames(result: &MergeResult) -> bool {
    let mut stages: HashMap<&RepoPath, u8> = HashMap::new();
    for stage in &result.stages {
        *stages.entry(&stage.path).or_default() |= 1 << stage.stage;
    }
    !result.clean && stages.values().any(|bits| *bits == 0b1100)
}

/// Classifies a merge.
pub(super) fn classify(evidence: &Evidence<'_>) -> Classified {
    if evidence.result.clean {
        return Classified::new(Verdict::Clean, clean_units(evidence));
    }
    let groups = groups(evidence);
    let units = groups
        .iter()
        .filter_map(|group| conflict_unit(evidence, group));
    Classified::new(Verdict::Conflict, units.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::merge::answer::{Message, RENAME_COLLISION, Stage};
    use crate::merge::change::Entry;

    const OURS: Oid = Oid::ZERO;

    fn oid(byte: u8) -> Oid {
        Oid::from_bytes([byte; 20])
    }

    fn stage(number: u8, mode: u32, content: u8, path: &str) -> Stage {
        Stage {
            mode,
            oid: oid(content),
            stage: number,
            path: path.into(),
        }
    }

    fn message(kind: &str, paths: &[&str]) -> Message {
        Message {
            paths: paths.iter().map(|path| RepoPath::from(*path)).collect(),
            kind: kind.to_owned(),
            text: String::new(),
        }
    }

    fn change(path: &str, old: u8, new: u8) -> Change {
        let entry = |content| {
            (content > 0).then(|| Entry {
                mode: 0o100_644,
                oid: oid(content),
            })
        };
        Change {
            path: path.into(),
            old: entry(old),
            new: entry(new),
        }
    }

    fn classified(
        clean: bool,
        stages: Vec<Stage>,
        messages: Vec<Message>,
        changes: [&[Change]; 2],
    ) -> String {
        let result = MergeResult {
            clean,
            tree: OURS,
            stages,
            messages,
        };
        let side = |commit, changes| SideInfo {
            commit,
            changes,
            renames: &[],
        };
        let found = classify(&Evidence {
            result: &result,
            ours: side(OURS, changes[0]),
            theirs: side(oid(9), changes[1]),
            blob: &|_| None,
            generated: &|_| false,
        });
        let units = found.units.iter().map(|unit| {
            let paths: Vec<String> = unit.paths.iter().map(ToString::to_string).collect();
            format!(" {}({})", unit.class, paths.join(" "))
        });
        let units = units.collect::<String>();
        format!("{:?} {}{units}", found.verdict, found.severity)
    }

    const FILE: u32 = 0o100_644;

    #[test]
    fn a_clean_merge_stays_clean_with_any_messages() {
        let messages = vec![message("CONFLICT (file/directory)", &["p~x", "p"])];
        assert_eq!(classified(true, vec![], messages, [&[], &[]]), "Clean 0");
    }

    #[test]
    fn committed_conflict_markers_are_reported() {
        let messages = vec![
            message(RENAME_COLLISION, &["new", "old"]),
            message("Auto-merging", &["new"]),
        ];
        let shown = classified(true, vec![], messages, [&[], &[]]);
        assert_eq!(shown, "Clean 4 rename-collision(new old)");
    }

    #[test]
    fn a_conflict_without_stages_and_messages_is_a_conflict() {
        assert_eq!(classified(false, vec![], vec![], [&[], &[]]), "Conflict 5");
    }

    #[test]
    fn synthetic_names_become_the_original_names() {
        let synthetic = format!("p~{OURS}_0");
        let stages = vec![stage(2, FILE, 1, &synthetic)];
        let messages = vec![message("CONFLICT (file/directory)", &[&synthetic, "p"])];
        let shown = classified(false, stages, messages, [&[], &[]]);
        assert_eq!(shown, "Conflict 4 file-directory(p)");
        let other = format!("p~{}", oid(5));
        let stages = vec![stage(2, FILE, 1, &other), stage(3, FILE, 2, &other)];
        let messages = vec![message("CONFLICT (contents)", &[&other])];
        let shown = classified(false, stages, messages, [&[], &[]]);
        assert_eq!(shown, format!("Conflict 3 add-add({other})"));
    }

    #[test]
    fn the_worst_unit_comes_first_and_gives_the_class_of_the_pair() {
        let stages = vec![
            stage(1, FILE, 1, "a"),
            stage(2, FILE, 2, "a"),
            stage(1, FILE, 1, "b"),
            stage(2, FILE, 2, "b"),
            stage(3, FILE, 3, "b"),
        ];
        let messages = vec![
            message("CONFLICT (modify/delete)", &["a"]),
            message("CONFLICT (binary)", &["b"]),
            message("CONFLICT (contents)", &["b"]),
        ];
        let shown = classified(false, stages, messages, [&[], &[]]);
        assert_eq!(shown, "Conflict 5 binary(b) modify-delete(a)");
    }

    #[test]
    fn renames_are_needed_only_if_both_sides_added() {
        let with = |stages: Vec<Stage>| MergeResult {
            clean: false,
            tree: OURS,
            stages,
            messages: Vec::new(),
        };
        let both = vec![stage(2, FILE, 1, "n"), stage(3, FILE, 2, "n")];
        assert!(needs_renames(&with(both.clone())));
        let three = [vec![stage(1, FILE, 3, "n")], both].concat();
        assert!(!needs_renames(&with(three)));
    }

    #[test]
    fn clean_pairs_list_their_common_paths() {
        let ours = [
            change("both", 1, 2),
            change("gone", 3, 0),
            change("here", 0, 3),
        ];
        let theirs = [change("both", 1, 2), change("gone", 3, 4)];
        let shown = classified(true, vec![], vec![], [&ours, &theirs]);
        assert_eq!(
            shown,
            "Clean 1 auto-merged-rename(gone here) identical(both)"
        );
        let apart = [change("other", 0, 1)];
        assert_eq!(classified(true, vec![], vec![], [&ours, &apart]), "Clean 0");
    }
}
