//! Suggests next steps after a run: the workers' proposals, then commands.

use std::fmt::{self, Write};

use crate::base::markdown::markdown_prose;
use crate::model::ids::TaskNumber;
use crate::model::integration::{CheckOutcome, Integration, LeftOutReason};
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_change::Placement;
use crate::model::task_list::and_list;
use crate::report::completion::is_by_user;
use crate::report::suggest;
use crate::report::words::minute;

/// The maximum number of workers' proposals shown.
const MAX_PROPOSALS: usize = 10;

/// One numbered line at the end of the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) words: String,
    /// The command; none for a worker's proposal.
    pub(crate) command: Option<String>,
}

/// Writes the steps as a numbered list under a heading; writes nothing without steps.
pub(crate) fn write_steps(to: &mut String, steps: &[Step]) -> fmt::Result {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(to, "\n### Suggested next steps")?;
    for (place, step) in (1..).zip(steps) {
        let words = markdown_prose(&step.words);
        match &step.command {
            Some(command) => writeln!(to, "{place}. {words}: `{command}`")?,
            None => writeln!(to, "{place}. {words}")?,
        }
    }
    Ok(())
}

/// Returns the steps in a sensible order; landing an incomplete result is marked as such.
pub(crate) fn next_steps(state: &RunState) -> Vec<Step> {
    let mut steps = proposals(state);
    let run = &state.run;
    match (&state.landed, &state.integration) {
        (Some(landing), _) => {
            let words = format!(
                "It landed on {} at {}; clean up",
                landing.target,
                minute(landing.at)
            );
            steps.push(step(words, suggest::clean(run)));
            if landing.from != landing.to {
                steps.push(step("Or undo the landing", suggest::unland(run)));
            }
        }
        (None, _) if state.candidates().is_empty() => {
            steps.push(step(
                "There is nothing to land; clean up",
                suggest::clean(run),
            ));
        }
        (None, _) if state.assembly_refused.is_some() => {
            let reason = state.assembly_refused.as_deref().unwrap_or_default();
            steps.push(step(
                format!("{reason}, then assemble"),
                suggest::assemble(run),
            ));
            let before = state.integration.as_ref();
            if before.is_some_and(|before| !before.merged.is_empty()) {
                steps.push(step("Or land what was assembled before", land(state)));
            }
        }
        (None, None) => steps.extend([
            step("Assemble", suggest::assemble(run)),
            step("Review", suggest::review(run)),
            step("Land", land(state)),
        ]),
        (None, Some(integration)) if integration.needs_attention() => {
            steps.extend(repairs(state, integration));
        }
        (None, Some(integration)) if integration.merged.is_empty() => steps.extend([
            step("Review", suggest::review(run)),
            step("Assemble again", suggest::assemble(run)),
        ]),
        (None, Some(integration)) => {
            steps.push(step("Review", suggest::review(run)));
            let words = match &state.undone_landing {
                Some(undone) => format!(
                    "Land again, because the landing on {} was undone at {},",
                    undone.target,
                    minute(undone.at)
                ),
                None => "Land".to_owned(),
            };
            let words = format!("{words}{}", without(state, integration));
            steps.push(step(words.trim_end_matches(','), land(state)));
        }
    }
    steps
}

fn step(words: impl Into<String>, command: String) -> Step {
    Step {
        words: words.into(),
        command: Some(command),
    }
}

fn proposals(state: &RunState) -> Vec<Step> {
    let tasks = state.plan.tasks().iter();
    let passed = tasks.filter(|task| state.status(task.number) == Status::Done);
    let proposals = passed.flat_map(|task| {
        let outcome = state.task(task.number).outcome();
        let words = outcome.map_or(&[][..], |outcome| &outcome.report.next_steps);
        words.iter().map(|words| Step {
            words: format!("{words} (proposed by {})", task.worker_label()),
            command: None,
        })
    });
    proposals.take(MAX_PROPOSALS).collect()
}

/// Returns a step for each failed task.
fn failures(state: &RunState) -> impl Iterator<Item = Step> {
    state.plan.tasks().iter().filter_map(|task| {
        let End::Failed(failure) = &state.task(task.number).outcome()?.end else {
            return None;
        };
        let words = format!("Fix what made {} fail, then run it again", task.number);
        let failed = state.status(task.number) == Status::Failed;
        failed.then(|| step(words, suggest::again(state, task, failure)))
    })
}

/// Returns the steps that complete an assembly with left-out tasks or failed checks.
fn repairs(state: &RunState, integration: &Integration) -> Vec<Step> {
    let run = &state.run;
    let mut steps: Vec<Step> = failures(state).collect();
    let conflicting = integration
        .left_out
        .iter()
        .filter(|out| matches!(out.reason, LeftOutReason::Conflict { .. }));
    let conflicting: Vec<_> = conflicting.map(|out| out.task).collect();
    if !conflicting.is_empty() {
        steps.push(step("See what conflicts", suggest::conflicts(run)));
    }
    let failing = integration.left_out.iter().filter_map(|out| {
        let failed = matches!(out.reason, LeftOutReason::FailedChecks { .. });
        failed.then_some(out.task)
    });
    for task in conflicting.iter().copied().chain(failing) {
        steps.push(step(format!("Try {task} again"), suggest::retry(run, task)));
    }
    for task in &conflicting {
        let words = format!("Or resolve the conflict of {task} by hand");
        steps.push(step(words, suggest::resolve(run, *task)));
    }
    if !integration.checks_passed() {
        let words = format!("Review the changes, because {}", broken_checks(integration));
        steps.push(step(words, suggest::review(run)));
    }
    steps.push(step("Assemble again", suggest::assemble(run)));
    if !integration.merged.is_empty() {
        let words = format!(
            "Or land the incomplete result{}",
            without(state, integration)
        );
        steps.push(step(words, land(state)));
    }
    steps
}

/// Returns the command that lands; a run from a detached HEAD needs a target branch.
fn land(state: &RunState) -> String {
    let broken = state
        .integration
        .as_ref()
        .is_some_and(|found| !found.checks_passed());
    let force = if broken { " --force" } else { "" };
    let command = format!("{}{force}", suggest::land(&state.run));
    match state.target {
        Some(_) => command,
        None => format!("{command} --into BRANCH"),
    }
}

/// Renders the parts a landing would lack: ` without #2, although the check npm test failed`.
fn without(state: &RunState, integration: &Integration) -> String {
    let out = missing(state);
    let mut words = String::new();
    if !out.is_empty() {
        let all_by_user =
            out.len() == integration.left_out.len() && integration.left_out.iter().all(is_by_user);
        let reason = if all_by_user {
            " (left out by the user)"
        } else {
            ""
        };
        words = format!(" without {}{reason}", and_list(&out));
    }
    if !integration.checks_passed() {
        words = format!("{words}, although {}", broken_checks(integration));
    }
    words
}

/// Returns the tasks that were left out, failed or never ran, except skipped ones.
fn missing(state: &RunState) -> Vec<TaskNumber> {
    let is_missing = |task: &TaskNumber| match state.status(*task) {
        Status::Done => matches!(state.placement(*task), Placement::LeftOut(_)),
        Status::Skipped => false,
        _ => true,
    };
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    tasks.filter(is_missing).collect()
}

/// Renders `the check npm test failed` or `2 checks did not pass`.
fn broken_checks(integration: &Integration) -> String {
    let mut broken = integration.checks.iter().filter(|check| !check.passed());
    match (broken.next(), broken.count()) {
        (Some(check), 0) => {
            let command = check.command.replace('`', "'");
            let how = match check.result {
                CheckOutcome::NotRun => "was not run",
                CheckOutcome::TimedOut => "timed out",
                _ => "failed",
            };
            format!("the check `{command}` {how}")
        }
        (_, others) => format!("{} checks did not pass", others + 1),
    }
}
