//! aider's plain output.
//!
//! It ends with 0 whatever happened, so the only sign of a failed request is a line that begins
//! with the name of an error, with no answer after it. An answer is followed by a line such as
//! `Tokens: 2.4k sent, 159 received. Cost: $0.01 message, $0.02 session.` Its prose has no marks, so
//! its last words are the edits that it names.

use std::collections::BTreeSet;

use crate::model::transcript::StreamError;
use crate::model::usage::{Cost, Usage};
use crate::worker::dialect::transcript_builder::{TranscriptBuilder, bounded};
use crate::worker::dialect::{DialectParser, result};

const EDIT: &str = "Applied edit to ";

/// Number of edited files that are named.
const MOST_EDITS: usize = 100;

#[derive(Default)]
pub(super) struct Aider {
    /// Cost of all answers; `None` after an answer without a price.
    session: Option<f64>,
    has_answer: bool,
    edited: BTreeSet<String>,
}

impl DialectParser for Aider {
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        if let Some(error) = line.strip_prefix("litellm.") {
            let kind = error.split(':').next().unwrap_or_default();
            if kind.ends_with("Error") || kind == "Timeout" {
                builder.transcript.events += 1;
                builder.transcript.error = Some(StreamError {
                    status: None,
                    kind: Some(bounded(kind)),
                    message: bounded(line),
                    reset_at: None,
                });
            }
        } else if let Some(tokens) = line.strip_prefix("Tokens: ") {
            self.answered(tokens, builder);
        } else if let Some(path) = line.strip_prefix(EDIT) {
            builder.transcript.events += 1;
            builder.step(line);
            if self.edited.len() < MOST_EDITS {
                self.edited.insert(bounded(path));
            }
        }
        builder.stray(line);
    }

    fn finish(&mut self, builder: &mut TranscriptBuilder) {
        let paths: Vec<&str> = self.edited.iter().map(String::as_str).collect();
        if !paths.is_empty() {
            let words = format!("{EDIT}{}", paths.join(", "));
            builder.transcript.result = result(builder.transcript.error.is_some(), &words);
        }
    }
}

impl Aider {
    fn answered(&mut self, line: &str, builder: &mut TranscriptBuilder) {
        builder.transcript.events += 1;
        builder.transcript.turns += 1;
        builder.transcript.error = None;
        let (tokens, cost) = line.split_once("Cost: ").unwrap_or((line, ""));
        let named = |name: &str| {
            let parts = tokens
                .split(',')
                .map(|part| part.trim().trim_end_matches('.'));
            let mut parts = parts.filter_map(|part| part.strip_suffix(name));
            parts.next().and_then(|number| tokens_of(number.trim()))
        };
        let hit = named("cache hit");
        builder.add(
            Usage {
                input: named("sent").unwrap_or(0) + hit.unwrap_or(0),
                output: named("received").unwrap_or(0),
                cached: hit,
            },
            Cost::Unknown,
        );
        let session = cost.split(',').find_map(|part| {
            let dollars = part.trim().trim_end_matches('.').strip_suffix("session")?;
            dollars.trim().strip_prefix('$')?.parse().ok()
        });
        let is_known = !self.has_answer || self.session.is_some();
        self.has_answer = true;
        self.session = session.filter(|_| is_known);
        builder.transcript.cost = Cost::from(self.session);
    }
}

/// Parses the rounded counts of aider: `159`, `2.4k`, `1.2M`.
fn tokens_of(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix('k') {
        Some(number) => (number, 1e3),
        None => match text.strip_suffix('M') {
            Some(number) => (number, 1e6),
            None => (text, 1.0),
        },
    };
    let tokens = number.replace(',', "").parse::<f64>().ok()? * factor;
    (tokens.is_finite() && tokens >= 0.0).then_some(tokens.round() as u64)
}
