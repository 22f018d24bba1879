//! `task_diff`: the changes of a task, cut to a part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::excerpt::Excerpt;

/// The bytes of an answer unless the call asks for more or less.
const LIMIT: usize = 6000;

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
    /// Only this file or folder.
    #[serde(default)]
    path: Option<String>,
    /// Only files and counts.
    #[serde(default)]
    stat: bool,
    /// Begin at this byte. Default: the beginning.
    #[serde(default)]
    since: Option<usize>,
    /// The most bytes to return. Default: 6000; maximum: 32000.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    task: u32,
    /// The commit that the task started from.
    from: String,
    /// Its candidate, or the work that its last attempt left.
    to: String,
    diff: Excerpt,
    /// The calls that get the parts that are left out.
    hint: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("task_diff", "Show the changes of a task"),
        "Returns the changes of a task against the commit it started from, as git shows them. Begin with \
         `stat`; `path`, `since` and `limit` select a part.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let (here, state, task) = call.task(input.run.as_deref(), &input.task)?;
    let change = state.task_change(task).ok_or_else(|| {
        ToolError::new(format!("{task} of {} has changed nothing", state.run))
            .next("run_status shows its status")
    })?;
    let (from, to) = (change.from.to_string(), change.to.to_string());
    let mut args = vec!["diff", "--no-ext-diff", "--no-textconv", "--find-renames"];
    if input.stat {
        args.push("--stat");
    }
    args.extend([from.as_str(), to.as_str(), "--"]);
    let path = input
        .path
        .as_ref()
        .map(|path| format!(":(top,literal){path}"));
    args.extend(path.as_deref());
    let bytes = here.repo.git().run(&args)?;
    let limit = input.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let diff = Excerpt::head(&bytes, input.since, limit);
    let hint = diff.hint();
    let text = diff.render();
    let output = Output {
        run: state.run.to_string(),
        task: task.0,
        from,
        to,
        diff,
        hint,
    };
    Ok(Answer::new(&output, text))
}
