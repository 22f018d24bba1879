//! `dispatch logs`: prints the output of a worker, its checks, its set-up or its teardown.

mod follow;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use self::follow::{Followed, follow};
use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::engine::worktree::command_log::{CommandLog, read_logs, set_up_folder, teardown_folder};
use crate::exec::log;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
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
    /// The attempt, counted from 1 [default: the last]
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
    let here = RepoContext::open()?;
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
            let last = state.task(number).last_attempt();
            let not_started = || {
                CommandError::failed(format!("{number} of {run} has not started"))
                    .hint("`dispatch logs -f` waits until it starts")
            };
            let last = last.map(|attempt| attempt.number);
            args.attempt.or(last).ok_or_else(not_started)?
        }
    };
    let folder = here.repo.attempt_folder(run.as_str(), number.0, attempt);
    let worker = folder.join("worker");
    if let Some((what, commands)) = commands_folder(&here, &state, &args, (number, attempt)) {
        return match print_commands(ui, "$", &read_logs(&commands)) {
            0 => Err(CommandError::failed(format!(
                "attempt {attempt} at {number} of {run} has no {what} on this machine"
            ))
            .hint("logs stay on the machine of the run; `dispatch show` reads the rest from git")),
            _ => Ok(ExitStatus::Ok),
        };
    }
    if args.follow {
        return follow(ui, &worker);
    }
    let bytes = log::read(&worker).map_err(|error| unreadable(&worker, &error))?;
    let checks = read_logs(&folder);
    match checks.is_empty() {
        true => print(ui, &bytes),
        false => print_whole_lines(ui, &bytes),
    }
    print_commands(ui, "check:", &checks);
    Ok(ExitStatus::Ok)
}

/// Returns the folder with the logs of set-up or teardown, if they are printed.
///
/// The set-up is also printed where the attempt has no worker.
fn commands_folder(
    here: &RepoContext,
    state: &RunState,
    args: &LogsArgs,
    (number, attempt): (TaskNumber, u32),
) -> Option<(&'static str, PathBuf)> {
    let run = &state.run;
    let set_up = || set_up_folder(&here.repo, run, number, attempt);
    if args.setup {
        return Some(("log of a set-up", set_up()));
    }
    if args.teardown {
        let mut known = state.task(number).attempts.iter().rev();
        let known = known.find(|known| known.number == attempt);
        let worktree = known.map(|known| here.repo.resolve_portable_path(&known.worktree));
        let folder = worktree.map(|path| teardown_folder(&here.repo, run, &path));
        return Some(("log of a teardown", folder.unwrap_or_default()));
    }
    let folder = here.repo.attempt_folder(run.as_str(), number.0, attempt);
    (!folder.join("worker").is_dir()).then(|| ("log", set_up()))
}

fn unreadable(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!(
        "could not read the log in {}: {error}",
        folder.display()
    ))
}

/// Prints commands with the output of each, and returns their number.
fn print_commands(ui: &Ui, mark: &str, all: &[CommandLog]) -> usize {
    for CommandLog { command, output } in all {
        print(ui, format!("{mark} {}\n", command.trim_end()).as_bytes());
        print_whole_lines(ui, output);
    }
    all.len()
}

fn print_whole_lines(ui: &Ui, output: &[u8]) {
    print(ui, output);
    if output.last().is_some_and(|last| *last != b'\n') {
        print(ui, b"\n");
    }
}

/// Prints bytes; a terminal gets no escape sequences of the worker.
fn print(ui: &Ui, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match std::io::stdout().is_terminal() {
        true => ui.answer(&terminal_safe(&text)),
        false => ui.answer(&text),
    }
}
