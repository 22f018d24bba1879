//! Parses plans in JSON.
//!
//! serde_json keeps no positions, but returns every value as a slice of the text ([`RawValue`]),
//! whose start is the position. A document is parsed one level at a time, only as deep as a plan
//! can be.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::diagnostic::Code;
use crate::plan::draft::{Draft, Member, Value, from_document};
use crate::plan::span::{At, Span};

/// The maximum depth; a task's fields are the third level, and their lists the fifth.
const DEPTH: usize = 6;

/// Parses the text; `None` for invalid JSON.
pub(super) fn parse(text: &str, findings: &mut Collector) -> Option<Draft> {
    let whole: &RawValue = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(error) => {
            findings.add(syntax_error(text, 0, &error));
            return None;
        }
    };
    let mut reader = Reader {
        text,
        errors: vec![],
    };
    let document = reader.read(whole, DEPTH);
    if !reader.errors.is_empty() {
        reader
            .errors
            .into_iter()
            .for_each(|error| findings.add(error));
        return None;
    }
    match document.value {
        Value::Table(members) => Some(from_document(members, findings)),
        other => {
            let start = document.span.start;
            let message = format!("a plan is an object, not {}", other.kind());
            findings.add(RawDiagnostic::error(
                Code::BadValue,
                start..start + 1,
                message,
            ));
            None
        }
    }
}

/// Converts an error of serde_json, whose line and column count from the start of the slice.
fn syntax_error(slice: &str, base: usize, error: &serde_json::Error) -> RawDiagnostic {
    let lines = slice.split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = base + (before + error.column().saturating_sub(1)).min(slice.len());
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    RawDiagnostic::error(Code::Syntax, at..at + 1, format!("invalid JSON: {message}"))
}

struct Reader<'a> {
    text: &'a str,
    errors: Vec<RawDiagnostic>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, raw: &'a RawValue, depth: usize) -> At<Value> {
        let slice = raw.get();
        let value = match slice.as_bytes().first() {
            _ if depth == 0 => Value::Other("something nested that deep"),
            Some(b'{') => self.table(raw, depth),
            Some(b'[') => self.list(raw, depth),
            Some(b'"') => Value::Text(self.decode::<String>(raw).unwrap_or_default()),
            Some(b't') => Value::Boolean(true),
            Some(b'f') => Value::Boolean(false),
            Some(b'n') => Value::Other("null"),
            _ => match slice.parse() {
                Ok(integer) => Value::Integer(integer),
                Err(_) if slice.contains(['.', 'e', 'E']) => Value::Decimal(slice.to_owned()),
                Err(_) => Value::Other("a number that large"),
            },
        };
        let span = self.span(raw);
        // A diagnostic about an object points at its brace, because the object may be long.
        match value {
            Value::Table(_) => At::new(value, span.start..span.start + 1),
            _ => At::new(value, span),
        }
    }

    fn table(&mut self, raw: &'a RawValue, depth: usize) -> Value {
        let Entries(entries) = self.decode(raw).unwrap_or_default();
        let members = entries.into_iter().map(|(key, value)| {
            let span = self.span(key);
            let key = self.decode::<String>(key).unwrap_or_default();
            let value = self.read(value, depth - 1);
            let key = At::new(key, span);
            Member { key, value }
        });
        Value::Table(members.collect())
    }

    fn list(&mut self, raw: &'a RawValue, depth: usize) -> Value {
        let entries: Vec<&RawValue> = self.decode(raw).unwrap_or_default();
        let entries = entries.into_iter();
        Value::List(entries.map(|entry| self.read(entry, depth - 1)).collect())
    }

    /// Decodes a value; the first pass has not checked the escapes in strings.
    fn decode<T: Deserialize<'a>>(&mut self, raw: &'a RawValue) -> Option<T> {
        match serde_json::from_str(raw.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                let start = self.span(raw).start;
                self.errors.push(syntax_error(raw.get(), start, &error));
                None
            }
        }
    }

    /// Returns the position of a raw value, which is a slice of the text.
    fn span(&self, raw: &RawValue) -> Span {
        let start = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + raw.get().len()
    }
}

/// An object in the order of the text, including duplicate keys.
#[derive(Default)]
pub(super) struct Entries<'a>(pub(super) Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
