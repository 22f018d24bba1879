//! `dispatch cancel` and `pause`: ask the process that drives the run, or write the journal if none
//! does.

use clap::Args;

use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::control::Request;
use crate::engine::run::control::request;
use crate::report::suggest;
use crate::ui::Ui;

/// Cancel a task, or all unfinished tasks of a run
#[derive(Args, Debug, Clone)]
pub(crate) struct CancelArgs {
    /// The run, or a task of the latest unfinished one
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
    let here = RepoContext::open_to_read()?;
    here.refuse_worker()?;
    let names = (Some(args.run.as_str()), args.task.as_deref());
    let (run, task) = here.find_run_or_task(names, DefaultRun::Unfinished)?;
    request(
        &here.repo,
        &here.store,
        &run,
        &Request::Cancel { task },
        here.clock,
    )?;
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
    let here = RepoContext::open_to_read()?;
    here.refuse_worker()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Unfinished)?;
    request(&here.repo, &here.store, &run, &Request::Pause, here.clock)?;
    ui.status(&format!(
        "{run} is paused; running tasks continue until they end"
    ));
    ui.hint(&format!("`{}` resumes it", suggest::resume(&run)));
    Ok(ExitStatus::Ok)
}
