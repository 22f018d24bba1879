//! `dispatch tell`: sends a message to a task.

use std::io::Read;

use clap::Args;

use crate::cli::attempt::{attempt_words, find_attempt};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::engine::run::tell::{Told, tell};
use crate::model::ids::AttemptNumber;
use crate::ui::Ui;

/// The longest message, in bytes.
const LIMIT: usize = 100 * 1024;

/// Send a message to a task, for its running worker or its next attempt
#[derive(Args, Debug, Clone)]
#[command(override_usage = "dispatch tell [RUN] <TASK> <TEXT>")]
pub(crate) struct TellArgs {
    /// The run [default: the latest unfinished one], the task, and the text; - reads it from standard
    /// input
    #[arg(num_args = 1..=3, required = true, value_name = "RUN TASK TEXT")]
    words: Vec<String>,
    /// Send it to this attempt alone, counted from 1 [default: all that run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such task, the text is empty, or the run cannot be reached.
pub(crate) fn run(args: TellArgs, ui: &Ui) -> CommandResult {
    let (run, name, text) = match args.words.as_slice() {
        [run, task, text] => (Some(run.as_str()), task, text),
        [task, text] => (None, task, text),
        _ => return Err(CommandError::usage("tell needs a task and a text")),
    };
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(run, DefaultRun::Unfinished)?;
    let state = here.read_state(&run)?;
    let task = find_task(&state.plan, name)?.number;
    find_attempt(&state, task, args.attempt)?;
    let text = message(text)?;
    let place = (&here.repo, &here.store);
    let told = tell(place, &run, (task, args.attempt), &text, here.clock)?;
    let words = |number: &AttemptNumber| {
        let known = state.task(task).attempt(*number);
        let words = known.map(|attempt| attempt_words(task, attempt));
        words.unwrap_or_else(|| format!("attempt {number} of {task}"))
    };
    for number in &told.delivered {
        ui.status(&format!("delivered to {}", words(number)));
    }
    for number in &told.waiting {
        let words = words(number);
        ui.status(&format!(
            "{words} gets the message when its current turn ends"
        ));
    }
    if told == Told::default() {
        ui.status(&format!("kept for the next attempt of {task}"));
    }
    Ok(ExitStatus::Ok)
}

/// Returns the text of the message.
fn message(text: &str) -> Result<String, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("could not read the message: {error}"))
    };
    let text = if text == "-" {
        let mut read = String::new();
        let limited = &mut std::io::stdin().take(LIMIT as u64 + 1);
        limited.read_to_string(&mut read).map_err(failed)?;
        read
    } else {
        text.to_owned()
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(CommandError::failed(
            "the message is empty; nothing was sent",
        ));
    }
    if text.len() > LIMIT {
        let limit = LIMIT / 1024;
        return Err(CommandError::failed(format!(
            "the message is longer than {limit} KiB; nothing was sent"
        )));
    }
    Ok(text.to_owned())
}
