//! Codex, `exec --json`.
//!
//! Only `turn.failed` is a failure: an item of type `error` is a warning, and a top-level `error`
//! may be a reconnection. Usage is that of the whole thread so far, so the last one counts; an
//! attempt that continues a thread subtracts what was used before. It reports no cost.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, is_commit, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

/// Message of a command whose sandbox refused a write.
const READ_ONLY: &str = "Read-only file system";

/// Items that count as a turn: a model asks for one tool and waits for its result.
const TOOLS: [&str; 4] = [
    "command_execution",
    "file_change",
    "mcp_tool_call",
    "web_search",
];

#[derive(Default)]
pub(super) struct Codex {
    /// The last use of a tool that was counted.
    tool: Option<String>,
    message: String,
    /// An error that counts if the stream ends here.
    error: Option<String>,
}

impl DialectParser for Codex {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "thread.started" => builder.session(text(&event, "/thread_id")),
            "turn.started" => self.turn(builder),
            "item.started" | "item.updated" | "item.completed" => self.item(&event, builder),
            "error" => self.warn(&event, builder),
            "turn.completed" => self.completed(&event, builder),
            "turn.failed" => {
                let message = text(&event, "/error/message");
                let message = message.map(bounded).or(self.error.take());
                fail(
                    &message.unwrap_or_else(|| "the turn failed".to_owned()),
                    builder,
                );
                builder.transcript.terminal_seen = true;
            }
            _ => {}
        }
    }

    /// Counts an error without a failed turn after it if nothing else followed.
    fn finish(&mut self, builder: &mut TranscriptBuilder) {
        match self.error.take() {
            Some(message) if !builder.transcript.terminal_seen => fail(&message, builder),
            _ => {}
        }
    }
}

impl Codex {
    fn turn(&mut self, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        builder.transcript.error = None;
        self.error = None;
    }

    fn warn(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let message = text(event, "/message").unwrap_or_default();
        if message.starts_with("Reconnecting") {
            builder.step(message);
        } else {
            self.error = Some(bounded(message));
        }
    }

    fn completed(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        self.error = None;
        builder.transcript.error = None;
        builder.transcript.result = result(false, &self.message);
        builder.transcript.terminal_seen = true;
        if let Some(usage) = event.pointer("/usage").filter(|usage| usage.is_object()) {
            builder.transcript.usage = Some(Usage {
                input: count(usage, "/input_tokens"),
                output: count(usage, "/output_tokens"),
                cached: usage
                    .pointer("/cached_input_tokens")
                    .and_then(Value::as_u64),
            });
        }
    }

    fn item(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        let item = event.pointer("/item").unwrap_or(&Value::Null);
        let kind = text(item, "/type").unwrap_or_default();
        let what = describe(kind, item);
        match kind {
            // A warning about itself, not about the work.
            "error" | "reasoning" => return,
            "agent_message" => self.message = bounded(text(item, "/text").unwrap_or_default()),
            "command_execution" => {
                let output = text(item, "/aggregated_output").unwrap_or_default();
                let command = text(item, "/command").unwrap_or_default();
                if output.contains(READ_ONLY) && !is_commit(command) {
                    builder.hindered(&format!("{what} ({READ_ONLY})"));
                }
            }
            _ => {}
        }
        let id = text(item, "/id").map(str::to_owned);
        if TOOLS.contains(&kind) && (id.is_none() || self.tool != id) {
            builder.transcript.turns += 1;
            self.tool = id;
        }
        if text(item, "/status") == Some("declined") {
            builder.refused_tool(kind, item);
        }
        builder.step(&what);
    }
}

fn describe(kind: &str, item: &Value) -> String {
    let words = |pointer: &str| text(item, pointer).unwrap_or_default().to_owned();
    match kind {
        "agent_message" => words("/text"),
        "command_execution" => format!("$ {}", words("/command").replace('\n', " ")),
        "file_change" => {
            let changes = item.pointer("/changes").and_then(Value::as_array);
            let paths: Vec<_> = changes
                .into_iter()
                .flatten()
                .filter_map(|change| text(change, "/path"))
                .collect();
            format!("edits {}", paths.join(", "))
        }
        "mcp_tool_call" => format!("{} {}", words("/server"), words("/tool")),
        "web_search" => format!("searches {}", words("/query")),
        "todo_list" => todo(item),
        other => other.replace('_', " "),
    }
}

/// `2 of 5: add the routes`.
fn todo(item: &Value) -> String {
    let items = item.pointer("/items").and_then(Value::as_array);
    let items = items.map_or([].as_slice(), Vec::as_slice);
    let is_done = |item: &&Value| item.pointer("/completed") == Some(&Value::Bool(true));
    let done = items.iter().filter(is_done).count();
    let next = items.iter().find(|item| !is_done(item));
    let next = next.and_then(|item| text(item, "/text"));
    match next {
        Some(next) => format!("{} of {}: {next}", done + 1, items.len()),
        None => format!("{done} of {} steps done", items.len()),
    }
}

fn fail(message: &str, builder: &mut TranscriptBuilder) {
    builder.transcript.result = result(true, message);
    builder.transcript.error = Some(StreamError {
        status: status_in(message),
        kind: None,
        message: bounded(message),
        reset_at: None,
    });
}
