//! Claude Code, `--output-format stream-json`, and Cursor, which uses the same format.
//!
//! `subtype: "success"` is not enough: a refused request has it too, with `is_error: true`. The
//! order of keys differs between versions, and the last of several results counts. Refused
//! permissions are in events of newer versions and in the result of all.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use crate::model::transcript::StreamError;
use crate::model::usage::{Cost, Usage};
use crate::worker::dialect::transcript_builder::{
    TranscriptBuilder, bounded, count, describe_tool, status, text,
};
use crate::worker::dialect::{DialectParser, result};

/// Number of recent uses of tools that are kept, in case one is refused later.
const REMEMBERED: usize = 64;

/// The longest input of a tool that is kept, in characters of a command or a path.
const INPUT_LIMIT: usize = 1000;

#[derive(Default)]
pub(super) struct Claude {
    /// Recent uses of tools: id, name, input.
    tools: VecDeque<(String, String, Value)>,
    refused: BTreeSet<String>,
    /// The kind of error of the last message.
    kind: Option<String>,
    /// The usage limit that was reached, with the time it resets.
    limit: Option<Option<Timestamp>>,
    /// The message of the current turn, which arrives in pieces.
    turn: Option<String>,
}

impl DialectParser for Claude {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        let Some(event) = builder.event(line) else {
            return;
        };
        match text(&event, "/type").unwrap_or_default() {
            "system" => self.system(&event, builder),
            "assistant" => self.assistant(&event, builder),
            "tool_call" => cursor_tool(&event, builder),
            "rate_limit_event" => self.rate_limit(&event),
            "result" => self.result(&event, builder),
            // A note of dispatch's own feeder.
            "dispatch" => {
                let told = text(&event, "/told").unwrap_or_default();
                builder.mark_active();
                builder.step(&format!("was told: {told}"));
            }
            _ => {}
        }
    }
}

impl Claude {
    fn system(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        match text(event, "/subtype").unwrap_or_default() {
            "init" => builder.session(text(event, "/session_id")),
            "permission_denied" => {
                let id = text(event, "/tool_use_id").unwrap_or_default();
                let used = self.tools.iter().find(|(used, _, _)| used == id).cloned();
                let name = text(event, "/tool_name").unwrap_or("a tool").to_owned();
                let (_, name, input) = used.unwrap_or((String::new(), name, Value::Null));
                self.refuse(id, &name, &input, builder);
            }
            "api_retry" => {
                let why = text(event, "/error").unwrap_or("error");
                let attempt = count(event, "/attempt");
                builder.step(&format!("asks again after {why} (try {attempt})"));
            }
            _ => {}
        }
    }

    fn assistant(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        builder.mark_active();
        if let Some(kind) = text(event, "/error") {
            self.kind = Some(kind.to_owned());
        }
        self.count_turn(event, builder);
        let content = event.pointer("/message/content").and_then(Value::as_array);
        for part in content.into_iter().flatten() {
            match text(part, "/type").unwrap_or_default() {
                "text" => builder.step(text(part, "/text").unwrap_or_default()),
                "tool_use" => self.tool_use(part, builder),
                _ => {}
            }
        }
    }

    /// Counts a turn of the agent itself, not of its sub-agents.
    fn count_turn(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let id = text(event, "/message/id").map(str::to_owned);
        let is_own = text(event, "/parent_tool_use_id").is_none();
        if is_own && id.is_some() && self.turn != id {
            builder.transcript.turns += 1;
            self.turn = id;
        }
    }

    fn tool_use(&mut self, part: &Value, builder: &mut TranscriptBuilder) {
        let name = text(part, "/name").unwrap_or("a tool");
        let input = part.pointer("/input").unwrap_or(&Value::Null);
        builder.step(&describe_tool(name, input));
        let id = text(part, "/id").unwrap_or_default().to_owned();
        self.tools.push_back((id, name.to_owned(), essence(input)));
        if self.tools.len() > REMEMBERED {
            self.tools.pop_front();
        }
    }

    /// Records a refusal once for each use of a tool.
    fn refuse(&mut self, id: &str, name: &str, input: &Value, builder: &mut TranscriptBuilder) {
        let is_new = id.is_empty() || self.refused.insert(id.to_owned());
        if is_new && self.refused.len() <= REMEMBERED {
            builder.refused_tool(name, input);
        }
    }

    fn rate_limit(&mut self, event: &Value) {
        let is_hit = text(event, "/rate_limit_info/status") == Some("rejected");
        let reset = event
            .pointer("/rate_limit_info/resetsAt")
            .and_then(Value::as_i64);
        let reset = reset.and_then(|seconds| Timestamp::from_second(seconds).ok());
        self.limit = is_hit.then_some(reset);
    }

    fn result(&mut self, event: &Value, builder: &mut TranscriptBuilder) {
        let subtype = text(event, "/subtype").unwrap_or_default();
        let flag = event.pointer("/is_error").and_then(Value::as_bool);
        if flag.is_none() && subtype.is_empty() {
            return;
        }
        let is_error = flag.unwrap_or(false) || !matches!(subtype, "" | "success");
        let words = words(event).unwrap_or(subtype);
        builder.session(text(event, "/session_id"));
        builder.transcript.terminal_seen = true;
        builder.transcript.result = result(is_error, words);
        builder.transcript.error = is_error.then(|| self.error(event, words));
        let (usage, cost) = usage(event);
        builder.transcript.usage = usage;
        builder.transcript.cost = cost;
        let denials = event.pointer("/permission_denials");
        for denial in denials.and_then(Value::as_array).into_iter().flatten() {
            let id = text(denial, "/tool_use_id").unwrap_or_default();
            let name = text(denial, "/tool_name").unwrap_or("a tool");
            let input = denial.pointer("/tool_input").unwrap_or(&Value::Null);
            self.refuse(id, name, input, builder);
        }
        self.kind = None;
    }

    fn error(&self, event: &Value, words: &str) -> StreamError {
        let status = status(event, "/api_error_status");
        let limit = self
            .limit
            .filter(|_| status.is_none_or(|status| status == 429));
        let by_end = match (
            text(event, "/subtype").unwrap_or_default(),
            text(event, "/terminal_reason").unwrap_or_default(),
        ) {
            ("error_max_turns", _) | (_, "max_turns") => Some("max-turns"),
            ("error_max_budget_usd", _) | (_, "budget_exhausted") => Some("max-budget"),
            (_, "prompt_too_long") => Some("prompt-too-long"),
            _ if limit.is_some() => Some("usage-limit"),
            _ => None,
        };
        let kind = by_end.or(self.kind.as_deref());
        let kind = kind.or_else(|| text(event, "/api_error_type"));
        StreamError {
            status,
            kind: kind.map(bounded),
            message: bounded(words),
            reset_at: limit.flatten(),
        }
    }
}

/// Returns the text of the result, or its first error.
fn words(event: &Value) -> Option<&str> {
    let words = text(event, "/result").or_else(|| text(event, "/errors/0"));
    words.filter(|words| !words.trim().is_empty())
}

/// Keeps the input that describes a use of a tool; the rest may be a whole file.
fn essence(input: &Value) -> Value {
    let short = |(key, value): (&String, &Value)| {
        let value = crate::base::text::clip(value.as_str()?, INPUT_LIMIT);
        Some((key.clone(), Value::String(value)))
    };
    let keep = |key: &str| key != "content" && !key.ends_with("_string");
    let fields = input.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, _)| keep(key)).filter_map(short);
    Value::Object(fields.collect())
}

/// Returns tokens and cost. The total tokens are those of this call, while those by model may be of
/// the whole session, so they count only where there is no total; the cost is the sum by model,
/// which covers sub-agents.
fn usage(event: &Value) -> (Option<Usage>, Cost) {
    let dollars = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_f64);
    let total = event.pointer("/usage").filter(|usage| usage.is_object());
    let total = total.map(|usage| tokens(usage, TOTAL_KEYS));
    let models = event.pointer("/modelUsage").and_then(Value::as_object);
    let Some(models) = models.filter(|models| !models.is_empty()) else {
        return (total, Cost::from(dollars(event, "/total_cost_usd")));
    };
    let by_model = models.values().map(|model| tokens(model, MODEL_KEYS));
    let used = total.filter(|total| total.input > 0 || total.output > 0);
    let cost = models
        .values()
        .map(|model| Cost::from(dollars(model, "/costUSD")));
    (used.or(by_model.reduce(|all, one| all + one)), cost.sum())
}

/// Keys of uncached input, cache reads, cache writes and output.
const MODEL_KEYS: [&str; 4] = [
    "/inputTokens",
    "/cacheReadInputTokens",
    "/cacheCreationInputTokens",
    "/outputTokens",
];

const TOTAL_KEYS: [&str; 4] = [
    "/input_tokens",
    "/cache_read_input_tokens",
    "/cache_creation_input_tokens",
    "/output_tokens",
];

fn tokens(value: &Value, keys: [&str; 4]) -> Usage {
    let [fresh, read, written, output] = keys.map(|key| count(value, key));
    Usage {
        input: fresh.saturating_add(read).saturating_add(written),
        output,
        cached: value.pointer(keys[1]).and_then(Value::as_u64),
    }
}

/// Parses `{"type":"tool_call","tool_call":{"writeToolCall":{"args":{"path":…}}}}`.
fn cursor_tool(event: &Value, builder: &mut TranscriptBuilder) {
    builder.mark_active();
    let call = event.pointer("/tool_call").and_then(Value::as_object);
    if let Some((name, call)) = call.and_then(|call| call.iter().next()) {
        let name = name.strip_suffix("ToolCall").unwrap_or(name);
        let input = call.pointer("/args").unwrap_or(&Value::Null);
        builder.step(&describe_tool(name, input));
    }
}
