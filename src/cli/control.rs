//! `dispatch cancel` and `pause`: ask the process that drives the run, or write the journal if none
//! does.

use clap::Args;

use crate::base::text::error_chain;
use crate::cli::drive::context;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::control::{Request, Response, ask, control_socket};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::run::requests as meaning;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::StopSignal;
use crate::journal::Journal;
use crate::journal::runs::{RunLock, Taken};
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::ui::Ui;

/// Cancel a task, or all unfinished tasks of a run
#[derive(Args, Debug, Clone)]
pub(crate) struct CancelArgs {
    /// The run
    run: String,
    /// The task, by number or tag [default: all unfinished tasks]
    task: Option<String>,
}

/// Start no new tasks in a run; running tasks continue
#[derive(Args, Debug, Clone)]
pub(crate) struct PauseArgs {
    /// The run [default: the latest unfinished one]
    run: Option<String>,
}

/// Runs `dispatch cancel`.
///
/// # Errors
/// When the task has ended already, or the run cannot be reached.
pub(crate) fn cancel(args: CancelArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(Some(&args.run), DefaultRun::Unfinished)?;
    let plan = here.read_state(&run)?.plan;
    let task = args
        .task
        .as_deref()
        .map(|name| find_task(&plan, name))
        .transpose()?;
    let task = task.map(|task| task.number);
    request(&here, &run, &Request::Cancel { task })?;
    ui.status(&match task {
        Some(task) => format!("{task} of {run} is cancelled"),
        None => format!("all unfinished tasks of {run} are cancelled"),
    });
    Ok(ExitStatus::Ok)
}

/// Runs `dispatch pause`.
///
/// # Errors
/// When the run is not running, or cannot be reached.
pub(crate) fn pause(args: PauseArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Unfinished)?;
    request(&here, &run, &Request::Pause)?;
    ui.status(&format!(
        "{run} is paused; running tasks continue until they end"
    ));
    ui.hint(&format!("`{}` continues it", suggest::resume(&run)));
    Ok(ExitStatus::Ok)
}

/// Sends the request to the process that drives the run; if none does, records it in the journal.
fn request(here: &RepoContext, run: &RunId, request: &Request) -> Result<(), CommandError> {
    let failed =
        |error: std::io::Error| CommandError::failed(format!("could not lock {run}: {error}"));
    match RunLock::take(&here.repo, run, here.clock.now()).map_err(failed)? {
        Taken::Ours(lock) => record(here, run, request, &lock),
        Taken::Held(_) => {
            let answer = ask(&control_socket(&here.repo, run), request)
                .map_err(|error| CommandError::failed(error_chain(&error)))?;
            match answer {
                Some(Response::Done) => Ok(()),
                Some(Response::Refused { why }) => Err(CommandError::failed(why)),
                None => Err(CommandError::new(
                    ExitStatus::Held,
                    format!("another dispatch holds {run} and takes no requests"),
                )
                .hint("it is landing or cleaning up; try again in a moment")),
            }
        }
    }
}

fn record(
    here: &RepoContext,
    run: &RunId,
    request: &Request,
    _lock: &RunLock,
) -> Result<(), CommandError> {
    let loaded = here.load(run)?;
    let events = meaning::events(&loaded.state, request).map_err(|response| match response {
        Response::Refused { why } => CommandError::failed(why),
        Response::Done => CommandError::failed("nothing to do"),
    })?;
    let mut journal = Journal::reopen(&here.repo, &loaded.replayed).map_err(EngineError::from)?;
    let recorded = journal
        .append(events, here.clock.now())
        .map_err(EngineError::from)?;
    let mut state = loaded.state;
    recorded.iter().for_each(|record| state.apply(record));
    let context = context(&here.repo, &state, loaded.settings, here.clock)?;
    stop_orphans(&context, &state)?;
    Ok(())
}

/// Stops the workers of cancelled tasks, which outlive the process that drove them.
fn stop_orphans(context: &Context, state: &RunState) -> Result<(), CommandError> {
    for task in state.plan.tasks() {
        let now = state.task(task.number);
        let Some(attempt) = now.last_attempt() else {
            continue;
        };
        if now.cancelled && now.phase == TaskPhase::Running {
            let folder = worker_folder(context, task.number, attempt.number);
            if let Ok(running) = context.executor.adopt(&folder) {
                running.stopper().stop(StopSignal::Terminate);
            }
        }
    }
    Ok(())
}
