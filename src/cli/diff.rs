//! `dispatch diff RUN TASK`: what a task changed, through git's own diff.

use clap::Args;

use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::ui::Ui;

/// Show what a task changed, against the commit it started from
#[derive(Args, Debug, Clone)]
pub(crate) struct DiffArgs {
    /// Which task
    #[command(flatten)]
    name: TaskName,
    /// Show only files and counts
    #[arg(long)]
    stat: bool,
}

/// Runs the subcommand: the task's candidate, else what its last attempt left.
///
/// # Errors
/// When the task has changed nothing.
pub(crate) fn run(args: DiffArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let Some((from, to)) = change(&state, number) else {
        return Err(CommandError::failed(format!(
            "{number} of {run} has changed nothing"
        )));
    };
    show(&here, from, to, args.stat, ui)
}

/// From which commit to which a task changed something.
pub(crate) fn change(state: &RunState, number: TaskNumber) -> Option<(Oid, Oid)> {
    let kept = |attempt: &Attempt| attempt.outcome.as_ref().and_then(|outcome| outcome.kept);
    let attempts = &state.task(number).attempts;
    match state.task(number).candidate() {
        Some(candidate) => Some((state.task(number).deciding_attempt()?.base?, candidate)),
        None => attempts
            .iter()
            .rev()
            .find_map(|attempt| Some((attempt.base?, kept(attempt)?))),
    }
}

/// On a terminal git shows it, with its pager and colours; elsewhere it is plain text.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn show(here: &RepoContext, from: Oid, to: Oid, stat: bool, ui: &Ui) -> CommandResult {
    let (from, to) = (from.to_string(), to.to_string());
    let mut args = vec!["diff", "--find-renames", &from, &to];
    if stat {
        args.insert(1, "--stat");
    }
    if ui.is_interactive() && std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        // As the user's own `git diff`: pager, colours, language, a diff program if there is one.
        let program = here.repo.git().in_foreground().program().args(&args);
        let program = match std::env::var_os("LC_ALL") {
            Some(language) => program.env("LC_ALL", language),
            None => program.env_remove("LC_ALL"),
        };
        program
            .on_terminal()
            .map_err(|error| CommandError::failed(error.to_string()))?;
    } else {
        args.insert(1, "--no-ext-diff");
        let text = here.repo.git().run(&args)?;
        ui.answer(&String::from_utf8_lossy(&text));
    }
    Ok(ExitStatus::Ok)
}
