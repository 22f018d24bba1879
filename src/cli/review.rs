//! `dispatch review RUN`: walk through the candidates, accept or leave out.

use clap::Args;

use crate::base::text::terminal_safe;
use crate::cli::Answer;
use crate::cli::diff;
use crate::cli::error::{CommandError, Exit};
use crate::cli::place::{Default, Place};
use crate::cli::resume::{go_on, refuse_landed};
use crate::model::event::{End, Event};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::suggest;
use crate::ui::Ui;

/// Look at every result before it lands; accept it or leave it out
#[derive(Args, Debug, Clone)]
pub struct ReviewArgs {
    /// The run [default: the latest unfinished one]
    pub run: Option<String>,
}

/// Runs the subcommand. Without a terminal it prints what there is to review and asks nothing.
///
/// # Errors
/// When the run cannot be read, or is driven by another process when something changed.
pub fn run(args: ReviewArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let run = place.find_run(args.run.as_deref(), Default::Unfinished)?;
    let state = place.load(&run)?.state;
    let candidates = state.candidates();
    if candidates.is_empty() {
        return Err(
            CommandError::failed(format!("{run} has no candidate to review"))
                .hint(format!("`dispatch status {run}` shows where it stands")),
        );
    }
    if ui.is_interactive() {
        refuse_landed(&state)?;
    }
    let (mut words, mut said) = (Vec::new(), Vec::new());
    for (place_in_list, (number, _)) in candidates.iter().enumerate() {
        let counted = format!("{} of {}", place_in_list + 1, candidates.len());
        ui.answer(&terminal_safe(&summary(&state, *number, &counted)));
        match walk(&place, &state, *number, ui)? {
            Walk::Said(accepted) if accepted == state.task(*number).rejected => {
                let word = if accepted { "accepted" } else { "left out" };
                said.push(format!("{number} {word}"));
                words.push(Event::Reviewed {
                    task: *number,
                    accepted,
                });
            }
            Walk::Said(_) => {}
            Walk::Stop => break,
        }
    }
    if words.is_empty() {
        if state.landed.is_none() {
            ui.hint(&format!(
                "`{}` lands what is assembled",
                suggest::land(&run)
            ));
        }
        return Ok(Exit::Ok);
    }
    ui.status(&format!("\n{}; assembling again", said.join(", ")));
    go_on(&place, &run, false, ui, |_| Ok(words))
}

/// What a person said about one task.
enum Walk {
    Said(bool),
    Stop,
}

fn walk(
    place: &Place,
    state: &RunState,
    number: TaskNumber,
    ui: &Ui,
) -> Result<Walk, CommandError> {
    let Some((from, to)) = diff::change(state, number) else {
        return Ok(Walk::Said(true));
    };
    if !ui.is_interactive() {
        diff::show(place, from, to, true, ui)?;
        return Ok(Walk::Said(!state.task(number).rejected));
    }
    loop {
        let question = format!("Take {number}?");
        let answer = ui
            .ask(&question, &["accept", "diff", "leave out", "quit"])
            .map_err(|error| CommandError::failed(format!("could not read the answer: {error}")))?;
        match answer {
            Some("accept") => return Ok(Walk::Said(true)),
            Some("leave out") => return Ok(Walk::Said(false)),
            Some("diff") => drop(diff::show(place, from, to, false, ui)?),
            _ => return Ok(Walk::Stop),
        }
    }
}

fn summary(state: &RunState, number: TaskNumber, counted: &str) -> String {
    let task = state.plan.task(number);
    let mut text = format!("\n{number} [{}] {} ({counted})\n", task.tag, task.title);
    let Some(outcome) = state.task(number).last_outcome() else {
        return text;
    };
    if let End::Passed { stat, .. } = &outcome.end {
        text.push_str(&format!("  {stat}\n"));
    }
    let mut say = |name: &str, lines: &[String]| {
        lines
            .iter()
            .for_each(|line| text.push_str(&format!("  {name}: {line}\n")));
    };
    say("summary", outcome.report.summary.as_slice());
    say("decision", &outcome.report.decisions);
    say("issue", &outcome.report.issues);
    let checks: Vec<String> = outcome
        .checks
        .iter()
        .map(|check| format!("{} {}", check.result.word(), check.command))
        .collect();
    say("check", &checks);
    let conflicts = state
        .conflicts
        .iter()
        .filter(|c| c.a == number || c.b == number);
    let conflicts: Vec<String> = conflicts
        .map(|c| {
            format!(
                "with {} ({})",
                if c.a == number { c.b } else { c.a },
                c.class
            )
        })
        .collect();
    say("conflict", &conflicts);
    if state.task(number).rejected {
        text.push_str("  left out so far\n");
    }
    text
}
