//! One pair of branches in full: the three versions of every hunk, and the command that proves it.
//!
//! `dispatch conflicts --explain`, the terminal board and the web page render the same [`PairView`].

mod file;

use crate::merge::oid::Oid;
use crate::merge::rule::Rule;
use crate::merge::verdict::{LineRange, PairVerdict, Unit, Verdict};
use crate::merge::versions::FileVersions;

pub use crate::report::pair::file::{FileComparison, HunkVersion, PairFile, PairHunk, ThreeWay};

/// One pair of branches. Texts are raw; each renderer escapes for its format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairView {
    /// The two branches: ours, then theirs.
    pub sides: [PairSide; 2],
    /// The commits and the trees of the merge bases; none for unrelated histories.
    pub bases: Vec<(Oid, Oid)>,
    /// The verdict; `None` if the two are independent.
    pub verdict: Option<PairVerdict>,
    /// The suggested next step; empty if the two are independent.
    pub suggested: String,
    /// The files in conflict, sorted by path.
    pub files: Vec<PairFile>,
    /// The messages of git.
    pub messages: Vec<String>,
    /// The git command that shows the same verdict.
    pub command: String,
}

/// One of the two branches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairSide {
    /// The short name: `#3`, or the name of the branch.
    pub label: String,
    /// The name of the branch.
    pub branch: String,
    /// Its commit.
    pub commit: Oid,
    /// The tree of that commit.
    pub tree: Oid,
}

/// Everything that a view of a pair is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairInput {
    /// The two branches.
    pub sides: [PairSide; 2],
    /// The commits and the trees of the merge bases.
    pub bases: Vec<(Oid, Oid)>,
    /// The verdict.
    pub verdict: Option<PairVerdict>,
    /// The suggested next step.
    pub suggested: String,
    /// The versions of the files in conflict.
    pub files: Vec<FileVersions>,
    /// The messages of git.
    pub messages: Vec<String>,
    /// The git command that shows the same verdict.
    pub command: String,
}

impl PairView {
    /// Compares the versions of every file in conflict.
    pub fn new(input: PairInput) -> PairView {
        let units = input.verdict.iter().flat_map(|pair| &pair.units);
        let units: Vec<&Unit> = units.collect();
        let class = |file: &FileVersions| {
            let unit = units.iter().find(|unit| unit.paths.contains(&file.path));
            unit.map(|unit| unit.class)
        };
        let files = input.files.iter();
        let files = files.map(|file| PairFile::new(file, class(file))).collect();
        PairView {
            files,
            sides: input.sides,
            bases: input.bases,
            verdict: input.verdict,
            suggested: input.suggested,
            messages: input.messages,
            command: input.command,
        }
    }

    /// Renders the verdict: `conflict, content, severity 3 (semantic risk)`, or `independent`.
    pub fn verdict_words(&self) -> String {
        let Some(pair) = &self.verdict else {
            return "independent".to_owned();
        };
        let verdict = match pair.verdict {
            Verdict::Clean => "clean",
            Verdict::Conflict => "conflict",
            Verdict::EngineFailure => "engine failure",
        };
        let severity = severity_words(pair.severity);
        format!("{verdict}, {}, severity {severity}", pair.class)
    }

    /// Tells which rules of `[resolve] policy` can resolve the conflict; `None` without one.
    pub fn policy(&self) -> Option<String> {
        let units = self.verdict.iter().flat_map(|pair| &pair.units);
        let conflicts = units.filter(|unit| unit.class.is_conflict());
        let rules: Vec<Vec<Rule>> = conflicts.map(Unit::rules).collect();
        if rules.is_empty() {
            return None;
        }
        if rules.iter().any(Vec::is_empty) {
            return Some("no rule resolves it".to_owned());
        }
        let mut rules = rules.concat();
        rules.sort();
        rules.dedup();
        let rules: Vec<&str> = rules.into_iter().map(Rule::name).collect();
        Some(format!(
            "resolved by {} if `[resolve] policy` allows it",
            rules.join(", ")
        ))
    }
}

/// Renders a severity as `3 (semantic risk)`.
pub fn severity_words(severity: u8) -> String {
    let word = match severity {
        0 => "none",
        1 => "trivial",
        2 => "mechanical",
        3 => "semantic risk",
        4 => "structural",
        _ => "blocked",
    };
    format!("{severity} ({word})")
}

/// Renders a range as `lines 3–5`, `line 3` or `before line 3`.
pub fn range_words(range: LineRange) -> String {
    match range.count {
        0 => format!("before line {}", range.start),
        1 => format!("line {}", range.start),
        count => format!("lines {}–{}", range.start, range.start + count - 1),
    }
}
