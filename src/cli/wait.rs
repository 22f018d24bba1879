//! `dispatch wait`: waits until a run or a task ends.

use std::time::{Duration, Instant};

use clap::Args;

use crate::base::clock::parse_duration;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::runs::poll::{Poll, ended};
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::text;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::ui::Ui;

/// Wait until a run, or one of its tasks, has ended
///
/// The exit code is that of the run; for a task 0 if it passed and 3 if not.
#[derive(Args, Debug, Clone)]
pub(crate) struct WaitArgs {
    /// The run, or a task of the latest unfinished one [default: that run]
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
    let here = RepoContext::open_to_read()?;
    let names = (args.run.as_deref(), args.task.as_deref());
    let (run, task) = here.find_run_or_task(names, DefaultRun::Unfinished)?;
    let started = Instant::now();
    let mut poll = Poll::new(&here.repo, &here.store, &run);
    let mut was_paused = false;
    loop {
        let state = poll.wait()?;
        let is_paused = state.phase == RunPhase::Paused;
        if is_paused && !was_paused {
            let resume = suggest::resume(&run);
            ui.status(&format!("{run} is paused; `{resume}` resumes it"));
        }
        was_paused = is_paused;
        if let Some(code) = ended(state, task) {
            ui.status(&sentence(state, task));
            return Ok(ExitStatus::of_run(code));
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

fn sentence(state: &RunState, task: Option<TaskNumber>) -> String {
    match task {
        Some(task) => format!("{task} of {}: {}", state.run, state.status(task)),
        None => text::result_line(&BoardView::new(state)),
    }
}
