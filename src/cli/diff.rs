//! `dispatch diff RUN TASK`: shows the changes of a task with git's own diff.

use clap::Args;

use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::model::task_change::TaskChange;
use crate::ui::Ui;

/// Show the changes of a task against the commit it started from
#[derive(Args, Debug, Clone)]
pub(crate) struct DiffArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Show only files and counts
    #[arg(long)]
    stat: bool,
}

/// Runs the subcommand: shows the task's candidate, or the work that its last attempt left.
///
/// # Errors
/// When the task has changed nothing.
pub(crate) fn run(args: DiffArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let Some(change) = state.task_change(number) else {
        return Err(CommandError::failed(format!(
            "{number} of {run} has changed nothing"
        )));
    };
    show(&here, change, args.stat, ui)
}

/// Prints a diff: on a terminal by git, with its pager and colours, elsewhere as plain text.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn show(here: &RepoContext, change: TaskChange, stat: bool, ui: &Ui) -> CommandResult {
    let (from, to) = (change.from.to_string(), change.to.to_string());
    let mut args = vec!["diff", "--find-renames", &from, &to];
    if stat {
        args.insert(1, "--stat");
    }
    if ui.is_interactive() && std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        // As in the user's own `git diff`: pager, colours, language, external diff program.
        let program = here.repo.git().in_foreground().program().args(&args);
        let program = match std::env::var_os("LC_ALL") {
            Some(language) => program.env("LC_ALL", language),
            None => program.env_remove("LC_ALL"),
        };
        program
            .on_terminal()
            .map_err(|error| CommandError::failed(error.to_string()))?;
    } else {
        args.splice(1..1, ["--no-ext-diff", "--no-textconv"]);
        let text = here.repo.git().run(&args)?;
        ui.answer(&String::from_utf8_lossy(&text));
    }
    Ok(ExitStatus::Ok)
}
