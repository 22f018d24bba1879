//! One task on one line of a terminal.

use std::time::Instant;

use jiff::Timestamp;

use crate::base::text::{clip, one_line, terminal_safe};

/// What there is to say about one task now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Which task; the order of the lines.
    pub key: u32,
    /// What it is called, padded to the width of its column: `#1 AUTH `.
    pub head: String,
    /// Its status as on the board.
    pub status: String,
    /// The last thing said about it; may be empty.
    pub note: String,
    /// Since when its attempt is alive; absent if none is.
    pub since: Option<Instant>,
    /// When this was the case.
    pub at: Timestamp,
    /// Nothing more will happen to it by itself.
    pub over: bool,
}

impl Line {
    /// Whether an attempt is alive.
    pub(super) fn is_alive(&self) -> bool {
        self.since.is_some() && !self.over
    }

    /// `#1 AUTH IN PROGRESS — 6/8 endpoints`, safe to show.
    pub(super) fn text(&self) -> String {
        let note = safe(&self.note);
        let dash = if note.is_empty() { "" } else { " — " };
        // Not on one line: that would take the padding away.
        let head = terminal_safe(&self.head);
        format!("{head} {}{dash}{note}", safe(&self.status))
    }
}

/// Text of tasks on one line of a terminal.
pub(super) fn safe(text: &str) -> String {
    clip(&one_line(&terminal_safe(text)), 200)
}
