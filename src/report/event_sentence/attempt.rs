//! Events of the attempts at a task.

use crate::model::event::Event;
use crate::model::outcome::{End, Outcome};
use crate::model::variant_choice::{ChosenBy, VariantChoice};
use crate::report::event_sentence::quoted;
use crate::report::words::{conflict_sentence, second};

pub(super) fn of_attempt(name: &str, event: &Event) -> String {
    match event {
        Event::AttemptStarting {
            attempt,
            worker,
            branch,
            variant,
            ..
        } => {
            let variant =
                variant.map_or_else(String::new, |variant| format!(" (variant {variant})"));
            format!("{name}: attempt {attempt}{variant} starts with {worker} on {branch}")
        }
        Event::AttemptSubmitted {
            attempt,
            executor,
            host,
            ..
        } => match host {
            Some(host) => format!("{name}: attempt {attempt} runs on {host} of {executor}"),
            None => format!("{name}: attempt {attempt} goes to {executor}"),
        },
        Event::AttemptStarted {
            attempt,
            base,
            warm,
            ..
        } => {
            let warm = if *warm { ", in a warm worktree" } else { "" };
            format!(
                "{name}: the worker of attempt {attempt} started at {}{warm}",
                base.short()
            )
        }
        Event::ProgressReported { note, .. } => format!("{name}: \u{201c}{}\u{201d}", quoted(note)),
        Event::AttemptEnded {
            attempt, outcome, ..
        } => format!("{name}: attempt {attempt} {}", ended(outcome)),
        Event::RetryScheduled { due, .. } => format!("{name}: retry at {}", second(*due)),
        Event::RetryBudgetSpent { budget, .. } => {
            format!("{name}: no retry, because the run's {budget} retries are used up")
        }
        Event::RetryDue { .. } => format!("{name}: the time of the retry has come"),
        Event::VariantChosen { choice, .. } => format!("{name}: {}", chosen(choice)),
        Event::VariantAccepted { .. } => {
            format!("{name}: the chosen variant is the result of the task")
        }
        Event::DependenciesConflict {
            class,
            between,
            paths,
            ..
        } => format!(
            "{name} cannot start: {}",
            conflict_sentence(between, paths, *class)
        ),
        _ => String::new(),
    }
}

fn ended(outcome: &Outcome) -> String {
    match &outcome.end {
        End::Passed {
            candidate: Some(candidate),
            stat,
            ..
        } => format!("passed with {} ({stat})", candidate.short()),
        End::Passed { .. } => "passed without a change".to_owned(),
        End::Failed(failure) => {
            format!("failed: {} ({})", quoted(&failure.message), failure.words())
        }
        End::Interrupted {} => "was interrupted and uses up no retry".to_owned(),
    }
}

fn chosen(choice: &VariantChoice) -> String {
    let by = match &choice.by {
        ChosenBy::Rule => "by the rule".to_owned(),
        ChosenBy::Judge(worker) => format!("by the judge {worker}"),
        ChosenBy::User => "by the user".to_owned(),
    };
    let (variant, reason) = (choice.variant, quoted(&choice.reason));
    format!("variant {variant} was chosen {by}: {reason}")
}
