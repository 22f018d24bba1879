//! What a worker is told: its task, the shared context, what the others do, what it builds on.

use crate::agent::prompt::{DependencyResult, Neighbour, PromptInput, render_prompt};
use crate::engine::EngineError;
use crate::engine::context::Context;
use crate::model::conflict::TaskConflict;
use crate::model::event::{End, Outcome};
use crate::model::ids::TaskNumber;
use crate::model::integration::CheckOutcome;
use crate::model::plan::Task;
use crate::model::run::{RunState, TaskState};
use crate::model::words::and_list;

/// More neighbours than this say nothing to a worker; those nearest in the plan are named.
const MOST_NEIGHBOURS: usize = 20;

/// The prompt of a task's next attempt.
///
/// # Errors
/// When the template is wrong.
pub fn prompt(
    context: &Context,
    state: &RunState,
    number: TaskNumber,
) -> Result<String, EngineError> {
    let task = context.plan.task(number);
    let input = PromptInput {
        label: task.worker_label(),
        task,
        context: context.plan.context(),
        neighbours: neighbours(state, task),
        results: task
            .depends_on
            .iter()
            .filter_map(|needed| result(state, *needed))
            .collect(),
        previous_failure: conflict(state, number).or(previous_failure(state.task(number))),
        extra: state.task(number).extra_prompt.clone(),
    };
    Ok(render_prompt(None, &input)?)
}

/// The tasks that may be worked on at the same time.
fn neighbours(state: &RunState, task: &Task) -> Vec<Neighbour> {
    let downstream = state.downstream(task.number);
    let related = |other: &&Task| {
        other.number == task.number
            || task.depends_on.contains(&other.number)
            || downstream.contains(&other.number)
    };
    let mut others: Vec<&Task> = state
        .plan
        .tasks()
        .iter()
        .filter(|other| !related(other))
        .collect();
    others.sort_by_key(|other| other.number.0.abs_diff(task.number.0));
    others.truncate(MOST_NEIGHBOURS);
    others.sort_by_key(|other| other.number);
    let neighbour = |other: &Task| Neighbour {
        label: other.worker_label(),
        title: other.title.clone(),
        files: other.fields.files.clone(),
    };
    others.into_iter().map(neighbour).collect()
}

fn result(state: &RunState, number: TaskNumber) -> Option<DependencyResult> {
    let outcome = state.task(number).last_outcome()?;
    let End::Passed { info, .. } = &outcome.end else {
        return None;
    };
    Some(DependencyResult {
        task: number.to_string(),
        title: state.plan.task(number).title.clone(),
        summary: outcome.report.summary.clone(),
        info: info.clone(),
    })
}

/// Why a task that passed is done again: its change did not fit together with others.
fn conflict(state: &RunState, number: TaskNumber) -> Option<String> {
    let with = state.in_the_way_of(number);
    if with.is_empty() {
        return None;
    }
    let meets = |conflict: &&TaskConflict| conflict.a == number || conflict.b == number;
    let paths = state.conflicts.iter().filter(meets);
    let mut paths: Vec<String> = paths
        .flat_map(|conflict| &conflict.units)
        .flat_map(|unit| &unit.paths)
        .map(ToString::to_string)
        .collect();
    paths.sort();
    paths.dedup();
    Some(format!(
        "Your earlier change conflicted with {} in {}. Their results are now in the commit you \
         start from: make your change on top of them, and keep what both were meant to do.",
        and_list(&with),
        paths.join(", ")
    ))
}

fn previous_failure(task: &TaskState) -> Option<String> {
    let failed = |outcome: &&Outcome| matches!(outcome.end, End::Failed(_));
    let outcome = task
        .attempts
        .iter()
        .rev()
        .filter_map(|a| a.outcome.as_ref())
        .find(failed)?;
    let End::Failed(failure) = &outcome.end else {
        return None;
    };
    let mut text = failure.message.clone();
    if let Some(cause) = &failure.root_cause {
        text.push_str(&format!("\nCause: {cause}"));
    }
    let failing = outcome
        .checks
        .iter()
        .find(|check| check.result != CheckOutcome::Passed);
    if let Some(check) = failing {
        text.push_str(&format!(
            "\nThe check `{}` ended with:\n{}",
            check.command, check.tail
        ));
    }
    Some(text)
}
