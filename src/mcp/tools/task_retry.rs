//! `task_retry`: tries a task again in the background.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::describe;
use super::{Action, Effect, ToolSpec};
use crate::engine::runs::load::Loaded;
use crate::engine::start::detach::detach;
use crate::engine::start::reopen::record_request;
use crate::engine::start::retry::{refuse_checked_out, refuse_retry};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::repository::{Repository, find_task};
use crate::mcp::tools::status::RunLine;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::report::suggest;

/// The number of tasks in an answer.
const LIMIT: usize = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// The task, by number or tag.
    #[serde(deserialize_with = "crate::mcp::task_name::one")]
    task: String,
    /// Text to add to the prompt of the task: what to do differently.
    #[serde(default)]
    prompt: Option<String>,
    /// Another worker for the task.
    #[serde(default)]
    worker: Option<String>,
}

/// A run that continues in the background.
#[derive(Serialize, JsonSchema)]
pub(super) struct Continued {
    run: String,
    status: RunLine,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Continued>(
        ("task_retry", "Retry a task"),
        "Tries a task again that did not pass, then the tasks that it blocked, in the background. The run \
         must have ended. Read task_log first, and pass what to do differently as `prompt`.",
        Effect::Adds,
        Action::Change(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let run = call.find_run(&here, input.run.as_deref())?;
    continue_with(&here, &run, |loaded| {
        here.refuse_depth(&loaded.settings)?;
        let task = find_task(&loaded.state.plan, &input.task)?;
        let worker = input.worker.as_deref();
        refuse_retry(&loaded.state, &loaded.settings, task, worker)?;
        refuse_checked_out(&here.repo, &loaded.state, task)?;
        Ok(vec![Event::RetryRequested {
            task,
            extra_prompt: input.prompt.clone(),
            new_prompt: None,
            worker: input.worker.clone(),
            continue_session: false,
            by_hand: None,
            attempt: None,
        }])
    })?;
    continued(&here, &run)
}

/// Records a request in a run that no process drives, and lets a background process go on with it.
///
/// # Errors
/// When the run is driven, `request` refuses, or the process cannot be started; the request is
/// recorded then, and the run can be resumed.
pub(super) fn continue_with(
    here: &Repository,
    run: &RunId,
    request: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, ToolError>,
) -> Result<(), ToolError> {
    let place = (&here.repo, &here.store);
    record_request(place, run, here.lock(run)?, here.clock, request)?;
    detach(&here.repo, run).map_err(|error| {
        ToolError::new(format!("no background process could be started: {error}")).next(format!(
            "nothing is lost; `{}` continues the run",
            suggest::resume(run)
        ))
    })
}

/// Answers with the state of a run that continues.
///
/// # Errors
/// When it cannot be read.
pub(super) fn continued(here: &Repository, run: &RunId) -> Result<Answer, ToolError> {
    let (status, text) = describe(here, &here.state(run)?, None, LIMIT)?;
    let continued = Continued {
        run: run.to_string(),
        status,
    };
    Ok(Answer::new(&continued, text))
}
