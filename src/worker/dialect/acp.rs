//! The lines of dispatch's own ACP client, which speaks to the agent (`dispatch __acp`).
//!
//! Every line has the key `acp`: `session`, `prompt`, `update`, `refused`, `unread`, `turn` or
//! `result`. Other lines are the agent's standard error.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::{Cost, Usage};
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, describe_tool, extend, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

#[derive(Default)]
pub(super) struct Acp {
    /// The answer since the last use of a tool.
    answer: String,
    /// The last use of a tool that was counted.
    tool: Option<String>,
}

impl DialectParser for Acp {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/acp").unwrap_or_default() {
            "session" => builder.session(text(&event, "/session")),
            "prompt" => self.prompt(&event, builder),
            "update" => self.update(&event["update"], builder),
            "refused" => {
                let action = text(&event, "/action").unwrap_or("an action");
                builder.refused_tool(action, &event["input"]);
            }
            "unread" => builder.hindered(text(&event, "/reason").unwrap_or_default()),
            "turn" => add_usage(&event["answer"], builder),
            "result" => self.result(&event, builder),
            _ => {}
        }
    }
}

impl Acp {
    fn prompt(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        builder.transcript.turns += 1;
        self.answer.clear();
        if let Some(message) = text(event, "/message") {
            builder.step(&format!("was told: {message}"));
        }
    }

    fn update(&mut self, update: &Value, builder: &mut TranscriptBuilder) {
        match text(update, "/sessionUpdate").unwrap_or_default() {
            "agent_message_chunk" => {
                extend(
                    &mut self.answer,
                    text(update, "/content/text").unwrap_or_default(),
                );
                builder.step(&self.answer);
            }
            "tool_call" | "tool_call_update" => self.tool(update, builder),
            "plan" => plan(update, builder),
            "usage_update" => spend(update, builder),
            _ => {}
        }
    }

    fn tool(&mut self, update: &Value, builder: &mut TranscriptBuilder) {
        self.answer.clear();
        let id = text(update, "/toolCallId").map(str::to_owned);
        if text(update, "/sessionUpdate") == Some("tool_call") && self.tool != id {
            builder.transcript.turns += 1;
            self.tool = id;
        }
        let title = text(update, "/title").unwrap_or_default();
        let input = update.pointer("/rawInput").unwrap_or(&Value::Null);
        if !title.is_empty() {
            builder.step(&describe_tool(title, input));
        }
    }

    fn result(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.transcript.terminal_seen = true;
        let Some(error) = event.get("error").filter(|error| !error.is_null()) else {
            builder.transcript.error = None;
            builder.transcript.result = result(false, &self.answer);
            return;
        };
        let message = text(error, "/message").unwrap_or("it ended with an error");
        builder.transcript.result = result(true, message);
        builder.transcript.error = Some(StreamError {
            status: status_in(message),
            kind: text(error, "/kind").map(bounded),
            message: bounded(message),
            reset_at: None,
        });
    }
}

/// Adds the tokens of a turn. Agents that report none leave them out.
fn add_usage(answer: &Value, builder: &mut TranscriptBuilder) {
    let Some(usage) = answer.pointer("/usage").filter(|usage| usage.is_object()) else {
        return;
    };
    let cached = usage.pointer("/cachedReadTokens").and_then(Value::as_u64);
    let spent = builder.transcript.cost;
    builder.add(
        Usage {
            input: count(usage, "/inputTokens"),
            output: count(usage, "/outputTokens"),
            cached,
        },
        Cost::Unknown,
    );
    builder.transcript.cost = spent;
}

/// Notes the cost of the whole session so far, if it is in dollars.
fn spend(update: &Value, builder: &mut TranscriptBuilder) {
    let amount = update.pointer("/cost/amount").and_then(Value::as_f64);
    if text(update, "/cost/currency") == Some("USD") {
        builder.transcript.cost = Cost::from(amount);
    }
}

/// `2 of 5: add the routes`.
fn plan(update: &Value, builder: &mut TranscriptBuilder) {
    let entries = update.pointer("/entries").and_then(Value::as_array);
    let entries = entries.map_or([].as_slice(), Vec::as_slice);
    let is_done = |entry: &&Value| text(entry, "/status") == Some("completed");
    let done = entries.iter().filter(is_done).count();
    let next = entries.iter().find(|entry| !is_done(entry));
    if let Some(next) = next.and_then(|entry| text(entry, "/content")) {
        builder.step(&format!("{} of {}: {next}", done + 1, entries.len()));
    }
}
