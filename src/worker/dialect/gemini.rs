//! Gemini, `-o stream-json`, and the single object of `-o json`.
//!
//! Its answer arrives in pieces, its result has no text, and with `json` an error goes to standard
//! error as one object over many lines. It reports no cost.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, describe_tool, extend, status, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

/// The longest object over many lines that is read, in bytes.
const OBJECT_LIMIT: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Gemini {
    answer: String,
    /// `true` after the first event of the current turn.
    is_in_turn: bool,
    /// The lines so far of an object that spans several lines.
    object: Option<String>,
}

impl DialectParser for Gemini {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        if line == "{" {
            self.object = Some(String::new());
        }
        if let Some(object) = &mut self.object {
            object.push_str(line);
            let is_whole = line == "}";
            if is_whole || object.len() > OBJECT_LIMIT {
                let object = self.object.take().filter(|_| is_whole);
                self.event(&object.unwrap_or_default(), builder);
            }
            return;
        }
        self.event(line, builder);
    }
}

impl Gemini {
    fn event(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "init" => builder.session(text(&event, "/session_id")),
            "tool_result" => self.is_in_turn = false,
            "message" if text(&event, "/role") == Some("assistant") => {
                builder.mark_active();
                self.count_turn(builder);
                extend(
                    &mut self.answer,
                    text(&event, "/content").unwrap_or_default(),
                );
                builder.step(&self.answer);
            }
            "tool_use" => {
                builder.mark_active();
                self.count_turn(builder);
                self.answer.clear();
                let input = event.pointer("/parameters").unwrap_or(&Value::Null);
                let name = text(&event, "/tool_name").unwrap_or("a tool");
                builder.step(&describe_tool(name, input));
            }
            "result" => self.result(&event, builder),
            "" if event.get("response").is_some() || event.get("error").is_some() => {
                self.single_object(&event, builder);
            }
            _ => {}
        }
    }

    fn count_turn(&mut self, builder: &mut TranscriptBuilder) {
        builder.transcript.turns += u64::from(!std::mem::replace(&mut self.is_in_turn, true));
    }

    fn result(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let is_error = text(event, "/status") != Some("success");
        self.end(event, is_error, builder);
        builder.transcript.usage = event.pointer("/stats").map(|stats| Usage {
            input: count(stats, "/input_tokens"),
            output: count(stats, "/output_tokens"),
            cached: stats.pointer("/cached").and_then(Value::as_u64),
        });
    }

    fn single_object(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.session(text(event, "/session_id"));
        self.answer = bounded(text(event, "/response").unwrap_or_default());
        self.end(
            event,
            event.get("error").is_some_and(|e| !e.is_null()),
            builder,
        );
        let models = event.pointer("/stats/models").and_then(Value::as_object);
        let models = models.into_iter().flatten();
        let usage = models.map(|(_, model)| Usage {
            input: count(model, "/tokens/prompt"),
            output: count(model, "/tokens/candidates"),
            cached: model.pointer("/tokens/cached").and_then(Value::as_u64),
        });
        builder.transcript.usage = usage.reduce(|all, one| all + one);
    }

    fn end(&mut self, event: &Value, is_error: bool, builder: &mut TranscriptBuilder) {
        builder.transcript.terminal_seen = true;
        if !is_error {
            builder.transcript.error = None;
            builder.transcript.result = result(false, &self.answer);
            return;
        }
        let message = text(event, "/error/message").unwrap_or("it ended with an error");
        builder.transcript.result = result(true, message);
        builder.transcript.error = Some(StreamError {
            status: status(event, "/error/code").or_else(|| status_in(message)),
            kind: text(event, "/error/type").map(bounded),
            message: bounded(message),
            reset_at: None,
        });
    }
}
