//! `dispatch logs RUN TASK [-f]`: what the worker and the checks of its work wrote, or the commands
//! around it, as bytes made safe for the terminal.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::engine::EngineError;
use crate::engine::worktree::command_log::{CommandLog, read_logs, set_up_folder, teardown_folder};
use crate::exec::local::LocalExecutor;
use crate::exec::log::{self, Follower};
use crate::exec::{Executor, JobStatus};
use crate::ui::Ui;

/// How often a log that is followed is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Print what the worker of a task and its checks wrote
#[derive(Args, Debug, Clone)]
pub(crate) struct LogsArgs {
    /// Which task
    #[command(flatten)]
    name: TaskName,
    /// Go on printing what the worker writes until it has ended, and no checks
    #[arg(long, short = 'f')]
    follow: bool,
    /// Which attempt, counted from 1 [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// What the set-up of its worktree wrote
    #[arg(long, conflicts_with = "follow")]
    setup: bool,
    /// What the teardown of its worktree wrote
    #[arg(long, conflicts_with_all = ["follow", "setup"])]
    teardown: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the task has no log on this machine.
pub(crate) fn run(args: LogsArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let task = find_task(&state.plan, &args.name.task)?;
    let last = state
        .task(task.number)
        .last_attempt()
        .map(|attempt| attempt.number);
    let Some(attempt) = args.attempt.or(last) else {
        return Err(CommandError::failed(format!(
            "{} of {run} has not started",
            task.number
        )));
    };
    let whole = here
        .repo
        .attempt_folder(run.as_str(), task.number.0, attempt);
    let folder = whole.join("worker");
    let set_up = set_up_folder(&here.repo, &run, task.number, attempt);
    let known = state.task(task.number).attempts.iter();
    let known = known.rev().find(|known| known.number == attempt);
    let worktree = known.map(|known| here.repo.resolve_portable_path(&known.worktree));
    let none = |what: &str| {
        CommandError::failed(format!(
            "attempt {attempt} at {} of {run} has no {what} on this machine",
            task.number
        ))
        .hint("logs stay where the run was made; `dispatch show` reads the rest from git")
    };
    let beside = match (args.setup, args.teardown) {
        (true, _) => Some(("log of a set-up", set_up)),
        (_, true) => {
            let folder = worktree.map(|path| teardown_folder(&here.repo, &run, &path));
            Some(("log of a teardown", folder.unwrap_or_default()))
        }
        // Where the set-up failed, or still goes on, there is no worker.
        _ => (!folder.is_dir()).then_some(("log", set_up)),
    };
    match beside {
        Some((what, folder)) => match print_commands(ui, "$", &read_logs(&folder)) {
            0 => Err(none(what)),
            _ => Ok(ExitStatus::Ok),
        },
        None if args.follow => follow(ui, &folder),
        None => {
            let bytes = log::read(&folder).map_err(|error| unreadable(&folder, &error))?;
            let checks = read_logs(&whole);
            match checks.is_empty() {
                true => print(ui, &bytes),
                false => print_whole_lines(ui, &bytes),
            }
            print_commands(ui, "check:", &checks);
            Ok(ExitStatus::Ok)
        }
    }
}

fn follow(ui: &Ui, folder: &Path) -> CommandResult {
    let executor = LocalExecutor::new("dispatch");
    let mut follower = Follower::new(folder);
    loop {
        // The status comes first: what is written before the end is read after it was seen.
        let over = !matches!(
            executor.status(folder).map_err(EngineError::from)?,
            JobStatus::Alive
        );
        let bytes = follower
            .read()
            .map_err(|error| unreadable(folder, &error))?;
        print(ui, &bytes);
        if over && bytes.is_empty() {
            return Ok(ExitStatus::Ok);
        }
        if bytes.is_empty() {
            std::thread::sleep(FOLLOW_INTERVAL);
        }
    }
}

fn unreadable(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!(
        "the log in {} cannot be read: {error}",
        folder.display()
    ))
}

/// The commands of a set-up or teardown, or the checks, and what each wrote; how many there are.
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

/// A file or pipe gets the bytes' text as it is; a terminal gets no escape sequences.
fn print(ui: &Ui, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match std::io::stdout().is_terminal() {
        true => ui.answer(&terminal_safe(&text)),
        false => ui.answer(&text),
    }
}
