//! The variants of a task, with the reason for the choice of one.

use serde::Serialize;

use crate::merge::change::ChangeStat;
use crate::model::ids::{AttemptNumber, TaskNumber, VariantNumber};
use crate::model::integration::{CheckOutcome, CheckResult};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::spending::Spending;
use crate::model::task_list::and_list;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::usage::Cost;
use crate::model::variant_choice::{ChosenBy, VariantChoice};

/// The variants of a task.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VariantTable {
    /// The number of the chosen one.
    pub chosen: Option<VariantNumber>,
    /// The author of the choice: `rule`, `user` or `judge <worker>`.
    pub by: Option<String>,
    /// The reason for the choice.
    pub reason: Option<String>,
    /// The variants.
    pub variants: Vec<VariantRow>,
}

/// One variant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VariantRow {
    /// Its number.
    pub variant: VariantNumber,
    /// Its last attempt.
    pub attempt: Option<AttemptNumber>,
    /// The worker of that attempt.
    pub worker: Option<String>,
    /// The state: `queued`, `running`, `retry`, `passed`, `failed`, `interrupted`, `skipped`.
    pub state: &'static str,
    /// The failure, in one line.
    pub failure: Option<String>,
    /// The number of checks that passed.
    pub checks_passed: usize,
    /// The number of checks that ran.
    pub checks: usize,
    /// The tasks whose candidates conflicted with it at the choice.
    pub conflicts: Option<Vec<TaskNumber>>,
    /// The changed files.
    pub files: Option<u64>,
    /// The added lines.
    pub added: Option<u64>,
    /// The removed lines.
    pub removed: Option<u64>,
    /// The cost of all its attempts in dollars.
    pub cost: Cost,
}

impl VariantTable {
    /// Collects the variants of a task; `None` if it has none.
    pub fn of(state: &RunState, number: TaskNumber) -> Option<VariantTable> {
        let task = state.task(number);
        let count = task.variants.as_ref()?.count;
        let choice = task.variant_choice();
        Some(VariantTable {
            chosen: choice.map(|choice| choice.variant),
            by: choice.map(|choice| author(&choice.by)),
            reason: choice.map(|choice| choice.reason.clone()),
            variants: (1..=count).map(|variant| row(task, variant)).collect(),
        })
    }

    /// Renders `3; variant 2 chosen: smallest change: 2 lines, variant 1 has 10`.
    pub fn summary(&self) -> String {
        let count = self.variants.len();
        match (self.chosen, &self.reason) {
            (Some(chosen), Some(reason)) => format!("{count}; variant {chosen} chosen: {reason}"),
            _ => count.to_string(),
        }
    }
}

impl VariantRow {
    /// Renders `passed, 1 of 1 checks, no conflict, 1 file, +10 −0, $0.12`.
    pub fn words(&self) -> String {
        let mut words = vec![match &self.failure {
            Some(failure) => format!("{}: {failure}", self.state),
            None => self.state.to_owned(),
        }];
        if self.checks > 0 && self.failure.is_none() {
            let passed = self.checks_passed;
            words.push(format!("{passed} of {} checks passed", self.checks));
        }
        words.extend(self.conflicts.as_ref().map(|conflicts| {
            let with = and_list(conflicts);
            match conflicts.is_empty() {
                true => "no conflict".to_owned(),
                false => format!("conflicts with {with}"),
            }
        }));
        if let (Some(files), Some(added), Some(removed)) = (self.files, self.added, self.removed) {
            let stat = ChangeStat {
                files,
                added,
                removed,
            };
            words.push(stat.to_string());
        }
        if !self.cost.is_unknown() {
            words.push(self.cost.to_string());
        }
        words.join(", ")
    }
}

/// Renders the author of a choice.
fn author(by: &ChosenBy) -> String {
    match by {
        ChosenBy::Rule => "rule".to_owned(),
        ChosenBy::User => "user".to_owned(),
        ChosenBy::Judge(worker) => format!("judge {worker}"),
    }
}

fn row(task: &TaskState, variant: VariantNumber) -> VariantRow {
    let last = task.last_attempt_of(Some(variant));
    let outcome = last.and_then(|last| last.outcome.as_ref());
    let stat = match outcome.map(|outcome| &outcome.end) {
        Some(End::Passed { stat, .. }) => Some(*stat),
        _ => None,
    };
    let failure = last.and_then(|last| last.failure());
    let checks = outcome.map_or(&[][..], |outcome| &outcome.checks);
    let has_passed = |check: &&CheckResult| check.result == CheckOutcome::Passed;
    let spending = Spending::of(task.attempts_of(Some(variant)));
    VariantRow {
        variant,
        attempt: last.map(|last| last.number),
        worker: last.map(|last| last.worker.clone()),
        state: state_word(task, variant, outcome),
        failure: failure.map(|failure| failure.message.clone()),
        checks_passed: checks.iter().filter(has_passed).count(),
        checks: checks.len(),
        conflicts: conflicts(task.variant_choice(), variant),
        files: stat.map(|stat| stat.files),
        added: stat.map(|stat| stat.added),
        removed: stat.map(|stat| stat.removed),
        cost: spending.map_or(Cost::Unknown, |spending| spending.cost),
    }
}

fn conflicts(choice: Option<&VariantChoice>, variant: VariantNumber) -> Option<Vec<TaskNumber>> {
    let mut compared = choice?.compared.iter();
    let found = compared.find(|compared| compared.variant == variant)?;
    Some(found.conflicts.clone())
}

fn state_word(task: &TaskState, variant: VariantNumber, outcome: Option<&Outcome>) -> &'static str {
    let is_open = !task.variant_states().is_empty();
    let phase = is_open.then(|| task.phase_of(Some(variant)));
    match (phase, outcome.map(|outcome| &outcome.end)) {
        (Some(TaskPhase::Queued), _) => "queued",
        (Some(TaskPhase::Running), _) => "running",
        (Some(TaskPhase::RetryAt(_)), _) => "retry",
        (_, Some(End::Passed { .. })) => "passed",
        (_, Some(End::Failed(_))) => "failed",
        (_, Some(End::Interrupted {})) => "interrupted",
        (_, None) => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    fn shown(fixture: RunFixture) -> String {
        let Some(table) = VariantTable::of(&fixture.state(), TaskNumber(1)) else {
            return "none".to_owned();
        };
        let rows = table.variants.iter();
        let rows = rows.map(|row| format!("\n{} {}", row.variant, row.words()));
        table.summary() + &rows.collect::<String>()
    }

    #[test]
    fn every_variant_is_listed_with_the_reason_for_the_choice() {
        assert_eq!(shown(RunFixture::new("a")), "none");
        let running = RunFixture::new("a*3").begin_variant(1, 1);
        insta::assert_snapshot!(shown(running.pass(1, "done").begin_variant(1, 2)), @r"
        3
        1 passed, 6 files, +312 −4
        2 running
        3 queued
        ");
        let chosen = RunFixture::new("a*2").begin_variant(1, 1).pass(1, "done");
        let chosen = chosen.begin_variant(1, 2).fail(1, "no test").choose(1, 1);
        insta::assert_snapshot!(shown(chosen), @r"
        2; variant 1 chosen: the only one that passed
        1 passed, 6 files, +312 −4
        2 failed: no test
        ");
    }
}
