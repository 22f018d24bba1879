//! The parsed output of an agent, independent of its dialect.

use jiff::Timestamp;

use crate::model::usage::{Cost, Usage};
use crate::model::worker::Dialect;

/// The facts in an agent's complete output.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transcript {
    /// The dialect of the output.
    pub dialect: Dialect,
    /// The number of recognised events.
    pub events: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// The last final result; none in a dialect without one.
    pub result: Option<FinalResult>,
    /// `true` if the output has the event with which the agent ends.
    pub terminal_seen: bool,
    /// The actions the agent's permissions refused, one line each, safe to print. Refused commits
    /// are left out, because dispatch makes the commit.
    pub refusals: Vec<String>,
    /// Commands that the agent's sandbox kept from writing; the work may be complete without them.
    pub hindrances: Vec<String>,
    /// The agent's session id.
    pub session: Option<String>,
    /// The number of turns (requests to the model), as far as the output shows them.
    pub turns: u64,
    /// The tokens it reports.
    pub usage: Option<Usage>,
    /// The cost it reports.
    pub cost: Cost,
    /// The error with which it ended.
    pub error: Option<StreamError>,
    /// The last lines that are not events, mostly of standard error.
    pub stray: Vec<String>,
}

/// The agent's final result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalResult {
    /// `true` if the agent marks it as an error.
    pub is_error: bool,
    /// The text, which may be empty.
    pub text: String,
}

/// The error with which an agent ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamError {
    /// The HTTP status of its provider.
    pub status: Option<u16>,
    /// The agent's own name for the kind of error: `rate_limit`, `max-turns`.
    pub kind: Option<String>,
    /// The message.
    pub message: String,
    /// The time at which a limit resets, where the output has it as a timestamp.
    pub reset_at: Option<Timestamp>,
}

impl Transcript {
    /// Returns `true` if the dialect has an event with which the agent ends.
    pub fn has_terminal_event(&self) -> bool {
        !matches!(self.dialect, Dialect::Text | Dialect::Aider)
    }

    /// Returns `true` if the output stops before its final event.
    pub fn is_truncated(&self) -> bool {
        self.has_terminal_event() && !self.terminal_seen
    }

    /// Returns `true` if nothing in the output contradicts success.
    pub fn is_success(&self) -> bool {
        let is_error = self.result.as_ref().is_some_and(|result| result.is_error);
        !self.is_truncated() && !is_error && self.error.is_none() && self.refusals.is_empty()
    }

    /// Returns `true` if its end is the answer of dispatch's own client to a signal, not the agent's.
    pub fn is_answer_to_signal(&self) -> bool {
        let kind = self.error.as_ref().and_then(|error| error.kind.as_deref());
        self.dialect == Dialect::Acp && matches!(kind, Some("interrupted" | "terminated"))
    }

    /// Returns the text of the final result, unless it is empty or an error.
    pub fn last_words(&self) -> Option<&str> {
        let result = self.result.as_ref().filter(|result| !result.is_error)?;
        let text = result.text.trim();
        (!text.is_empty()).then_some(text)
    }
}
