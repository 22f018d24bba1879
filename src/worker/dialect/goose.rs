//! goose, `run --output-format stream-json -q`. Written after its source: the envelope is an event
//! with `type` `message`, `notification`, `model_change`, `error` or `complete`.
//!
//! An answer comes in pieces, which share the id of their message. `complete` has no status: most of
//! what goes wrong stands in the last message instead, in words that its source has as constants.
//! It reports no session and no cost. Older versions count only the last turn in
//! `total_tokens`, so that number is ignored.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, describe_tool, extend, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

/// Start of its last message when the provider failed.
const RAN_INTO: &str = "Ran into this error: ";

/// Text after the error in that message.
const PLEASE_RETRY: &str = "Please retry if you think";

/// End of its last message when the provider could not be reached.
const RESEND: &str = "Please resend your message to try again.";

/// Start of its last message when the turns are exhausted.
const OUT_OF_TURNS: &str = "I've reached the maximum number of actions";

#[derive(Default)]
pub(super) struct Goose {
    /// The id of the current message, which arrives in pieces.
    message: Option<String>,
    answer: String,
}

impl DialectParser for Goose {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "message" if text(&event, "/message/role") == Some("assistant") => {
                self.message(&event["message"], builder);
            }
            // The results of tools.
            "message" => self.message = None,
            "error" => {
                let message = text(&event, "/error").unwrap_or("it ended with an error");
                fail(builder, None, message);
            }
            "complete" => self.complete(&event, builder),
            _ => {}
        }
    }
}

impl Goose {
    fn message(&mut self, message: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        let id = text(message, "/id").unwrap_or_default();
        if self.message.as_deref() != Some(id) {
            self.message = Some(id.to_owned());
            self.answer.clear();
            builder.transcript.turns += 1;
        }
        let parts = message.pointer("/content").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            match text(part, "/type").unwrap_or_default() {
                "text" => {
                    extend(&mut self.answer, text(part, "/text").unwrap_or_default());
                    builder.step(&self.answer);
                }
                "toolRequest" => {
                    let call = part.pointer("/toolCall/value").unwrap_or(&Value::Null);
                    let name = text(call, "/name").unwrap_or("a tool");
                    // `developer__shell`: the extension goes before the tool.
                    let name = name.rsplit("__").next().unwrap_or(name);
                    builder.step(&describe_tool(name, &call["arguments"]));
                }
                "systemNotification"
                    if text(part, "/notificationType") == Some("creditsExhausted") =>
                {
                    let said = text(part, "/msg").unwrap_or("out of credits");
                    fail(builder, Some("credits"), said);
                }
                _ => {}
            }
        }
    }

    fn complete(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.transcript.terminal_seen = true;
        let tokens = |name| event.get(name).and_then(Value::as_u64);
        builder.transcript.usage = match (tokens("input_tokens"), tokens("output_tokens")) {
            (Some(input), Some(output)) => Some(Usage {
                input,
                output,
                cached: None,
            }),
            _ => None,
        };
        let answer = self.answer.trim();
        if builder.transcript.error.is_some() {
            return;
        }
        if let Some(error) = answer.strip_prefix(RAN_INTO) {
            let error = error.split(PLEASE_RETRY).next().unwrap_or(error).trim();
            fail(builder, None, error);
        } else if let Some(error) = answer.strip_suffix(RESEND) {
            fail(builder, Some("network"), error.trim());
        } else if answer.starts_with(OUT_OF_TURNS) {
            fail(builder, Some("max-turns"), answer);
        } else {
            builder.transcript.result = result(false, answer);
        }
    }
}

fn fail(builder: &mut TranscriptBuilder, kind: Option<&str>, message: &str) {
    builder.transcript.terminal_seen = true;
    builder.transcript.result = result(true, message);
    builder.transcript.error = Some(StreamError {
        status: status_in(message),
        kind: kind.map(str::to_owned),
        message: bounded(message),
        reset_at: None,
    });
}
