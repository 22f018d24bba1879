//! What a worker is told: its task, the shared context, what the others do, what it builds on.

use crate::config::settings::PromptSettings;
use crate::engine::spec::GoingOn;
use crate::model::attempt::Attempt;
use crate::model::failure::FailureKind;
use crate::model::ids::TaskNumber;
use crate::model::integration::CheckOutcome;
use crate::model::outcome::{End, Outcome};
use crate::model::plan::{Plan, Task};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_list::and_list;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::worker::prompt::{
    DependencyResult, EarlierWork, Neighbour, PromptInput, check_template, render_prompt,
};
use crate::worker::template::{Template, TemplateError};

/// More neighbours than this say nothing to a worker; those nearest in the plan are named.
const MOST_NEIGHBOURS: usize = 20;

/// Where the next attempt starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a clean tree.
    Clean,
    /// With what the attempt before left.
    InPlace,
}

impl Place {
    /// The place of an attempt that goes on with this.
    pub fn of(going_on: Option<&GoingOn>) -> Place {
        going_on.map_or(Place::Clean, |_| Place::InPlace)
    }
}

/// The prompt of a task's next attempt, as things stand.
///
/// # Errors
/// When the template is wrong.
pub fn prompt(
    settings: &PromptSettings,
    state: &RunState,
    number: TaskNumber,
    place: Place,
    met: Option<String>,
) -> Result<String, TemplateError> {
    let now = state.task(number);
    let task = &current(state, number);
    let input = PromptInput {
        neighbours: neighbours(state, task),
        results: task
            .depends_on
            .iter()
            .filter_map(|needed| result(state, *needed))
            .collect(),
        conflict: conflict(state, number, met),
        previous_failure: previous_failure(now),
        earlier_work: match place {
            Place::Clean => earlier_work(now),
            Place::InPlace => EarlierWork::InPlace,
        },
        extra: now.extra_prompt.clone(),
        attempt: now.attempts.len() as u32 + 1,
        ..PromptInput::bare(task, state.plan.context())
    };
    render_prompt(template(settings), &input)
}

/// The task with the prompt a person gave it since.
pub fn current(state: &RunState, number: TaskNumber) -> Task {
    let mut task = state.plan.task(number).clone();
    if let Some(rewritten) = &state.task(number).rewritten_prompt {
        task.prompt.clone_from(rewritten);
    }
    task
}

/// Whether the user's template works for every task of a plan.
///
/// # Errors
/// The first mistake in it.
pub fn check(settings: &PromptSettings, plan: &Plan) -> Result<(), TemplateError> {
    let Some(template) = template(settings) else {
        return Ok(());
    };
    let mut tasks = plan.tasks().iter();
    tasks.try_for_each(|task| check_template(template, task))
}

fn template(settings: &PromptSettings) -> Option<Template<'_>> {
    let file = settings.template.as_deref()?;
    let text = settings.template_text.as_deref()?;
    Some(Template { file, text })
}

/// The tasks that others work on beside this one, in trees that this one does not see.
fn neighbours(state: &RunState, task: &Task) -> Vec<Neighbour> {
    let downstream = state.downstream(task.number);
    let met = state.in_the_way_of(task.number);
    let is_beside = |other: &&Task| {
        let related = other.number == task.number
            || task.depends_on.contains(&other.number)
            || downstream.contains(&other.number)
            || met.contains(&other.number);
        let given_up = matches!(
            state.task(other.number).phase,
            TaskPhase::Skipped { .. } | TaskPhase::Cancelled
        );
        !related && !given_up
    };
    let all = state.plan.tasks().iter();
    let mut others: Vec<&Task> = all.filter(is_beside).collect();
    others.sort_by_key(|other| other.number.0.abs_diff(task.number.0));
    others.truncate(MOST_NEIGHBOURS);
    others.sort_by_key(|other| other.number);
    let neighbour = |other: &Task| Neighbour {
        label: other.worker_label(),
        title: other.title.clone(),
        files: other.fields.files.clone(),
        done: state.task(other.number).phase == TaskPhase::Done,
        later: is_later(state, other.number),
    };
    others.into_iter().map(neighbour).collect()
}

/// Whether nobody works at it and nobody will before something else has happened.
fn is_later(state: &RunState, number: TaskNumber) -> bool {
    match state.task(number).phase {
        TaskPhase::Queued => !state.unmet(number).is_empty(),
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => true,
        TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Done => false,
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => false,
    }
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
fn conflict(state: &RunState, number: TaskNumber, met: Option<String>) -> Option<String> {
    let with = state.in_the_way_of(number);
    if with.is_empty() && met.is_none() {
        return None;
    }
    let others = match and_list(&with) {
        others if others.is_empty() => "the other results together".to_owned(),
        others => others,
    };
    let meets = |conflict: &&TaskConflict| conflict.a == number || conflict.b == number;
    let paths = state.conflicts.iter().filter(meets);
    let mut paths: Vec<String> = paths
        .flat_map(|conflict| &conflict.units)
        .flat_map(|unit| &unit.paths)
        .map(ToString::to_string)
        .collect();
    paths.sort();
    paths.dedup();
    let place = match paths.join(", ") {
        paths if paths.is_empty() => String::new(),
        paths => format!(" in {paths}"),
    };
    let met = met.map_or(String::new(), |met| format!("\n{met}"));
    Some(format!(
        "Your earlier change conflicted with {others}{place}. Their results are now in the commit \
         you start from: make your change on top of them, and keep what both were meant to do.{met}",
    ))
}

/// What the attempt before this one changed, as a range of commits.
fn earlier_work(task: &TaskState) -> EarlierWork {
    let left = |attempt: &Attempt| {
        let outcome = attempt.outcome.as_ref()?;
        let commit = match &outcome.end {
            End::Passed { candidate, .. } => *candidate,
            _ => outcome.kept,
        };
        Some(format!("{}..{}", attempt.base?, commit?))
    };
    let last = task.attempts.last().and_then(left);
    last.map_or(EarlierWork::None, EarlierWork::Kept)
}

fn previous_failure(task: &TaskState) -> Option<String> {
    // What kept its worktree from being set up is nothing the worker could mend.
    let failed = |outcome: &&Outcome| {
        matches!(outcome.end, End::Failed(_)) && !outcome.is_of(FailureKind::SetUp)
    };
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
