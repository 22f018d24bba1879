//! The figures of one worker.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_conflict::TaskConflict;
use crate::model::usage::Cost;

/// The figures of one worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct WorkerFigures {
    /// The tasks whose last attempt it made.
    pub tasks: u64,
    /// Those of them that passed.
    pub done: u64,
    /// Those of them that passed with the first attempt.
    pub at_once: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them whose result conflicts with that of another task.
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
    let pairs = state.conflicts.iter().map(TaskConflict::pair);
    let in_conflict: BTreeSet<TaskNumber> = pairs.flat_map(|(a, b)| [a, b]).collect();
    for (task, planned) in state.tasks.iter().zip(state.plan.tasks()) {
        for attempt in &task.attempts {
            let figures = workers.entry(attempt.worker.clone()).or_default();
            figures.attempts += 1;
            let Some(outcome) = &attempt.outcome else {
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
        let Some(last) = task.shown_attempt() else {
            continue;
        };
        let number = planned.number;
        let is_done = state.status(number) == Status::Done;
        let figures = workers.entry(last.worker.clone()).or_default();
        figures.tasks += 1;
        figures.done += u64::from(is_done);
        figures.at_once += u64::from(is_done && task.attempts.len() == 1);
        figures.failed += u64::from(state.status(number) == Status::Failed);
        figures.in_conflict += u64::from(in_conflict.contains(&number));
    }
}
