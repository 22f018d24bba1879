//! Gemini, `-o stream-json`, and the single object of `-o json`.
//!
//! Its answer comes in pieces, its result has no text, and with `json` an error goes to standard
//! error as one object over many lines. There is no money in it.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::seen::{
    Seen, bounded, count, describe_tool, extend, status, status_in, text,
};
use crate::worker::dialect::{Language, result};

/// The longest object over many lines that is read, in bytes.
const OBJECT_LIMIT: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Gemini {
    answer: String,
    /// Something of the current turn has come.
    is_in_turn: bool,
    /// The lines so far of an object that began with a line of its own.
    object: Option<String>,
}

impl Language for Gemini {
    fn line(&mut self, line: &str, seen: &mut Seen) {
        if line == "{" {
            self.object = Some(String::new());
        }
        if let Some(object) = &mut self.object {
            object.push_str(line);
            let is_whole = line == "}";
            if is_whole || object.len() > OBJECT_LIMIT {
                let object = self.object.take().filter(|_| is_whole);
                self.event(&object.unwrap_or_default(), seen);
            }
            return;
        }
        self.event(line, seen);
    }
}

impl Gemini {
    fn event(&mut self, line: &str, seen: &mut Seen) {
        let Some(event) = seen.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "init" => seen.session(text(&event, "/session_id")),
            "tool_result" => self.is_in_turn = false,
            "message" if text(&event, "/role") == Some("assistant") => {
                seen.goes_on();
                self.count_turn(seen);
                extend(
                    &mut self.answer,
                    text(&event, "/content").unwrap_or_default(),
                );
                seen.step(&self.answer);
            }
            "tool_use" => {
                seen.goes_on();
                self.count_turn(seen);
                self.answer.clear();
                let input = event.pointer("/parameters").unwrap_or(&Value::Null);
                let name = text(&event, "/tool_name").unwrap_or("a tool");
                seen.step(&describe_tool(name, input));
            }
            "result" => self.result(&event, seen),
            "" if event.get("response").is_some() || event.get("error").is_some() => {
                self.single_object(&event, seen);
            }
            _ => {}
        }
    }

    fn count_turn(&mut self, seen: &mut Seen) {
        seen.transcript.turns += u64::from(!std::mem::replace(&mut self.is_in_turn, true));
    }

    fn result(&mut self, event: &Value, seen: &mut Seen) {
        let is_error = text(event, "/status") != Some("success");
        self.end(event, is_error, seen);
        seen.transcript.usage = event.pointer("/stats").map(|stats| Usage {
            input: count(stats, "/input_tokens"),
            output: count(stats, "/output_tokens"),
            cached: stats.pointer("/cached").and_then(Value::as_u64),
        });
    }

    fn single_object(&mut self, event: &Value, seen: &mut Seen) {
        seen.session(text(event, "/session_id"));
        self.answer = bounded(text(event, "/response").unwrap_or_default());
        self.end(
            event,
            event.get("error").is_some_and(|e| !e.is_null()),
            seen,
        );
        let models = event.pointer("/stats/models").and_then(Value::as_object);
        let models = models.into_iter().flatten();
        let usage = models.map(|(_, model)| Usage {
            input: count(model, "/tokens/prompt"),
            output: count(model, "/tokens/candidates"),
            cached: model.pointer("/tokens/cached").and_then(Value::as_u64),
        });
        seen.transcript.usage = usage.reduce(|all, one| all + one);
    }

    fn end(&mut self, event: &Value, is_error: bool, seen: &mut Seen) {
        seen.transcript.terminal_seen = true;
        if !is_error {
            seen.transcript.error = None;
            seen.transcript.result = result(false, &self.answer);
            return;
        }
        let message = text(event, "/error/message").unwrap_or("it ended with an error");
        seen.transcript.result = result(true, message);
        seen.transcript.error = Some(StreamError {
            status: status(event, "/error/code").or_else(|| status_in(message)),
            kind: text(event, "/error/type").map(bounded),
            message: bounded(message),
            reset_at: None,
        });
    }
}
