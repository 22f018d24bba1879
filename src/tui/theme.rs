//! Colours: the sixteen of the terminal only, so that light and dark terminals keep their own, and
//! nothing that a colour alone says.

use ratatui::style::{Color, Modifier, Style};

use crate::model::status::Status;
use crate::report::timeline::SpanKind;
use crate::tui::line::Mark;

/// The look of a word that differs, also without colour.
const WORD: Modifier = Modifier::BOLD.union(Modifier::UNDERLINED);

/// The look of the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Theme {
    /// `true` if colours are shown.
    pub(super) has_color: bool,
}

impl Theme {
    fn color(self, color: Color) -> Style {
        match self.has_color {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }

    /// Returns the style of a status.
    pub(super) fn status(self, status: &Status) -> Style {
        match status {
            Status::Done => self.color(Color::Green),
            Status::Failed => self.color(Color::Red).add_modifier(Modifier::BOLD),
            Status::InProgress => self.color(Color::Cyan).add_modifier(Modifier::BOLD),
            Status::Retry(_) => self.color(Color::Yellow),
            Status::Blocked(_) => self.color(Color::Magenta),
            Status::Queued => Style::new(),
            Status::Skipped | Status::Cancelled => self.faint(),
        }
    }

    /// Returns the style of a part of a text.
    pub(super) fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Plain => Style::new(),
            Mark::Heading => self.heading(),
            Mark::Faint => self.faint(),
            Mark::Added => self.color(Color::Green),
            Mark::Removed => self.color(Color::Red),
            Mark::AddedWord => self.color(Color::Green).add_modifier(WORD),
            Mark::RemovedWord => self.color(Color::Red).add_modifier(WORD),
        }
    }

    /// Returns the style of a span of the timeline.
    pub(super) fn span(self, kind: SpanKind) -> Style {
        match kind {
            SpanKind::Passed => self.color(Color::Green),
            SpanKind::Failed => self.color(Color::Red),
            SpanKind::Running => self.color(Color::Cyan),
            SpanKind::Parked | SpanKind::Delayed => self.color(Color::Yellow),
            SpanKind::Blocked | SpanKind::Queued | SpanKind::Interrupted => self.faint(),
        }
    }

    /// Returns the style of a heading.
    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Returns the style of what matters less.
    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Returns the style of a warning.
    pub(super) fn warning(self) -> Style {
        self.color(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// Returns the style of the selected row.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Returns the style of a key.
    pub(super) fn key(self) -> Style {
        self.color(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}
