//! Asks the process that drives a run for something, or writes the journal if none does.

use std::io;

use crate::base::clock::Clock;
use crate::control::{ControlError, Request, Response, ask, control_socket};
use crate::engine::EngineError;
use crate::engine::kernel::context::{Context, local_context};
use crate::engine::run::requests::events;
use crate::engine::runs::load::load;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::StopSignal;
use crate::git::{Repo, Store};
use crate::journal::Journal;
use crate::journal::runs::{RunLock, Taken};
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// A request that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The request is not possible now.
    #[error("{0}")]
    Refused(String),
    /// Another process holds the run and takes no requests.
    #[error("another dispatch holds {0} and takes no requests")]
    Busy(RunId),
    /// The lock of the run cannot be used.
    #[error("could not lock {0}")]
    Lock(RunId, #[source] io::Error),
    /// The control socket failed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Sends the request to the process that drives the run; if none does, records it in the journal and
/// stops the workers of cancelled tasks.
///
/// # Errors
/// When the request is refused, or the run cannot be reached.
pub fn request(
    repo: &Repo,
    store: &Store,
    run: &RunId,
    request: &Request,
    clock: Clock,
) -> Result<(), RequestError> {
    let failed = |error| RequestError::Lock(run.clone(), error);
    match RunLock::take(repo, run, clock.now()).map_err(failed)? {
        Taken::Ours(lock) => record((repo, store), run, request, clock, &lock),
        Taken::Held(_) => match ask(&control_socket(repo, run), request)? {
            Some(response) => accept(response),
            None => Err(RequestError::Busy(run.clone())),
        },
    }
}

fn accept(response: Response) -> Result<(), RequestError> {
    match response {
        Response::Done => Ok(()),
        Response::Refused { why } => Err(RequestError::Refused(why)),
    }
}

fn record(
    (repo, store): (&Repo, &Store),
    run: &RunId,
    request: &Request,
    clock: Clock,
    _lock: &RunLock,
) -> Result<(), RequestError> {
    let loaded = load(store, run)?;
    let events = match events(&loaded.state, request) {
        Ok(events) => events,
        Err(response) => return accept(response),
    };
    let mut journal = Journal::reopen(repo, &loaded.replayed).map_err(EngineError::from)?;
    let recorded = journal.append(events, clock.now());
    let recorded = recorded.map_err(EngineError::from)?;
    let mut state = loaded.state;
    recorded.iter().for_each(|record| state.apply(record));
    let context = local_context(repo, &state, loaded.settings, clock)?;
    stop_orphans(&context, &state);
    Ok(())
}

/// Stops the workers of cancelled tasks, which outlive the process that drove them.
fn stop_orphans(context: &Context, state: &RunState) {
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
}
