//! The figures of one worker.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::usage::Cost;

/// The figures of one worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct WorkerFigures {
    /// The tasks whose last attempt it made.
    pub tasks: u64,
    /// Those of them that passed.
    pub done: u64,
    /// Those of them that passed with the first attempt of their worker.
    pub at_once: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them whose result conflicted with that of another task, also if it was resolved since.
    pub in_conflict: u64,
    /// Its attempts.
    pub attempts: u64,
    /// Its failed attempts, by failure class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Its run time in milliseconds.
    pub work_millis: u64,
    /// The dollars it reports.
    pub cost: f64,
    /// Its attempts without a reported cost.
    pub unknown_cost: u64,
    /// The tokens it reports to have read.
    pub input_tokens: u64,
    /// The tokens it reports to have written.
    pub output_tokens: u64,
}

/// Adds the tasks and attempts of a run to the figures of its workers.
pub(super) fn add(workers: &mut BTreeMap<String, WorkerFigures>, state: &RunState) {
    let pairs = state.all_conflicts.iter();
    let pairs = pairs.flat_map(|(a, others)| others.keys().flat_map(|b| [*a, *b]));
    let in_conflict: BTreeSet<TaskNumber> = pairs.collect();
    for (task, planned) in state.tasks.iter().zip(state.plan.tasks()) {
        let made_by_workers = || task.attempts.iter().filter(|attempt| !attempt.by_hand);
        for attempt in made_by_workers() {
            let figures = workers.entry(attempt.worker.clone()).or_default();
            figures.attempts += 1;
            let Some(outcome) = &attempt.outcome else {
                figures.unknown_cost += 1;
                continue;
            };
            figures.work_millis += outcome.millis;
            if let End::Failed(failure) = &outcome.end {
                *figures.failures.entry(failure.class.word()).or_default() += 1;
            }
            match outcome.cost {
                Cost::Known(dollars) => figures.cost += dollars,
                Cost::Unknown => figures.unknown_cost += 1,
            }
            let usage = outcome.usage.unwrap_or_default();
            figures.input_tokens += usage.input;
            figures.output_tokens += usage.output;
        }
        let shown = task.shown_attempt().filter(|attempt| !attempt.by_hand);
        let Some(last) = shown.or(made_by_workers().next_back()) else {
            continue;
        };
        let number = planned.number;
        // A task that the user repaired is done, and its worker did not do it.
        let passed = |attempt: &Attempt| {
            let outcome = attempt.outcome.as_ref();
            outcome.is_some_and(|outcome| matches!(outcome.end, End::Passed { .. }))
        };
        let is_done = state.status(number) == Status::Done && made_by_workers().any(passed);
        let figures = workers.entry(last.worker.clone()).or_default();
        figures.tasks += 1;
        figures.done += u64::from(is_done);
        // Another variant does not count as an earlier try of the chosen one.
        let tries = made_by_workers().filter(|attempt| attempt.variant == last.variant);
        figures.at_once += u64::from(is_done && tries.count() == 1);
        figures.failed += u64::from(state.status(number) == Status::Failed);
        figures.in_conflict += u64::from(in_conflict.contains(&number));
    }
}
