//! From git's answer about two branches to units with one class each.
//!
//! A unit is a connected group of staged paths and paths named in messages. Stages alone cannot
//! tell the kinds apart, neither can messages: the class comes from message types, the stages with
//! their modes and objects, and the renames of each branch.

use std::collections::HashMap;

use crate::model::change::{Change, RepoPath};
use crate::model::conflict::{Class, Unit, Verdict};
use crate::model::ids::Oid;
use crate::model::merge::{MergeResult, Rename};

use clean::clean_units;
use conflicts::conflict_unit;
use groups::groups;

mod clean;
mod conflicts;
mod groups;

/// What is known about one of the two branches.
#[derive(Clone, Copy, Debug)]
pub struct SideInfo<'a> {
    /// The commit that was merged: git makes up file names with it.
    pub commit: Oid,
    /// Its difference to the merge base, without rename detection, sorted by path.
    pub changes: &'a [Change],
    /// Its renames as (old path, new path); asked for only where [`needs_renames`] says so.
    pub renames: &'a [Rename],
}

/// Everything a verdict is made from.
pub struct Evidence<'a> {
    /// What git said.
    pub result: &'a MergeResult,
    /// The first branch.
    pub ours: SideInfo<'a>,
    /// The second branch.
    pub theirs: SideInfo<'a>,
    /// Reads a blob.
    pub blob: &'a dyn Fn(Oid) -> Option<Vec<u8>>,
    /// Whether a path is generated: a lock file, a snapshot, marked so by an attribute.
    pub generated: &'a dyn Fn(&RepoPath) -> bool,
}

/// The verdict on a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Classified {
    /// Whether they merge: git's word.
    pub verdict: Verdict,
    /// The class of the worst unit.
    pub class: Class,
    /// The worst severity.
    pub severity: u8,
    /// What meets where, worst first.
    pub units: Vec<Unit>,
}

impl Classified {
    /// From units with their severities.
    pub fn new(verdict: Verdict, units: Vec<(Unit, u8)>) -> Classified {
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

    /// git died on this pair.
    pub fn engine_failure() -> Classified {
        Classified::new(Verdict::EngineFailure, Vec::new())
    }
}

/// Whether the class of some unit depends on the renames of the branches.
pub fn needs_renames(result: &MergeResult) -> bool {
    let mut stages: HashMap<&RepoPath, u8> = HashMap::new();
    for stage in &result.stages {
        *stages.entry(&stage.path).or_default() |= 1 << stage.stage;
    }
    !result.clean && stages.values().any(|bits| *bits == 0b1100)
}

/// The verdict and its units.
pub fn classify(evidence: &Evidence<'_>) -> Classified {
    if evidence.result.clean {
        return Classified::new(Verdict::Clean, clean_units(evidence));
    }
    let groups = groups(evidence);
    let units = groups
        .iter()
        .filter_map(|group| conflict_unit(evidence, group));
    Classified::new(Verdict::Conflict, units.collect())
}
