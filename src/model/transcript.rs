//! What the output of an agent says, whatever language it was in.

use jiff::Timestamp;

use crate::model::usage::{Cost, Usage};
use crate::model::worker::Dialect;

/// Everything a finished output says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transcript {
    /// The language it was read in.
    pub dialect: Dialect,
    /// How many events were understood.
    pub events: u64,
    /// How many bytes there were.
    pub bytes: u64,
    /// The last final result; none in a language without one.
    pub result: Option<FinalResult>,
    /// Whether the agent said that it has come to its end, well or not.
    pub terminal_seen: bool,
    /// What the agent was not allowed to do, one line each, safe to show. A refused commit is not
    /// among it, because dispatch makes the commit.
    pub refusals: Vec<String>,
    /// Commands that its sandbox kept from writing somewhere: the work may be whole without them.
    pub hindrances: Vec<String>,
    /// The agent's name for its session.
    pub session: Option<String>,
    /// How many turns it took: requests to its model, as far as the output shows them.
    pub turns: u64,
    /// The tokens it used, if it says.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: Cost,
    /// The error it ended with.
    pub error: Option<StreamError>,
    /// The last lines that are no events: standard error, mostly.
    pub stray: Vec<String>,
}

/// The agent's last word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalResult {
    /// Whether it calls itself an error.
    pub is_error: bool,
    /// Its words, perhaps none.
    pub text: String,
}

/// The error an agent ended with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamError {
    /// The HTTP status of its provider.
    pub status: Option<u16>,
    /// The agent's own name for the kind of error: `rate_limit`, `max-turns`.
    pub kind: Option<String>,
    /// What it says.
    pub message: String,
    /// When a limit ends, where the output says so as a time.
    pub reset_at: Option<Timestamp>,
}

impl Transcript {
    /// Whether the language has an event that says the agent has come to its end.
    pub fn has_terminal_event(&self) -> bool {
        !matches!(self.dialect, Dialect::Text | Dialect::Aider)
    }

    /// Whether the output breaks off before the event that should end it.
    pub fn is_truncated(&self) -> bool {
        self.has_terminal_event() && !self.terminal_seen
    }

    /// Whether nothing in the output speaks against success. That a language has no way to say so
    /// does not.
    pub fn is_success(&self) -> bool {
        let is_error = self.result.as_ref().is_some_and(|result| result.is_error);
        !self.is_truncated() && !is_error && self.error.is_none() && self.refusals.is_empty()
    }

    /// The agent's last words, if they are no error.
    pub fn last_words(&self) -> Option<&str> {
        let result = self.result.as_ref().filter(|result| !result.is_error)?;
        let text = result.text.trim();
        (!text.is_empty()).then_some(text)
    }
}
