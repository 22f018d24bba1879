//! Places in the text of a plan.

use std::ops::Range;

/// Bytes of the source text.
pub(super) type Span = Range<usize>;

/// Something and where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct At<T> {
    /// What was written.
    pub(super) value: T,
    /// Where.
    pub(super) span: Span,
}

impl<T> At<T> {
    /// A value with its place.
    pub(super) fn new(value: T, span: Span) -> At<T> {
        At { value, span }
    }
}

/// Where the line of a place begins and ends, without its line end.
pub(super) fn line_bounds(text: &str, at: usize) -> (usize, usize) {
    let start = text[..at].rfind(['\n', '\r']).map_or(0, |i| i + 1);
    let end = text[at..].find(['\n', '\r']).map_or(text.len(), |i| at + i);
    (start, end)
}
