//! `task_log`: the output of a worker, cut to a part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::engine::runs::log::{LogPart, read_log};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::excerpt::Excerpt;

/// The bytes of an answer unless the call asks for more or less.
const LIMIT: usize = 4000;

/// The most bytes of an answer.
const MOST: usize = 32_000;

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
    /// The attempt, counted from 1. Default: that of the chosen variant, else the last.
    #[serde(default)]
    attempt: Option<u32>,
    /// The part of the attempt.
    #[serde(default)]
    part: Part,
    /// Begin at this byte. Default: the end of the log.
    #[serde(default)]
    since: Option<usize>,
    /// The most bytes to return. Default: 4000; maximum: 32000.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Part {
    /// The worker and its checks.
    #[default]
    Worker,
    /// The set-up of its worktree.
    Setup,
    /// The teardown of its worktree.
    Teardown,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    task: u32,
    attempt: u32,
    log: Excerpt,
    /// The calls that get the parts that are left out.
    hint: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("task_log", "Show the log of a task"),
        "Returns the end of the output of a task's worker and of its checks. Long logs are cut; `since` \
         and `limit` get another part.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let (here, state, task) = call.task(input.run.as_deref(), &input.task)?;
    let shown = state.task(task).shown_attempt();
    let shown = shown.map(|shown| shown.number);
    let attempt = input.attempt.or(shown).ok_or_else(|| {
        ToolError::new(format!("{task} of {} has not started", state.run))
            .next("run_wait waits for the run")
    })?;
    let part = match input.part {
        Part::Worker => LogPart::Worker,
        Part::Setup => LogPart::SetUp,
        Part::Teardown => LogPart::Teardown,
    };
    let bytes = read_log((&here.repo, &here.store), &state, (task, attempt), part)?;
    let limit = input.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let log = Excerpt::tail(&bytes, input.since, limit);
    let hint = log.hint();
    let text = log.render();
    let output = Output {
        run: state.run.to_string(),
        task: task.0,
        attempt,
        log,
        hint,
    };
    Ok(Answer::new(&output, text))
}
