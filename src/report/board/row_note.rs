//! The Notes column: one line about why a task is where it is.

use crate::base::markdown::{CELL_LIMIT, plain_line};
use crate::base::text::plural;
use crate::model::failure::Failure;
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_list::comma_list;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::report::words::conflict_sentence;

/// One safe line of at most 120 characters; `stoppers` are the tasks that keep it from starting.
pub(crate) fn note(
    state: &RunState,
    number: TaskNumber,
    status: &Status,
    stoppers: &[TaskNumber],
) -> String {
    let task = state.task(number);
    match (status, &task.phase) {
        (
            _,
            TaskPhase::DependenciesConflict {
                class,
                between,
                paths,
            },
        ) => plain_line(&conflict_sentence(between, paths, *class), CELL_LIMIT),
        (Status::Blocked(by), _) if stoppers.is_empty() => {
            plain_line(&format!("Waiting for {}", comma_list(by)), CELL_LIMIT)
        }
        (Status::Blocked(_), _) => reasons(state, stoppers),
        (Status::Queued, _) if state.holds_back => match state.speculative_conflict_for(number) {
            Some((a, b)) => format!("Waits for the end of a conflict between {a} and {b}"),
            None => plain_line(said(task), CELL_LIMIT),
        },
        (Status::Failed | Status::Retry(_), _) => failure_or_note(task),
        (Status::Done, _) if state.is_conflict_open(number) => {
            with_suffix(said(task), "a person resolves its conflict")
        }
        (Status::Done, _) if task.manual_resolution.is_some() => {
            with_suffix(said(task), "resolved by hand")
        }
        (Status::Done, _) if task.rejected => with_suffix(said(task), "left out in review"),
        (Status::Done, _) if state.is_left_out(number) => {
            with_suffix(said(task), "left out by a person")
        }
        (Status::Done, _) => match task.outcome().map(reservations) {
            Some(words) if !words.is_empty() => with_suffix(said(task), &words),
            _ => plain_line(said(task), CELL_LIMIT),
        },
        _ => plain_line(said(task), CELL_LIMIT),
    }
}

/// What is to be known about a task that passed all the same.
fn reservations(outcome: &Outcome) -> String {
    let outside = (!outcome.undeclared.is_empty()).then(|| {
        format!(
            "{} outside its files",
            plural(outcome.undeclared.len(), "path")
        )
    });
    let flaky = outcome.flaky;
    let flaky = flaky.map(|earlier| format!("flaky: attempt {earlier} failed with the same files"));
    let all: Vec<String> = flaky.into_iter().chain(outside).collect();
    all.join("; ")
}

fn said(task: &TaskState) -> &str {
    task.note.as_deref().unwrap_or_default()
}

/// `#2 failed, #3 skipped`.
fn reasons(state: &RunState, stoppers: &[TaskNumber]) -> String {
    let reason = |number: &TaskNumber| {
        let word = match state.task(*number).phase {
            TaskPhase::Skipped { .. } => "skipped",
            TaskPhase::Cancelled => "cancelled",
            TaskPhase::DependenciesConflict { .. } => "blocked by a conflict",
            _ => "failed",
        };
        format!("{number} {word}")
    };
    let reasons: Vec<_> = stoppers.iter().map(reason).collect();
    plain_line(&reasons.join(", "), CELL_LIMIT)
}

/// The last failure with its class, unless the worker has said something since.
fn failure_or_note(task: &TaskState) -> String {
    match last_failure(task) {
        Some(failure)
            if task
                .note
                .as_ref()
                .is_none_or(|note| *note == failure.message) =>
        {
            with_suffix(&failure.message, failure.words())
        }
        _ => plain_line(said(task), CELL_LIMIT),
    }
}

fn last_failure(task: &TaskState) -> Option<&Failure> {
    let outcomes = task.attempts.iter().rev();
    let mut ends = outcomes.filter_map(|attempt| Some(&attempt.outcome.as_ref()?.end));
    match ends.next()? {
        End::Failed(failure) => Some(failure),
        _ => None,
    }
}

/// What is said is cut, so that the words in brackets stay.
fn with_suffix(said: &str, suffix: &str) -> String {
    let room = CELL_LIMIT - suffix.chars().count() - 3;
    let line = format!("{} ({suffix})", plain_line(said, room));
    line.trim_start().to_owned()
}
