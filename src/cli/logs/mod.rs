//! `dispatch logs`: prints the output of a worker, its checks, its set-up or its teardown.

mod follow;

use std::path::Path;

use clap::Args;

use self::follow::{Followed, follow};
use crate::cli::attempt::{attempt_words, find_attempt, is_unclear};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::engine::runs::log::{LogPart, read_log, secrets_of_run};
use crate::ui::Ui;

/// Print the output of the worker of a task and of its checks
#[derive(Args, Debug, Clone)]
pub(crate) struct LogsArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Print the output of the worker as it is written, until the worker ends; wait if it has not started
    #[arg(long, short = 'f')]
    follow: bool,
    /// The attempt, counted from 1 [default: that of the chosen variant, else the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Print the output of the set-up of its worktree
    #[arg(long, conflicts_with = "follow")]
    setup: bool,
    /// Print the output of the teardown of its worktree
    #[arg(long, conflicts_with_all = ["follow", "setup"])]
    teardown: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the task has no log on this machine, or with --follow will never have one.
pub(crate) fn run(args: LogsArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let attempt = match args.follow {
        true => {
            let followed = Followed {
                here: &here,
                run: &run,
                task: number,
                attempt: args.attempt,
            };
            followed.wait_for_worker(ui)?
        }
        false => {
            let found = find_attempt(&state, number, args.attempt)?;
            let not_started = || {
                CommandError::failed(format!("{number} of {run} has not started"))
                    .hint("`dispatch logs -f` waits until it starts")
            };
            let found = found.ok_or_else(not_started)?;
            if is_unclear(&state, number, args.attempt) {
                ui.status(&format!("{}:", attempt_words(number, found)));
            }
            found.number
        }
    };
    let folder = here
        .repo
        .attempt_folder(run.as_str(), number.0, attempt)
        .join("worker");
    if args.follow && folder.is_dir() {
        return follow(ui, &folder, &secrets_of_run(&here.store, &state));
    }
    ui.answer_exact(&read_log(
        (&here.repo, &here.store),
        &state,
        (number, attempt),
        args.part(),
    )?);
    Ok(ExitStatus::Ok)
}

impl LogsArgs {
    /// Returns the part whose log is printed.
    fn part(&self) -> LogPart {
        match (self.setup, self.teardown) {
            (true, _) => LogPart::SetUp,
            (_, true) => LogPart::Teardown,
            _ => LogPart::Worker,
        }
    }
}

fn unreadable(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!(
        "could not read the log in {}: {error}",
        folder.display()
    ))
}
