//! `run_report`: the failure or completion report of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Effect, ToolSpec};
use crate::engine::publish::{render_reports, report_value};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::excerpt::Excerpt;
use crate::model::run::RunPhase;

/// The bytes of an answer unless the call asks for more or less.
const LIMIT: usize = 8000;

/// The most bytes of an answer.
const MOST: usize = 32_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// Begin at this byte of the text. Default: the beginning.
    #[serde(default)]
    since: Option<usize>,
    /// The most bytes to return. Default: 8000; maximum: 32000.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// `failure` or `completion`.
    kind: String,
    /// The report in Markdown.
    text: Excerpt,
    /// The same as an object; null if it is longer than the limit.
    report: Value,
    /// The calls that get the parts that are left out.
    hint: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("run_report", "Show the report of a run"),
        "Returns the report of a run that has ended: what was done, decisions, conflicts and checks, or \
         what failed, why, and what can be done. Long reports are cut; `since` and `limit` get another \
         part.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let state = here.state(&call.find_run(&here, input.run.as_deref())?)?;
    let reports = render_reports(&state);
    if reports.is_empty() {
        let why = match state.phase {
            RunPhase::Ended(_) => "has tasks that can still continue",
            _ => "has not ended",
        };
        return Err(ToolError::new(format!("{} {why}", state.run))
            .next("run_wait waits for the end; run_status shows the state"));
    }
    let limit = input.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let text = Excerpt::head(reports.join("\n").as_bytes(), input.since, limit);
    let hint = text.hint();
    let mut value = report_value(&state);
    let report = value["report"].take();
    let is_short = report.to_string().len() <= limit;
    let shown = format!("{}\n[{hint}]", text.text.trim_end());
    let shown = shown.trim_end_matches("\n[]").to_owned();
    let output = Output {
        run: state.run.to_string(),
        kind: value["kind"].as_str().unwrap_or_default().to_owned(),
        text,
        report: if is_short { report } else { Value::Null },
        hint,
    };
    Ok(Answer::new(&output, shown))
}
