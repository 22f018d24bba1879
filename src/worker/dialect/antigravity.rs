//! Antigravity CLI, `agy -p … --output-format stream-json`. Written after its documentation and
//! outputs that others have published, not tried here.
//!
//! Every line is an object with an `event`: `init`, `step_update` or `result`. The status of a
//! result is not enough: a refused action and an exceeded `--print-timeout` end with `SUCCESS`, too.
//! It reports no dollars.

use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::Usage;
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, describe_tool, extend, status_in, text,
};
use crate::worker::dialect::{DialectParser, result};

/// Start of the line on standard error that says the output is incomplete.
const PRINT_TIMEOUT: &str = "[agy] print timeout";

#[derive(Default)]
pub(super) struct Antigravity {
    /// The step of the answer so far.
    step: Option<u64>,
    /// The last step that was counted as a turn.
    turn: Option<u64>,
    answer: String,
    timed_out: bool,
}

impl DialectParser for Antigravity {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        self.timed_out |= line.starts_with(PRINT_TIMEOUT);
        let Some(event) = builder.event(line) else {
            return;
        };
        for place in ["", "/init", "/step_update", "/result"] {
            builder.session(text(&event, &format!("{place}/conversation_id")));
        }
        match text(&event, "/event").unwrap_or_default() {
            "step_update" => self.step(&event["step_update"], builder),
            "result" => self.result(&event["result"], builder),
            _ => {}
        }
    }

    /// The line about the timeout is on standard error and may stand after the result.
    fn finish(&mut self, builder: &mut TranscriptBuilder) {
        if self.timed_out && builder.transcript.error.is_none() {
            fail(
                "the answer is incomplete: print timeout",
                Some("timeout"),
                builder,
            );
        }
    }
}

impl Antigravity {
    fn step(&mut self, step: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        let place = step.pointer("/step_index").and_then(Value::as_u64);
        match text(step, "/step_type").unwrap_or_default() {
            "agent_response" => {
                if self.step != place {
                    self.answer.clear();
                    self.step = place;
                }
                extend(
                    &mut self.answer,
                    text(step, "/text_delta").unwrap_or_default(),
                );
                builder.step(&self.answer);
                self.count_turn(place, builder);
            }
            "tool" => {
                let name = text(step, "/tool_name").unwrap_or("a tool");
                let input = step.pointer("/tool_info/parameters");
                builder.step(&describe_tool(name, input.unwrap_or(&Value::Null)));
            }
            _ => {}
        }
    }

    fn count_turn(&mut self, place: Option<u64>, builder: &mut TranscriptBuilder) {
        if place.is_none() || self.turn != place {
            builder.transcript.turns += 1;
            self.turn = place;
        }
    }

    fn result(&mut self, ended: &Value, builder: &mut TranscriptBuilder) {
        builder.transcript.terminal_seen = true;
        builder.transcript.usage = usage(ended);
        let denied = ended.pointer("/denied_actions").and_then(Value::as_array);
        for action in denied.into_iter().flatten() {
            let name = text(action, "/display_name").or_else(|| text(action, "/action"));
            builder.refused(name.or(action.as_str()).unwrap_or("an action"));
        }
        if text(ended, "/status").unwrap_or_default() != "SUCCESS" {
            let message = text(ended, "/error").unwrap_or("it ended with an error");
            return fail(message, None, builder);
        }
        let answer = text(ended, "/response").unwrap_or(&self.answer);
        builder.transcript.error = None;
        builder.transcript.result = result(false, answer.trim());
    }
}

/// Returns the tokens of the whole turn; zeros mean that they are unknown.
fn usage(ended: &Value) -> Option<Usage> {
    let usage = ended.pointer("/usage").filter(|usage| usage.is_object())?;
    let cached = usage.pointer("/cache_read_tokens").and_then(Value::as_u64);
    let input = count(usage, "/input_tokens").saturating_add(cached.unwrap_or(0));
    let output = count(usage, "/output_tokens");
    (input > 0 || output > 0).then_some(Usage {
        input,
        output,
        cached,
    })
}

fn fail(message: &str, kind: Option<&str>, builder: &mut TranscriptBuilder) {
    builder.transcript.result = result(true, message);
    builder.transcript.error = Some(StreamError {
        status: status_in(message),
        kind: kind.map(str::to_owned),
        message: bounded(message),
        reset_at: None,
    });
}
