//! Sends a message of the user to a task.

use crate::base::clock::Clock;
use crate::base::inbox::Inbox;
use crate::control::Request;
use crate::engine::EngineError;
use crate::engine::kernel::context::local_context;
use crate::engine::run::control::{RequestError, request};
use crate::engine::runs::load::load;
use crate::engine::spec::inbox_folder;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::JobStatus;
use crate::git::{Repo, Store};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::task_state::TaskPhase;

/// Records a message for a task, and leaves it for the running attempt if that can receive messages.
/// Returns the attempt that received it; `None` if it is kept for the next one.
///
/// # Errors
/// When the message is refused, or the run cannot be reached.
pub fn tell(
    (repo, store): (&Repo, &Store),
    run: &RunId,
    task: TaskNumber,
    text: &str,
    clock: Clock,
) -> Result<Option<AttemptNumber>, RequestError> {
    let ask = |asked: &Request| request(repo, store, run, asked, clock);
    // It is in the journal before it is delivered, so that no crash loses it.
    ask(&Request::Tell {
        task,
        text: text.to_owned(),
    })?;
    let loaded = load(store, run)?;
    let now = loaded.state.task(task);
    let running = now.last_attempt();
    let running = running.filter(|_| now.phase == TaskPhase::Running);
    let Some(attempt) = running.map(|attempt| attempt.number) else {
        return Ok(None);
    };
    let own = now
        .messages
        .iter()
        .rposition(|message| message.text == text);
    let message = own.map_or(0, |place| place + 1);
    let context = local_context(repo, &loaded.state, loaded.settings, clock)?;
    let worker = worker_folder(&context, task, attempt);
    let status = context.executor.status(&worker);
    if status.map_err(EngineError::from)? != JobStatus::Alive {
        return Ok(None);
    }
    let folder = inbox_folder(&context.attempt_folder(task, attempt));
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    if !Inbox::at(&folder).leave(text).map_err(failed)? {
        return Ok(None);
    }
    ask(&Request::Delivered {
        task,
        attempt,
        message,
    })?;
    Ok(Some(attempt))
}
