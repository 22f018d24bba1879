//! The results of one comparison, as `dispatch conflicts` shows them.

use std::collections::HashMap;

use crate::base::text::plural;
use crate::cli::conflicts::subject::Subject;
use crate::conflicts::{Detection, MultiwayReport, Reproduction};
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;
use crate::model::ids::TaskNumber;

/// The suggestion for a conflict of more than two branches.
pub(super) const MULTIWAY_SUGGESTION: &str = "re-dispatch the last on top of the others";

/// The results to show.
pub(super) struct Results {
    pub(super) detection: Detection,
    pub(super) multiway: MultiwayReport,
    /// For a run: the suggestion for each conflict between two tasks.
    pub(super) suggestions: HashMap<(TaskNumber, TaskNumber), String>,
    /// The independent pairs, with `--all`.
    pub(super) independent: Vec<PairVerdict>,
    /// With `--json`: commands that reproduce verdicts, by the commit whose attributes apply.
    pub(super) reproductions: HashMap<Oid, Reproduction>,
    /// The number of conflicts that filters hide.
    pub(super) hidden: usize,
}

impl Results {
    /// Returns `true` if there is a conflict of two or more branches.
    pub(super) fn has_conflicts(&self) -> bool {
        self.count_conflicts() > 0
    }

    /// Counts the conflicts of two or more branches.
    pub(super) fn count_conflicts(&self) -> usize {
        self.detection.conflicts().count() + self.multiway.conflicts.len()
    }

    /// Lists all pairs to show, sorted.
    pub(super) fn listed(&self) -> Vec<&PairVerdict> {
        let pairs = self.detection.pairs.iter();
        let mut pairs: Vec<&PairVerdict> = pairs.chain(&self.independent).collect();
        pairs.sort_by_key(|pair| (pair.a, pair.b));
        pairs
    }

    /// Returns the suggestion for a pair.
    pub(super) fn suggestion<'a>(&'a self, subject: &Subject, pair: &PairVerdict) -> &'a str {
        let tasks = subject.task(pair.a).zip(subject.task(pair.b));
        let known = tasks.and_then(|tasks| self.suggestions.get(&tasks));
        known.map_or(pair.class.suggestion(), String::as_str)
    }

    /// Renders the counts as one sentence.
    pub(super) fn summary(&self) -> String {
        let detection = &self.detection;
        let conflicts = detection.conflicts().count();
        let merged = detection.pairs.len() - conflicts;
        let multiway = match self.multiway.conflicts.len() {
            0 => String::new(),
            count => format!(", {} of more than two", plural(count, "conflict")),
        };
        let hidden = match self.hidden {
            0 => String::new(),
            count => format!(" ({} hidden by the filters)", plural(count, "conflict")),
        };
        let branches = match detection.branches.len() {
            1 => "1 branch".to_owned(),
            count => format!("{count} branches"),
        };
        let mut text = format!(
            "{branches}, {}: {}, {merged} merged by git, {} independent{multiway}{hidden}\n",
            plural(detection.pairs_total, "pair"),
            plural(conflicts, "conflict"),
            detection.pairs_independent,
        );
        if self.multiway.is_cut_short() {
            text.push_str(&format!(
                "Searched {} of the {} branches that merge in pairs for conflicts of more than \
                 two; `--together` searches all\n",
                self.multiway.searched, self.multiway.wanted,
            ));
        }
        text
    }
}
