//! Pieces of lines by their width on the terminal.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::base::markdown::plain_line;
use crate::base::table::clip_to_width;
use crate::base::text::terminal_safe;

/// Makes foreign text one safe line.
pub(super) fn safe(text: &str) -> String {
    terminal_safe(&plain_line(text, 400))
}

/// Cuts and fills a safe text to exactly this many columns.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut text = clip_to_width(text, width);
    let missing = width.saturating_sub(text.width());
    text.push_str(&" ".repeat(missing));
    text
}

/// Renders the part of a list that is shown, as `1–9 of 30`; nothing where all of it is.
pub(super) fn place(first: usize, room: usize, length: usize) -> String {
    match length > room {
        true => format!("{}–{} of {length}", first + 1, (first + room).min(length)),
        false => String::new(),
    }
}

/// Builds a line that has a text at both ends; the left one is cut where both do not fit.
pub(super) fn both_ends(left: (&str, Style), right: (&str, Style), width: usize) -> Line<'static> {
    let room = width.saturating_sub(right.0.width() + 1);
    Line::from(vec![
        Span::styled(cell(left.0, room), left.1),
        Span::raw(" "),
        Span::styled(right.0.to_owned(), right.1),
    ])
}
