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

/// Records a message for a task, and leaves it for its running attempts that can receive messages, or
/// for one of them alone. Returns the attempts that received it; none if it is kept for the next one.
///
/// # Errors
/// When the message is refused, the one attempt does not run, or the run cannot be reached.
pub fn tell(
    (repo, store): (&Repo, &Store),
    run: &RunId,
    (task, only): (TaskNumber, Option<AttemptNumber>),
    text: &str,
    clock: Clock,
) -> Result<Vec<AttemptNumber>, RequestError> {
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
    let mut reached = Vec::new();
    for attempt in live {
        if !leave(&context, (task, attempt), text)? {
            continue;
        }
        ask(&Request::Delivered {
            task,
            attempt,
            message,
        })?;
        reached.push(attempt);
    }
    Ok(reached)
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
