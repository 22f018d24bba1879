//! Positions in the text of a plan.

use std::ops::Range;

/// A byte range of the source text.
pub(super) type Span = Range<usize>;

/// A value with its position.
#[derive(Clone, Debug, Default)]
pub(super) struct At<T> {
    /// The value.
    pub(super) value: T,
    /// The position.
    pub(super) span: Span,
}

impl<T> At<T> {
    /// Combines a value and its position.
    pub(super) fn new(value: T, span: Span) -> At<T> {
        At { value, span }
    }
}

/// Returns the bounds of the line at a position, without the line end.
pub(super) fn line_bounds(text: &str, at: usize) -> (usize, usize) {
    let start = text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1);
    let end = text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i);
    (start, end)
}
