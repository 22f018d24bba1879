//! `dispatch wait`: waits until a run or a task ends.

use std::time::{Duration, Instant};

use clap::Args;

use crate::base::clock::parse_duration;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::engine::runs::poll::Poll;
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::board::text;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::ui::Ui;

/// Wait until a run, or one of its tasks, has ended
///
/// The exit code is that of the run; for a task 0 if it passed and 3 if not.
#[derive(Args, Debug, Clone)]
pub(crate) struct WaitArgs {
    /// The run [default: the latest unfinished one]
    run: Option<String>,
    /// The task, by number or tag
    task: Option<String>,
    /// Stop waiting after this time, such as 90s or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Runs the subcommand.
///
/// # Errors
/// When the time is up, or no process drives the run any more.
pub(crate) fn run(args: WaitArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Unfinished)?;
    let plan = here.read_state(&run)?.plan;
    let task = args.task.as_deref();
    let task = task.map(|name| find_task(&plan, name)).transpose()?;
    let task = task.map(|task| task.number);
    let started = Instant::now();
    let mut poll = Poll::new(&here.repo, &here.store, &run);
    loop {
        let state = poll.next()?;
        if let Some(exit) = result(state, task) {
            ui.status(&sentence(state, task));
            return Ok(exit);
        }
        if args
            .timeout
            .is_some_and(|timeout| started.elapsed() >= timeout)
        {
            return Err(CommandError::failed(format!("{run} has not ended yet"))
                .hint(format!("`{}` shows its progress", suggest::status(&run))));
        }
    }
}

/// Returns the exit code once the run or the task has ended.
fn result(state: &RunState, task: Option<TaskNumber>) -> Option<ExitStatus> {
    let ended = match state.phase {
        RunPhase::Ended(code) => Some(ExitStatus::of_run(code)),
        _ => None,
    };
    let Some(task) = task else { return ended };
    match state.task(task).phase {
        TaskPhase::Done => Some(ExitStatus::Ok),
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => Some(ExitStatus::TaskFailed),
        // One commit of the journal holds a failure and the decision to retry, unless the run
        // decides nothing at the moment.
        TaskPhase::Failed if decides(state) => Some(ExitStatus::TaskFailed),
        _ => ended.map(|_| ExitStatus::TaskFailed),
    }
}

fn decides(state: &RunState) -> bool {
    state.phase == RunPhase::Running && state.shortage.is_none()
}

fn sentence(state: &RunState, task: Option<TaskNumber>) -> String {
    match task {
        Some(task) => format!("{task} of {}: {}", state.run, state.status(task)),
        None => text::result_line(&BoardView::new(state)),
    }
}
