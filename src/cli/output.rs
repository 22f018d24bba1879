//! `dispatch output`: prints what a task reported.

use clap::Args;

use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::model::outcome::End;
use crate::report::suggest;
use crate::ui::Ui;

/// Print what a task reported: the result of an information task, else its summary
#[derive(Args, Debug, Clone)]
pub(crate) struct OutputArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
}

/// Runs the subcommand.
///
/// # Errors
/// When the task has not passed, or reported nothing.
pub(crate) fn run(args: OutputArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let outcome = state.task(number).outcome();
    let Some((End::Passed { info, .. }, outcome)) = outcome.map(|outcome| (&outcome.end, outcome))
    else {
        let message = format!("{number} of {run} has no result: {}", state.status(number));
        return Err(CommandError::failed(message).hint(format!(
            "`{}` shows what its worker wrote",
            suggest::logs(&run, number)
        )));
    };
    let Some(text) = info.as_ref().or(outcome.report.summary.as_ref()) else {
        let message = format!("{number} of {run} passed and reported nothing");
        return Err(CommandError::failed(message).hint(format!(
            "`{}` shows its changes",
            suggest::diff(&run, number)
        )));
    };
    ui.answer(&format!("{}\n", terminal_safe(text.trim_end())));
    Ok(ExitStatus::Ok)
}
