//! An invalid value of the configuration.

use std::ops::Range;

/// Says why one value is invalid, without its file.
#[derive(Clone, Debug)]
pub(super) struct Invalid {
    /// The invalid bytes, if they are not the whole value.
    pub(super) span: Option<Range<usize>>,
    /// The error, in one line without a period.
    pub(super) message: String,
    /// The fix.
    pub(super) hint: Option<String>,
}

impl Invalid {
    /// Stands for the whole value.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Invalid {
        Invalid {
            span: None,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}
