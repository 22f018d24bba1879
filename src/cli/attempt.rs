//! Chooses the attempt of a task that a command is about.

use crate::cli::error::CommandError;
use crate::model::attempt::Attempt;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::report::suggest;

/// Finds an attempt by its number; without one it is that of the chosen variant, else the last.
/// `None` if the task has no attempt.
///
/// # Errors
/// When the task has no attempt of this number.
pub(crate) fn find_attempt(
    state: &RunState,
    task: TaskNumber,
    number: Option<u32>,
) -> Result<Option<&Attempt>, CommandError> {
    let now = state.task(task);
    let Some(number) = number else {
        return Ok(now.shown_attempt());
    };
    match now.attempt(number) {
        Some(attempt) => Ok(Some(attempt)),
        None => Err(unknown(&state.run, task, number)),
    }
}

fn unknown(run: &RunId, task: TaskNumber, number: u32) -> CommandError {
    CommandError::failed(format!("{task} of {run} has no attempt {number}"))
        .hint(format!("`{}` lists its attempts", suggest::show(run, task)))
}

/// Renders `attempt 3 of #1`, with the variant if it is one: `attempt 3 of #1 (variant 2, codex)`.
pub(crate) fn attempt_words(task: TaskNumber, attempt: &Attempt) -> String {
    let (number, worker) = (attempt.number, &attempt.worker);
    match attempt.variant {
        Some(variant) => format!("attempt {number} of {task} (variant {variant}, {worker})"),
        None => format!("attempt {number} of {task}"),
    }
}

/// Returns `true` if the user has to be told which attempt a command took: there are several, and none
/// was named.
pub(crate) fn is_unclear(state: &RunState, task: TaskNumber, number: Option<u32>) -> bool {
    number.is_none() && state.task(task).attempts.len() > 1
}
