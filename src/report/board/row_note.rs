//! Renders the Notes column: one line that explains a task's status.

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

/// Renders one safe line of at most 120 characters; `blockers` keep the task from starting.
pub(crate) fn note(
    state: &RunState,
    number: TaskNumber,
    status: &Status,
    blockers: &[TaskNumber],
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
        (Status::Blocked(by), _) if blockers.is_empty() => {
            plain_line(&format!("Waiting for {}", comma_list(by)), CELL_LIMIT)
        }
        (Status::Blocked(_), _) => reasons(state, blockers),
        (Status::Queued, _) if state.holds_back => match state.speculative_conflict_for(number) {
            Some((a, b)) => format!("Waiting for the conflict between {a} and {b} to end"),
            None => plain_line(note_text(task), CELL_LIMIT),
        },
        (_, TaskPhase::Choosing) => format!("choosing one of {}", variants(task)),
        (Status::InProgress, _) if task.variants.is_some() => {
            with_suffix(note_text(task), &variants(task))
        }
        (Status::InProgress, _) => match where_it_runs(task) {
            Some(place) => with_suffix(note_text(task), &place),
            None => plain_line(note_text(task), CELL_LIMIT),
        },
        (Status::Failed | Status::Retry(_), _) => failure_or_note(task),
        (Status::Done, _) if state.is_conflict_open(number) => {
            with_suffix(note_text(task), "manual resolution in progress")
        }
        (Status::Done, _) if task.manual_resolution.is_some() => {
            with_suffix(note_text(task), "resolved by hand")
        }
        (Status::Done, _) if task.rejected => with_suffix(note_text(task), "left out in review"),
        (Status::Done, _) if state.is_left_out(number) => {
            with_suffix(note_text(task), "left out by the user")
        }
        (Status::Done, _) => match task.outcome().map(|outcome| reservations(task, outcome)) {
            Some(words) if !words.is_empty() => with_suffix(note_text(task), &words),
            _ => plain_line(note_text(task), CELL_LIMIT),
        },
        _ => plain_line(note_text(task), CELL_LIMIT),
    }
}

/// Renders `on build1 of hosts` for a task that runs on another machine.
fn where_it_runs(task: &TaskState) -> Option<String> {
    let attempt = task.live_attempts().next()?;
    let executor = attempt.executor.as_ref()?;
    let place = match &attempt.host {
        Some(host) => format!("on {host} of {executor}"),
        None => format!("on {executor}"),
    };
    Some(plain_line(&place, CELL_LIMIT / 2))
}

/// Renders `3 variants`.
fn variants(task: &TaskState) -> String {
    plural(usize::from(count(task)), "variant")
}

fn count(task: &TaskState) -> u8 {
    task.variants.as_ref().map_or(0, |set| set.count)
}

/// Renders the variant and the reservations of a passed task.
fn reservations(task: &TaskState, outcome: &Outcome) -> String {
    let decides = task.deciding_attempt().and_then(|attempt| attempt.variant);
    let choice = task.variant_choice().filter(|_| decides.is_some());
    let chosen = choice.map(|choice| format!("variant {} of {}", choice.variant, count(task)));
    let outside = (!outcome.undeclared.is_empty()).then(|| {
        format!(
            "{} outside its files",
            plural(outcome.undeclared.len(), "path")
        )
    });
    let flaky = outcome.flaky;
    let flaky = flaky.map(|earlier| format!("flaky: attempt {earlier} failed with the same files"));
    let left = (!outcome.left_behind.is_empty()).then(|| "left work outside its result".to_owned());
    let secrets = (!outcome.secrets.is_empty()).then(|| "has a secret in its files".to_owned());
    let all = [chosen, secrets, left, flaky, outside];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn note_text(task: &TaskState) -> &str {
    task.note.as_deref().unwrap_or_default()
}

/// Renders `#2 failed, #3 skipped`.
fn reasons(state: &RunState, blockers: &[TaskNumber]) -> String {
    let reason = |number: &TaskNumber| {
        let word = match state.task(*number).phase {
            TaskPhase::Skipped { .. } => "skipped",
            TaskPhase::Cancelled => "cancelled",
            TaskPhase::DependenciesConflict { .. } => "blocked by a conflict",
            _ => "failed",
        };
        format!("{number} {word}")
    };
    let reasons: Vec<_> = blockers.iter().map(reason).collect();
    plain_line(&reasons.join(", "), CELL_LIMIT)
}

/// Renders the last failure with its class, unless there is a newer note.
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
        _ => plain_line(note_text(task), CELL_LIMIT),
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

/// Appends the suffix in brackets; cuts the text so that the suffix stays.
fn with_suffix(text: &str, suffix: &str) -> String {
    let room = CELL_LIMIT - suffix.chars().count() - 3;
    let line = format!("{} ({suffix})", plain_line(text, room));
    line.trim_start().to_owned()
}
