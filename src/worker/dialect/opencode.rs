//! opencode, `run --format json`.
//!
//! There is no final event: a step that finishes with `stop` is the end if nothing comes after it.
//! Usage and cost are reported with each step. A refused permission is the error of a tool, or a line
//! on standard error.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::{Cost, Usage};
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, describe_tool, status, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

#[derive(Default)]
pub(super) struct Opencode {
    message: String,
}

impl DialectParser for Opencode {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        if let Some(asked) = line.split_once("permission requested: ") {
            let what = asked.1.split("; auto-rejecting").next().unwrap_or(asked.1);
            builder.refused(&what.replace([';', '(', ')'], ""));
        }
        let Some(event) = builder.event(line) else {
            return;
        };
        // Every event of its own names the session; a line that a plug-in prints does not.
        let Some(session) = text(&event, "/sessionID") else {
            return;
        };
        builder.session(Some(session));
        match text(&event, "/type").unwrap_or_default() {
            "step_start" => {
                builder.mark_active();
                builder.transcript.turns += 1;
                builder.transcript.error = None;
            }
            "tool_use" => tool(&event, builder),
            "text" => {
                self.message = bounded(text(&event, "/part/text").unwrap_or_default());
                builder.step(&self.message);
            }
            "step_finish" => self.finished(&event, builder),
            "error" => fail(&event, builder),
            _ => {}
        }
    }
}

impl Opencode {
    fn finished(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let tokens = event.pointer("/part/tokens").unwrap_or(&Value::Null);
        let read = count(tokens, "/cache/read");
        let input = count(tokens, "/input").saturating_add(read);
        let usage = Usage {
            input: input.saturating_add(count(tokens, "/cache/write")),
            output: count(tokens, "/output"),
            cached: tokens.pointer("/cache/read").and_then(Value::as_u64),
        };
        let cost = event.pointer("/part/cost").and_then(Value::as_f64);
        builder.add(usage, Cost::from(cost));
        if text(event, "/part/reason") == Some("stop") {
            builder.transcript.terminal_seen = true;
            builder.transcript.result = result(false, &self.message);
        }
    }
}

fn tool(event: &Value, builder: &mut TranscriptBuilder) {
    builder.mark_active();
    let name = text(event, "/part/tool").unwrap_or("a tool");
    let input = event.pointer("/part/state/input").unwrap_or(&Value::Null);
    builder.step(&describe_tool(name, input));
    let error = text(event, "/part/state/error").unwrap_or_default();
    let error = error.to_lowercase();
    if error.contains("rejected permission") || error.contains("prevents you from using") {
        builder.refused_tool(name, input);
    }
}

fn fail(event: &Value, builder: &mut TranscriptBuilder) {
    let error = event.pointer("/error").unwrap_or(&Value::Null);
    let name = text(error, "/name").unwrap_or("error");
    let message = text(error, "/data/message").unwrap_or(name);
    let status = status(error, "/data/statusCode").or_else(|| status_in(message));
    let may_be_retried = error.pointer("/data/isRetryable") == Some(&Value::Bool(true));
    let kind = match status {
        None if may_be_retried => "retryable",
        _ => name,
    };
    builder.transcript.terminal_seen = true;
    builder.transcript.result = result(true, message);
    builder.transcript.error = Some(StreamError {
        status,
        kind: Some(bounded(kind)),
        message: bounded(message),
        reset_at: None,
    });
}
