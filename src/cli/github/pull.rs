//! `dispatch github sync --pull`: takes over what people changed on GitHub.

use std::time::{Duration, Instant};

use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::CommandError;
use crate::cli::github::suggest_sync;
use crate::cli::repo_context::RepoContext;
use crate::control::Request;
use crate::engine::mirror::found::Found;
use crate::engine::mirror::pull::{Change, changes};
use crate::engine::mirror::sync::Mirror;
use crate::engine::run::control::{RequestError, request};
use crate::engine::run::tell::tell;
use crate::engine::runs::poll::{Poll, PollError};
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::ui::Ui;

/// The longest wait for the worker of a cancelled task. A worker is killed 10 s after it was asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Shows the changes, asks, and takes them over. With `dry_run` it only shows them. Returns `true` if some
/// were taken over.
///
/// # Errors
/// When the user declines, or the run cannot be reached.
pub(super) fn run(
    here: &RepoContext,
    mirror: &Mirror<'_>,
    state: &RunState,
    found: &Found,
    (dry_run, consent): (bool, ConfirmArgs),
    ui: &Ui,
) -> Result<bool, CommandError> {
    let changes = changes(state, found, &mirror.record, &mirror.secrets);
    for left in &changes.left {
        ui.warning(&format!("not taken over: {}", terminal_safe(left)));
    }
    if changes.taken.is_empty() {
        ui.status("nothing has changed there that the run can take over");
        return Ok(false);
    }
    for change in &changes.taken {
        ui.status(&terminal_safe(&change.words()));
    }
    if dry_run {
        return Ok(false);
    }
    let count = plural(changes.taken.len(), "change");
    consent.confirm(ui, &format!("Take {count} over into {}?", state.run))?;
    for change in &changes.taken {
        match take(here, state, change) {
            // The run went on meanwhile. The other changes are still possible.
            Err(RequestError::Refused(why)) => {
                let what = format!("{}: {why}", change.words());
                ui.warning(&format!("not taken over: {}", terminal_safe(&what)));
            }
            Err(error) => return Err(error.into()),
            Ok(Taken::Whole) => {}
            Ok(Taken::CancelledOnly(task)) => {
                ui.warning(&format!(
                    "{task} is cancelled, but not skipped yet: its worker has not exited"
                ));
                ui.hint(&format!(
                    "`{} --pull` again once its worker has exited",
                    suggest_sync(state)
                ));
            }
        }
    }
    let state = here.read_state(&state.run)?;
    if matches!(state.phase, RunPhase::Ended(_)) {
        ui.hint(&format!(
            "`{}` resumes the run with them",
            suggest::resume(&state.run)
        ));
    }
    Ok(true)
}

/// The part of a change that was taken over.
enum Taken {
    /// All of it.
    Whole,
    /// The task is cancelled, and its worker has not exited.
    CancelledOnly(TaskNumber),
}

fn take(here: &RepoContext, state: &RunState, change: &Change) -> Result<Taken, RequestError> {
    let ask = |asked: Request| request(&here.repo, &here.store, &state.run, &asked, here.clock);
    match change {
        Change::Skip { task, cascade } => ask(Request::Skip {
            task: *task,
            cascade: *cascade,
        })?,
        Change::Cancel { task, skip } => {
            ask(Request::Cancel { task: Some(*task) })?;
            if *skip {
                match wait_until_stopped(here, state, *task)? {
                    // Its worker was faster.
                    Some(TaskPhase::Done) => {}
                    Some(_) => ask(Request::Skip {
                        task: *task,
                        cascade: false,
                    })?,
                    None => return Ok(Taken::CancelledOnly(*task)),
                }
            }
        }
        Change::Prioritize { task, from, to } => ask(Request::Prioritize {
            task: *task,
            by: to.saturating_sub(*from),
        })?,
        Change::Tell { task, text, .. } => {
            let place = (&here.repo, &here.store);
            tell(place, &state.run, (*task, None), text, here.clock)?;
        }
    }
    Ok(Taken::Whole)
}

/// Waits until no attempt of a cancelled task runs, and returns its phase. Returns `None` if one still
/// runs after [`STOP_LIMIT`], or no process is there that notes its end.
fn wait_until_stopped(
    here: &RepoContext,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<TaskPhase>, RequestError> {
    let end = Instant::now() + STOP_LIMIT;
    let mut poll = Poll::new(&here.repo, &here.store, &state.run);
    while Instant::now() < end {
        let phase = match poll.wait() {
            Ok(state) => state.task(task).phase.clone(),
            Err(PollError::Engine(error)) => return Err(error.into()),
            Err(PollError::Abandoned(_) | PollError::Elsewhere(_)) => return Ok(None),
        };
        if !matches!(phase, TaskPhase::Running | TaskPhase::Choosing) {
            return Ok(Some(phase));
        }
    }
    Ok(None)
}
