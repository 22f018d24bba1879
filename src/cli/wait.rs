//! `dispatch wait` and `output`: until a run or task is over, and what came out of it.

use std::time::{Duration, Instant};

use clap::Args;

use crate::base::clock::parse_duration;
use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::engine::runs::read::StateReader;
use crate::journal::runs::RunLock;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::ui::Ui;

/// How often the journal is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long a run may have no driver before it counts as interrupted: one process may be handing
/// it to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// Wait until a run, or one of its tasks, is over
///
/// Gives the exit code that the run has; for a task 0 if it passed and 3 if not.
#[derive(Args, Debug, Clone)]
pub(crate) struct WaitArgs {
    /// The run [default: the latest unfinished one]
    run: Option<String>,
    /// The task, by number or tag
    task: Option<String>,
    /// Give up after this time, such as 90s or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Print what a task reported: the result of an information task, else its summary
#[derive(Args, Debug, Clone)]
pub(crate) struct OutputArgs {
    /// Which task
    #[command(flatten)]
    name: TaskName,
}

/// Runs `dispatch wait`.
///
/// # Errors
/// When the time is up, or nobody drives the run any more.
pub(crate) fn wait(args: WaitArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Unfinished)?;
    let mut reader = StateReader::new(&here.repo, &here.store, &run);
    let plan = reader.read()?.plan.clone();
    let task = args
        .task
        .as_deref()
        .map(|name| find_task(&plan, name))
        .transpose()?;
    let task = task.map(|task| task.number);
    let started = Instant::now();
    let mut driven = Instant::now();
    loop {
        let state = reader.read()?;
        if let Some(exit) = verdict(state, task) {
            ui.status(&sentence(state, task));
            return Ok(exit);
        }
        if RunLock::is_held(&here.repo, &run) {
            driven = Instant::now();
        } else if driven.elapsed() > HANDOVER {
            return Err(interrupted(&run));
        }
        if args
            .timeout
            .is_some_and(|timeout| started.elapsed() >= timeout)
        {
            return Err(CommandError::failed(format!("{run} is not over yet"))
                .hint(format!("`{}` shows its progress", suggest::status(&run))));
        }
        std::thread::sleep(INTERVAL);
    }
}

fn verdict(state: &RunState, task: Option<TaskNumber>) -> Option<ExitStatus> {
    let ended = match state.phase {
        RunPhase::Ended(code) => Some(ExitStatus::of_run(code)),
        _ => None,
    };
    let Some(task) = task else { return ended };
    match state.task(task).phase {
        TaskPhase::Done => Some(ExitStatus::Ok),
        TaskPhase::Skipped { .. } | TaskPhase::Cancelled => Some(ExitStatus::TaskFailed),
        // That it is tried again stands in the same commit of the journal as its failure, unless the
        // run decides nothing now.
        TaskPhase::Failed if decides(state) => Some(ExitStatus::TaskFailed),
        _ => ended.map(|_| ExitStatus::TaskFailed),
    }
}

fn decides(state: &RunState) -> bool {
    state.phase == RunPhase::Running && state.out_of_space.is_none()
}

fn sentence(state: &RunState, task: Option<TaskNumber>) -> String {
    match task {
        Some(task) => format!("{task} of {}: {}", state.run, state.status(task)),
        None => format!("{} has ended", state.run),
    }
}

fn interrupted(run: &RunId) -> CommandError {
    CommandError::failed(format!("nobody drives {run} any more"))
        .hint(format!("`{}` takes it up again", suggest::resume(run)))
}

/// Runs `dispatch output`.
///
/// # Errors
/// When the task has not passed, or reported nothing.
pub(crate) fn output(args: OutputArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let outcome = state
        .task(number)
        .last_outcome()
        .map(|outcome| (&outcome.end, outcome));
    let Some((End::Passed { info, .. }, outcome)) = outcome else {
        let message = format!("{number} of {run} has no result: {}", state.status(number));
        return Err(CommandError::failed(message).hint(format!(
            "`{}` shows what its worker wrote",
            suggest::logs(&run, number)
        )));
    };
    let text = info.as_ref().or(outcome.report.summary.as_ref());
    let Some(text) = text else {
        let message = format!("{number} of {run} passed and reported nothing");
        return Err(CommandError::failed(message).hint(format!(
            "`{}` shows its change",
            suggest::diff(&run, number)
        )));
    };
    ui.answer(&format!("{}\n", terminal_safe(text.trim_end())));
    Ok(ExitStatus::Ok)
}
