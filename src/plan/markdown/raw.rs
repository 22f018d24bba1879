//! Finds lines, list markers and columns in the raw text.

use crate::plan::normal;
use crate::plan::span::Span;

/// Returns the start of the line at a position.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1)
}

/// Returns the end of the line at a position, without the line end.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i)
}

/// Returns the start of the next line, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let end = line_end(text, at);
    match &text.as_bytes()[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [] => end,
        _ => end + 1,
    }
}

/// Trims the white space at both ends of a span.
pub(super) fn trimmed(text: &str, span: Span) -> Span {
    let slice = &text[span.clone()];
    let start = span.start + slice.len() - slice.trim_start().len();
    start..start + slice.trim().len()
}

/// The marker of a list item.
#[derive(Debug)]
pub(super) struct Marker {
    /// The digits; empty for a bullet.
    pub(super) number: Span,
    /// The start of the item's text, or the end of an empty line.
    pub(super) content: usize,
    /// The column of the item's content.
    pub(super) column: usize,
}

/// Parses the marker at the start of an item.
pub(super) fn marker(text: &str, item: &Span) -> Marker {
    let digits = item.start + leading(&text[item.clone()], |c| c == ' ' || c == '\t');
    let after_digits = digits + leading(&text[digits..item.end], |c| c.is_ascii_digit());
    let end = (after_digits + 1).min(item.end);
    let line = &text[end..line_end(text, end).max(end)];
    let content = end + leading(line, |c| c == ' ' || c == '\t');
    let marker_column = column_of(text, end);
    let content_column = column_of(text, content);
    let is_empty = content == line_end(text, end);
    // CommonMark: more than four columns of space make the content a code block.
    let column = match content_column - marker_column {
        1..=4 if !is_empty => content_column,
        _ => marker_column + 1,
    };
    Marker {
        number: digits..after_digits,
        content,
        column,
    }
}

fn leading(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.len() - text.trim_start_matches(wanted).len()
}

/// Returns the column of a position, with tab stops of four.
fn column_of(text: &str, at: usize) -> usize {
    let line = &text[line_start(text, at)..at];
    line.chars().fold(0, |column, c| match c {
        '\t' => column / 4 * 4 + 4,
        _ => column + 1,
    })
}

/// Returns the lines of an item without their indentation.
pub(super) fn unmargined(text: &str, span: Span, column: usize) -> String {
    normal::dedent(&normal::lines(&text[span]), column)
}
