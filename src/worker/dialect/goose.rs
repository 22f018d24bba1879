//! goose, `run --output-format stream-json -q`. Written after its source: the envelope is an event
//! with `type` `message`, `notification`, `model_change`, `error` or `complete`.
//!
//! An answer comes in pieces, which share the id of their message. `complete` has no status: most of
//! what goes wrong stands in the last message instead, in words that its source has as constants.
//! There is no session in it and no money. Older versions count only the last turn in
//! `total_tokens`, so that number is passed over.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::seen::{Seen, bounded, describe_tool, extend, status_in, text};
use crate::worker::dialect::{Language, result};

/// How its last message begins where the provider failed.
const RAN_INTO: &str = "Ran into this error: ";

/// How that goes on after the error.
const PLEASE_RETRY: &str = "Please retry if you think";

/// How its last message ends where there was no way to the provider.
const RESEND: &str = "Please resend your message to try again.";

/// How its last message begins where it may not go on.
const OUT_OF_TURNS: &str = "I've reached the maximum number of actions";

#[derive(Default)]
pub(super) struct Goose {
    /// The id of the message whose pieces come.
    message: Option<String>,
    answer: String,
}

impl Language for Goose {
    fn line(&mut self, line: &str, seen: &mut Seen) {
        let Some(event) = seen.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "message" if text(&event, "/message/role") == Some("assistant") => {
                self.message(&event["message"], seen);
            }
            // The results of tools.
            "message" => self.message = None,
            "error" => {
                let message = text(&event, "/error").unwrap_or("it ended with an error");
                fail(seen, None, message);
            }
            "complete" => self.complete(&event, seen),
            _ => {}
        }
    }
}

impl Goose {
    fn message(&mut self, message: &Value, seen: &mut Seen) {
        seen.goes_on();
        let id = text(message, "/id").unwrap_or_default();
        if self.message.as_deref() != Some(id) {
            self.message = Some(id.to_owned());
            self.answer.clear();
            seen.transcript.turns += 1;
        }
        let parts = message.pointer("/content").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            match text(part, "/type").unwrap_or_default() {
                "text" => {
                    extend(&mut self.answer, text(part, "/text").unwrap_or_default());
                    seen.step(&self.answer);
                }
                "toolRequest" => {
                    let call = part.pointer("/toolCall/value").unwrap_or(&Value::Null);
                    let name = text(call, "/name").unwrap_or("a tool");
                    // `developer__shell`: the extension goes before the tool.
                    let name = name.rsplit("__").next().unwrap_or(name);
                    seen.step(&describe_tool(name, &call["arguments"]));
                }
                "systemNotification"
                    if text(part, "/notificationType") == Some("creditsExhausted") =>
                {
                    let said = text(part, "/msg").unwrap_or("out of credits");
                    fail(seen, Some("credits"), said);
                }
                _ => {}
            }
        }
    }

    fn complete(&mut self, event: &Value, seen: &mut Seen) {
        seen.transcript.terminal_seen = true;
        let tokens = |name| event.get(name).and_then(Value::as_u64);
        seen.transcript.usage = match (tokens("input_tokens"), tokens("output_tokens")) {
            (Some(input), Some(output)) => Some(Usage {
                input,
                output,
                cached: None,
            }),
            _ => None,
        };
        let answer = self.answer.trim();
        if seen.transcript.error.is_some() {
            return;
        }
        if let Some(error) = answer.strip_prefix(RAN_INTO) {
            let error = error.split(PLEASE_RETRY).next().unwrap_or(error).trim();
            fail(seen, None, error);
        } else if let Some(error) = answer.strip_suffix(RESEND) {
            fail(seen, Some("network"), error.trim());
        } else if answer.starts_with(OUT_OF_TURNS) {
            fail(seen, Some("max-turns"), answer);
        } else {
            seen.transcript.result = result(false, answer);
        }
    }
}

fn fail(seen: &mut Seen, kind: Option<&str>, message: &str) {
    seen.transcript.terminal_seen = true;
    seen.transcript.result = result(true, message);
    seen.transcript.error = Some(StreamError {
        status: status_in(message),
        kind: kind.map(str::to_owned),
        message: bounded(message),
        reset_at: None,
    });
}
