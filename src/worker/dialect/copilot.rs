//! GitHub Copilot CLI, `-p … --output-format json`.
//!
//! The last line is a `result`, which has only an exit code: the error stands in a `session.error`
//! before it. A refused tool is an ordinary failed tool with the code `denied`, and the exit code is
//! 0. It reports neither tokens nor dollars.

use std::collections::VecDeque;

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, describe_tool, status, text,
};
use crate::worker::dialect::{DialectParser, result};

/// Number of running tools that are kept, in case one is refused.
const REMEMBERED: usize = 64;

#[derive(Default)]
pub(super) struct Copilot {
    /// Recent uses of tools: id, name, input.
    tools: VecDeque<(String, String, Value)>,
    message: String,
    error: Option<StreamError>,
}

impl DialectParser for Copilot {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "assistant.turn_start" => {
                builder.mark_active();
                builder.transcript.turns += 1;
                self.error = None;
            }
            "assistant.turn_retry" => {
                let why = text(&event, "/data/reason").unwrap_or("an error");
                builder.step(&format!("asks again after {why}"));
            }
            "assistant.message" => self.message(&event, builder),
            "tool.execution_start" => self.tool_started(&event, builder),
            "tool.execution_complete" => self.tool_ended(&event, builder),
            "session.error" => self.error = Some(error(&event)),
            "result" => self.result(&event, builder),
            _ => {}
        }
    }
}

impl Copilot {
    fn message(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let words = text(event, "/data/content").unwrap_or_default();
        if !words.trim().is_empty() {
            self.message = bounded(words);
            builder.step(words);
        }
    }

    fn tool_started(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        let name = text(event, "/data/toolName").unwrap_or("a tool");
        let input = event.pointer("/data/arguments").unwrap_or(&Value::Null);
        builder.step(&describe_tool(name, input));
        let id = text(event, "/data/toolCallId").unwrap_or_default();
        self.tools
            .push_back((id.to_owned(), name.to_owned(), input.clone()));
        if self.tools.len() > REMEMBERED {
            self.tools.pop_front();
        }
    }

    fn tool_ended(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let id = text(event, "/data/toolCallId").unwrap_or_default();
        let used = self.tools.iter().position(|(used, _, _)| used == id);
        let used = used.and_then(|place| self.tools.remove(place));
        if text(event, "/data/error/code") == Some("denied") {
            let unknown = || (String::new(), "a tool".to_owned(), Value::Null);
            let (_, name, input) = used.unwrap_or_else(unknown);
            builder.refused_tool(&name, &input);
        }
    }

    fn result(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.session(text(event, "/sessionId"));
        builder.transcript.terminal_seen = true;
        let code = event.pointer("/exitCode").and_then(Value::as_i64);
        let failed = self.error.take().or_else(|| {
            let code = code.filter(|code| *code != 0)?;
            Some(StreamError {
                message: format!("it ended with exit code {code}"),
                ..StreamError::default()
            })
        });
        builder.transcript.result = match &failed {
            Some(error) => result(true, &error.message),
            None => result(false, &self.message),
        };
        builder.transcript.error = failed;
    }
}

fn error(event: &Value) -> StreamError {
    let message = text(event, "/data/message").unwrap_or("it ended with an error");
    StreamError {
        status: status(event, "/data/statusCode"),
        kind: text(event, "/data/errorType").map(bounded),
        message: bounded(message),
        reset_at: None,
    }
}
