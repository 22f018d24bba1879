//! Invalid values of the configuration, before they are rendered.

use std::ops::Range;

/// An invalid value, before its key and its file are known.
#[derive(Clone, Debug)]
pub(super) struct Invalid {
    /// The invalid bytes, if they are not the whole value.
    pub(super) span: Option<Range<usize>>,
    /// The error, in one line without a period.
    message: Message,
    /// The fix.
    pub(super) hint: Option<String>,
}

#[derive(Clone, Debug)]
enum Message {
    /// `invalid duration "fast"`, which follows a name and a colon.
    Sentence(String),
    /// `must be at least 1`, which follows a name.
    Predicate(&'static str),
}

impl Invalid {
    /// The whole value is invalid: `invalid duration "fast"`.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Invalid {
        Invalid {
            span: None,
            message: Message::Sentence(message.into()),
            hint: Some(hint.into()),
        }
    }

    /// The whole value is invalid: `must be at least 1`.
    pub(super) fn predicate(message: &'static str, hint: impl Into<String>) -> Invalid {
        Invalid {
            span: None,
            message: Message::Predicate(message),
            hint: Some(hint.into()),
        }
    }

    /// Text that is not TOML.
    pub(super) fn syntax(message: &str) -> Invalid {
        Invalid {
            span: None,
            message: Message::Sentence(message.to_owned()),
            hint: None,
        }
    }

    /// Returns the error about the key, flag or variable of this name.
    fn message_for(&self, name: Option<&str>) -> String {
        match (&self.message, name) {
            (Message::Sentence(message), None) => message.clone(),
            (Message::Sentence(message), Some(name)) => format!("{name}: {message}"),
            (Message::Predicate(message), name) => {
                format!("{} {message}", name.unwrap_or("the value"))
            }
        }
    }
}

/// The place a value was read from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Bytes of a file, which is numbered among the sources.
    File(usize, Range<usize>),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

/// An invalid value with its origin.
#[derive(Clone, Debug)]
pub(super) struct Rejection {
    /// The place to show.
    pub(super) origin: Origin,
    /// The error, in one line without a period.
    pub(super) message: String,
    /// The fix.
    pub(super) hint: Option<String>,
}

impl Rejection {
    /// An invalid value of a key.
    pub(super) fn of_key(key: &str, origin: &Origin, invalid: Invalid) -> Rejection {
        Rejection::named(Some(key), origin, invalid)
    }

    /// Anything else invalid: a table, a key, values that contradict each other.
    pub(super) fn new(origin: &Origin, invalid: Invalid) -> Rejection {
        Rejection::named(None, origin, invalid)
    }

    fn named(key: Option<&str>, origin: &Origin, invalid: Invalid) -> Rejection {
        let (origin, name) = match origin {
            Origin::File(file, span) => {
                let span = invalid.span.clone().unwrap_or(span.clone());
                (Origin::File(*file, span), key)
            }
            Origin::Variable(name) | Origin::Flag(name) => (origin.clone(), Some(name.as_str())),
        };
        Rejection {
            message: invalid.message_for(name),
            hint: invalid.hint,
            origin,
        }
    }
}
