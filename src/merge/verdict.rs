//! Verdicts on pairs of branches: units and hunks.

use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::{Class, HunkClass};
use crate::merge::oid::Oid;
use crate::merge::rule::Rule;

/// A range of lines, counted from 1; with `count` 0 the position before line `start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LineRange {
    /// First line.
    pub start: u32,
    /// Number of lines.
    pub count: u32,
}

/// One hunk of a content conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hunk {
    /// Its class.
    pub class: HunkClass,
    /// Its lines in the merge base.
    pub base: LineRange,
    /// Its lines in the first branch.
    pub a: LineRange,
    /// Its lines in the second branch.
    pub b: LineRange,
}

/// A connected group of paths with exactly one class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unit {
    /// Its class.
    pub class: Class,
    /// The paths, sorted.
    #[schemars(with = "Vec<String>")]
    pub paths: Vec<RepoPath>,
    /// The hunks of a `content` conflict, if they are known.
    #[serde(default)]
    pub hunks: Vec<Hunk>,
}

impl Unit {
    /// Lists the rules that resolve it if `[resolve] policy` allows all of them; empty if none can.
    pub fn rules(&self) -> Vec<Rule> {
        match self.class {
            Class::ExecBit => vec![Rule::ExecBit],
            Class::Generated => vec![Rule::Generated],
            Class::Content if !self.hunks.is_empty() => {
                let rule = |hunk: &Hunk| Rule::of(hunk.class);
                let rules: Option<Vec<Rule>> = self.hunks.iter().map(rule).collect();
                let mut rules = rules.unwrap_or_default();
                rules.sort();
                rules.dedup();
                rules
            }
            _ => Vec::new(),
        }
    }
}

/// git's verdict on two branches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// `git merge` makes a commit.
    Clean,
    /// `git merge` stops.
    Conflict,
    /// git itself failed on this pair.
    EngineFailure,
}

/// The verdict on two branches, given as indexes of the compared list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairVerdict {
    /// Index of the first branch.
    pub a: usize,
    /// Index of the second branch, after the first.
    pub b: usize,
    /// The merge bases: one, or several after criss-cross merges, or none.
    pub bases: Vec<Oid>,
    /// The commit whose `.gitattributes` apply.
    pub attributes: Option<Oid>,
    /// git's verdict.
    pub verdict: Verdict,
    /// The class of the worst unit.
    pub class: Class,
    /// The worst severity.
    pub severity: u8,
    /// The merged tree, if there is one; with conflict markers for a conflict.
    pub tree: Option<Oid>,
    /// The units, worst first.
    pub units: Vec<Unit>,
    /// git's message if it failed on this pair.
    pub failure: Option<String>,
}

impl PairVerdict {
    /// Returns `true` if it counts as a conflict, for git or by its class.
    pub fn is_conflict(&self) -> bool {
        self.verdict != Verdict::Clean || self.class.is_conflict()
    }

    /// Returns the reason for which it counts as a conflict although git merges it.
    pub fn counts_though_merged(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Clean => self.class.counts_though_merged(),
            Verdict::Conflict | Verdict::EngineFailure => None,
        }
    }
}
