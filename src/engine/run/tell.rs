//! Sends a message of the user to a task.

use crate::base::clock::Clock;
use crate::base::inbox::Inbox;
use crate::control::Request;
use crate::engine::EngineError;
use crate::engine::kernel::context::{Context, local_context};
use crate::engine::run::control::{RequestError, request};
use crate::engine::runs::load::load;
use crate::engine::spec::inbox_folder;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::{Repo, Store};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::task_state::TaskState;
use crate::model::worker::Dialect;

/// The running attempts that a message is for; none if it is kept for the next one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Those that received it.
    pub delivered: Vec<AttemptNumber>,
    /// Those whose session goes on with it once their current turn has ended.
    pub waiting: Vec<AttemptNumber>,
}

/// Records a message for a task, and leaves it for its running attempts, or for one of them alone: now
/// if they can receive messages, at their end if their sessions can be continued.
///
/// # Errors
/// When the message is refused, the one attempt does not run, or the run cannot be reached.
pub fn tell(
    (repo, store): (&Repo, &Store),
    run: &RunId,
    (task, only): (TaskNumber, Option<AttemptNumber>),
    text: &str,
    clock: Clock,
) -> Result<Told, RequestError> {
    let ask = |asked: &Request| request(repo, store, run, asked, clock);
    if let Some(only) = only {
        let state = load(store, run)?.state;
        let mut live = state.task(task).live_attempts();
        if !live.any(|attempt| attempt.number == only) {
            return Err(RequestError::Refused(format!(
                "attempt {only} of {task} does not run; nothing was sent"
            )));
        }
    }
    // It is in the journal before it is delivered, so that no crash loses it.
    ask(&Request::Tell {
        task,
        text: text.to_owned(),
    })?;
    let loaded = load(store, run)?;
    let now = loaded.state.task(task);
    let own = now
        .messages
        .iter()
        .rposition(|message| message.text == text);
    let message = own.map_or(0, |place| place + 1);
    let live = now.live_attempts().map(|attempt| attempt.number);
    let live = live.filter(|number| only.is_none_or(|only| only == *number));
    let live: Vec<AttemptNumber> = live.collect();
    let context = local_context(repo, &loaded.state, loaded.settings, clock)?;
    let mut told = Told::default();
    for attempt in live {
        if leave(&context, (task, attempt), text)? {
            ask(&Request::Delivered {
                task,
                attempt,
                message,
            })?;
            told.delivered.push(attempt);
        } else if can_continue(&context, now, attempt) {
            let waits = Request::Waits {
                task,
                attempt,
                message,
            };
            match ask(&waits) {
                Ok(()) => told.waiting.push(attempt),
                // It has ended meanwhile, so the message is kept for the next attempt.
                Err(RequestError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(told)
}

/// Returns `true` if the session of a running attempt can be continued after its end.
fn can_continue(context: &Context, task: &TaskState, attempt: AttemptNumber) -> bool {
    let workers = &context.settings.workers;
    let attempt = task.attempt(attempt).filter(|_| !task.cancelled);
    // On another machine each attempt starts afresh.
    let attempt = attempt.filter(|attempt| attempt.executor.is_none());
    let worker = attempt.and_then(|attempt| workers.get(&attempt.worker));
    // An agent whose output has no dialect tells no session.
    worker.is_some_and(|worker| worker.can_continue() && worker.dialect != Dialect::Text)
}

/// Leaves a message for a running worker. Returns `false` if it cannot receive messages.
fn leave(
    context: &Context,
    (task, attempt): (TaskNumber, AttemptNumber),
    text: &str,
) -> Result<bool, EngineError> {
    let status = context
        .executor
        .status(&worker_folder(context, task, attempt))?;
    if status != JobStatus::Alive {
        return Ok(false);
    }
    let folder = inbox_folder(&context.attempt_folder(task, attempt));
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    Inbox::at(&folder).leave(text).map_err(failed)
}
