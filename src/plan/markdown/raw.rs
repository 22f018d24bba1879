//! The raw text around a place: lines, list markers, columns.

use crate::plan::normal;
use crate::plan::span::Span;

/// Where the line of this place begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1)
}

/// Where the line of this place ends, without its line end.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i)
}

/// Where the next line begins, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let end = line_end(text, at);
    match &text.as_bytes()[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [] => end,
        _ => end + 1,
    }
}

/// A span without the white space at both ends.
pub(super) fn trimmed(text: &str, span: Span) -> Span {
    let slice = &text[span.clone()];
    let start = span.start + slice.len() - slice.trim_start().len();
    start..start + slice.trim().len()
}

/// The first line of an item and the shape of its marker.
#[derive(Debug)]
pub(super) struct Marker {
    /// The digits, or nothing for a bullet.
    pub(super) number: Span,
    /// Where the text of the item begins; the end of the line if it is empty.
    pub(super) content: usize,
    /// The column in which everything of the item stands.
    pub(super) column: usize,
}

/// Reads the marker that an item begins with.
pub(super) fn marker(text: &str, item: &Span) -> Marker {
    let digits = item.start + leading(&text[item.clone()], |c| c == ' ' || c == '\t');
    let after_digits = digits + leading(&text[digits..item.end], |c| c.is_ascii_digit());
    let end = (after_digits + 1).min(item.end);
    let line = &text[end..line_end(text, end).max(end)];
    let content = end + leading(line, |c| c == ' ' || c == '\t');
    let marker_column = column_of(text, end);
    let content_column = column_of(text, content);
    let is_empty = content == line_end(text, end);
    // CommonMark: more than four columns of space belong to the content, which is then code.
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

/// The column of a place, with tab stops of four.
fn column_of(text: &str, at: usize) -> usize {
    let line = &text[line_start(text, at)..at];
    line.chars().fold(0, |column, c| match c {
        '\t' => column / 4 * 4 + 4,
        _ => column + 1,
    })
}

/// Lines of an item without the margin that makes them part of it.
pub(super) fn unmargined(text: &str, span: Span, column: usize) -> String {
    normal::dedent(&normal::lines(&text[span]), column)
}
