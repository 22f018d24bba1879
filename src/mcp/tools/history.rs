//! `history`: the runs of the repository.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Effect, ToolSpec};
use crate::engine::runs::standing::standing_view;
use crate::journal::runs;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::report::history::{history_row, unreadable_row};

/// The number of runs in an answer unless the call asks for more.
const LIMIT: usize = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Only runs with an event after this time, such as 2026-11-22T09:14:00Z.
    #[serde(default)]
    since: Option<String>,
    /// The most runs to list. Default: 10.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The runs, the latest first: run, title, state, started, updated, base, target, tasks, done,
    /// landed.
    runs: Vec<Value>,
    /// The number of runs that are not listed.
    more: usize,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("history", "List the runs"),
        "Lists the runs of this repository, the latest first.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let since = input.since.as_deref().map(|text| {
        text.parse::<jiff::Timestamp>().map_err(|_| {
            ToolError::new(format!("invalid time {text:?}"))
                .at("since")
                .next("write it like 2026-11-22T09:14:00Z")
        })
    });
    let since = since.transpose()?;
    let mut entries = runs::list(&here.store)?;
    entries.retain(|entry| since.is_none_or(|since| entry.updated > since));
    let limit = input.limit.unwrap_or(LIMIT);
    let more = entries.len().saturating_sub(limit);
    let shown = entries.iter().rev().take(limit);
    let row = |run| match here.state(run) {
        Ok(state) => history_row(&state, &standing_view(&here.repo, &state)),
        Err(error) => unreadable_row(run.as_str(), &error.what),
    };
    let runs: Vec<Value> = shown.map(|entry| row(&entry.run)).collect();
    let text = render(&runs, more);
    Ok(Answer::new(&Output { runs, more }, text))
}

fn render(runs: &[Value], more: usize) -> String {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let line = |row: &Value| {
        let state = match row["landed"].as_str() {
            Some(_) => "landed".to_owned(),
            None => word(row, "state"),
        };
        let count = match row["tasks"].as_u64() {
            Some(tasks) => format!("{}/{tasks} done, ", row["done"]),
            None => String::new(),
        };
        format!(
            "{}: {state}, {count}{}",
            word(row, "run"),
            word(row, "title")
        )
    };
    let mut lines: Vec<String> = runs.iter().map(line).collect();
    if runs.is_empty() {
        lines.push("there is no run; run_start starts one".to_owned());
    }
    if more > 0 {
        lines.push(format!("{more} older runs: pass a larger `limit`"));
    }
    lines.join("\n")
}
