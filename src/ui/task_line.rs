//! One task on one line of a terminal.

use std::time::Instant;

use jiff::Timestamp;

use crate::base::text::{clip, one_line, terminal_safe};

/// The state of one task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The number of the task, which orders the lines.
    pub key: u32,
    /// Number and tag, padded to the width of the column: `#1 AUTH `.
    pub head: String,
    /// Its status as on the board.
    pub status: String,
    /// The latest note; may be empty.
    pub note: String,
    /// The start of the running attempt, if there is one.
    pub since: Option<Instant>,
    /// The time of this state.
    pub at: Timestamp,
    /// `true` if the task is finished.
    pub over: bool,
}

impl Line {
    /// Returns `true` if an attempt is running.
    pub(super) fn is_alive(&self) -> bool {
        self.since.is_some() && !self.over
    }

    /// Renders `#1 AUTH IN PROGRESS — 6/8 endpoints`, safe to show.
    pub(super) fn text(&self) -> String {
        let note = safe(&self.note);
        let dash = if note.is_empty() { "" } else { " — " };
        // Not through `one_line`, which would remove the padding.
        let head = terminal_safe(&self.head);
        format!("{head} {}{dash}{note}", safe(&self.status))
    }
}

/// Makes text of a task safe for one line of a terminal.
pub(super) fn safe(text: &str) -> String {
    clip(&one_line(&terminal_safe(text)), 200)
}
