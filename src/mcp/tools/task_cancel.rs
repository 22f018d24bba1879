//! `task_cancel`: cancels one task, or every unfinished one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::config::variable::Overrides;
use crate::control::Request;
use crate::engine::run::control::request;
use crate::engine::runs::find::DefaultRun;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::repository::find_task;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name.
    run: String,
    /// The task, by number or tag. Give this, or `all`.
    #[serde(default, deserialize_with = "crate::mcp::task_name::optional")]
    task: Option<String>,
    /// Cancel every unfinished task.
    #[serde(default)]
    all: bool,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// The cancelled task; null for every unfinished one.
    task: Option<u32>,
    next: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("task_cancel", "Cancel a task"),
        "Cancels a task, or with `all` every unfinished task of a run. The work of a running worker so \
         far is kept under refs/dispatch.",
        Effect::Destroys,
        Action::Change(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let run = here.find(Some(&input.run), DefaultRun::Unfinished)?;
    here.refuse_depth(&here.settings(&Overrides::default())?)?;
    let plan = here.state(&run)?.plan;
    let task = match (&input.task, input.all) {
        (Some(name), false) => Some(find_task(&plan, name)?),
        (None, true) => None,
        _ => {
            return Err(ToolError::new("exactly one of `task` and `all` is needed")
                .next("name the task, or pass `all: true`"));
        }
    };
    request(
        &here.repo,
        &here.store,
        &run,
        &Request::Cancel { task },
        here.clock,
    )?;
    let text = match task {
        Some(task) => format!("{task} of {run} is cancelled"),
        None => format!("all unfinished tasks of {run} are cancelled"),
    };
    let output = Output {
        run: run.to_string(),
        task: task.map(|task| task.0),
        next: "run_wait waits for the end of the run".to_owned(),
    };
    Ok(Answer::new(&output, text))
}
