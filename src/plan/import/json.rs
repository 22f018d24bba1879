//! Reads JSON with the position of every value, one level at a time.

use serde_json::value::RawValue;

use crate::plan::import::ImportError;
use crate::plan::json::Entries;

/// A text in JSON.
pub(super) struct JsonText<'a> {
    pub(super) text: &'a str,
}

impl<'a> JsonText<'a> {
    /// Parses a part of the text.
    ///
    /// # Errors
    /// When it is not JSON.
    pub(super) fn value(&self, part: &'a str) -> Result<&'a RawValue, ImportError> {
        serde_json::from_str(part).map_err(|error| self.syntax(part, &error))
    }

    /// Returns the members of an object; none for any other value.
    pub(super) fn members(&self, value: &'a RawValue) -> Vec<(String, &'a RawValue)> {
        let Ok(Entries(entries)) = serde_json::from_str::<Entries<'a>>(value.get()) else {
            return Vec::new();
        };
        let member = |(key, value): (&'a RawValue, &'a RawValue)| {
            let key: String = serde_json::from_str(key.get()).ok()?;
            Some((key, value))
        };
        entries.into_iter().filter_map(member).collect()
    }

    /// Returns the values of a list; none for any other value.
    pub(super) fn list(&self, value: &'a RawValue) -> Vec<&'a RawValue> {
        serde_json::from_str(value.get()).unwrap_or_default()
    }

    /// Returns the position of a value.
    pub(super) fn span(&self, value: &RawValue) -> std::ops::Range<usize> {
        let start = value.get().as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + value.get().len()
    }

    /// Returns the line of a value, from 1.
    pub(super) fn line(&self, value: &RawValue) -> usize {
        let before = &self.text.as_bytes()[..self.span(value).start];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn syntax(&self, part: &str, error: &serde_json::Error) -> ImportError {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        let before = &self.text.as_bytes()[..start];
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let message = error.to_string();
        let message = message
            .rsplit_once(" at line ")
            .map_or(&*message, |(said, _)| said);
        ImportError::Syntax {
            line: lines + error.line().max(1),
            message: format!("invalid JSON: {message}"),
        }
    }
}

/// Returns a text or a number as text; `None` for any other value, and for an empty text.
pub(super) fn as_text(value: &RawValue) -> Option<String> {
    let text = match serde_json::from_str::<serde_json::Value>(value.get()).ok()? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Returns `true` for a value that says nothing: null, an empty text, list or object.
pub(super) fn is_empty(value: &RawValue) -> bool {
    matches!(value.get().trim(), "null" | "\"\"" | "[]" | "{}")
}
