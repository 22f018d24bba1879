//! Parses the list of fields below a task's headline.
//!
//! Only a bullet list directly below the headline can contain fields, so a prompt that starts with
//! prose needs no mark. Such a list contains fields if
//!
//! * its first item is `key: value` with a known key (then every other item must be a field too, so
//!   that a typo does not turn `worker: claude` into prose), or
//! * all of its items look like `key: value` and one of the keys is known or nearly known.
//!
//! Otherwise the prompt starts with it. Below `<!-- prompt -->` everything is prompt.

use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::draft::{Member, Value};
use crate::plan::fields::{is_known, is_nearly_known, normal_key};
use crate::plan::markdown::blocks::{Block, Kind};
use crate::plan::markdown::raw::{line_end, marker, trimmed, unmargined};
use crate::plan::normal;
use crate::plan::span::{At, Span};

/// Returns `true` if a bullet list directly below a headline contains fields.
pub(super) fn is_field_list(text: &str, list: &Block) -> bool {
    if list.kind != Kind::Bullets {
        return false;
    }
    let keys: Vec<_> = list
        .children
        .iter()
        .map(|item| key_of(text, item))
        .collect();
    let known = |key: &Option<Key>| key.as_ref().is_some_and(|key| is_known(&key.name));
    let near = |key: &Option<Key>| key.as_ref().is_some_and(|key| is_nearly_known(&key.name));
    let all_keys = keys.iter().all(Option::is_some);
    keys.first().is_some_and(known) || (all_keys && keys.iter().any(|key| known(key) || near(key)))
}

/// Returns `true` if a list contains only known fields, wherever it is.
pub(super) fn is_only_known_fields(text: &str, list: &Block) -> bool {
    let known = |item: &Block| key_of(text, item).is_some_and(|key| is_known(&key.name));
    list.kind == Kind::Bullets && list.children.iter().all(known)
}

/// Parses the fields of a list for which [`is_field_list`] holds.
pub(super) fn read(text: &str, list: &Block, findings: &mut Collector) -> Vec<Member> {
    let items = list.children.iter();
    items
        .filter_map(|item| read_field(text, item, findings))
        .collect()
}

fn read_field(text: &str, item: &Block, findings: &mut Collector) -> Option<Member> {
    let Some(key) = key_of(text, item) else {
        let span = first_line(text, item);
        let message = format!(
            "invalid field {}: not a `key: value`",
            quoted(&text[span.clone()])
        );
        let hint = "put a line of prose before a list that belongs to the prompt";
        findings.add(RawDiagnostic::error(Code::NotAField, span, message).hint(hint));
        return None;
    };
    let value = match read_value(text, item, &key) {
        Ok(value) => value,
        Err(finding) => {
            findings.add(finding);
            return None;
        }
    };
    if let Value::Raw(raw) = &value.value
        && let Some(inside) = raw.strip_prefix('`').and_then(|raw| raw.strip_suffix('`'))
        && !inside.is_empty()
        && !inside.contains('`')
    {
        let message = "the backticks are part of the value";
        let hint = format!("write {} without them", quoted(inside));
        findings
            .add(RawDiagnostic::warning(Code::Backticks, value.span.clone(), message).hint(hint));
    }
    let key = At::new(key.name, key.span);
    Some(Member { key, value })
}

fn read_value(text: &str, item: &Block, key: &Key) -> Result<At<Value>, RawDiagnostic> {
    let (head, nested) = match item.children.split_first() {
        Some((head, nested)) if matches!(head.kind, Kind::Text | Kind::Heading(_)) => {
            (head, nested)
        }
        _ => (item, &item.children[..]),
    };
    let end = head.span.end.max(line_end(text, key.value));
    let end = nested
        .first()
        .map_or(end, |block| end.min(block.span.start.max(key.value)));
    let span = trimmed(text, key.value..end);
    let inline = &text[span.clone()];
    let several = || {
        let message = format!("{} has more than one value", quoted(&key.name));
        let hint = "a value is the rest of the line, or a nested list, or a code block";
        RawDiagnostic::error(Code::BadValue, key.span.clone(), message).hint(hint)
    };
    match nested {
        [] => one_line_value(key, inline, span),
        [only] if inline.is_empty() => match &only.kind {
            Kind::Code(code) => Ok(At::new(block_value(code), only.span.clone())),
            Kind::Bullets | Kind::Numbers(_) => Ok(list_value(text, only)),
            _ => Err(several()),
        },
        _ => Err(several()),
    }
}

/// Joins a wrapped value into one line, except commands, of which there may be several.
fn one_line_value(key: &Key, inline: &str, span: Span) -> Result<At<Value>, RawDiagnostic> {
    if inline.contains(['\n', '\r']) && matches!(key.name.as_str(), "run" | "check") {
        let message = format!("{} spans several lines", quoted(&key.name));
        let hint = format!("put the lines in a code block below `{}:`", key.name);
        return Err(RawDiagnostic::error(Code::BadValue, span, message).hint(hint));
    }
    let inline = normal::lines(inline);
    let lines: Vec<_> = inline.split('\n').map(str::trim).collect();
    Ok(At::new(Value::Raw(lines.join(" ")), span))
}

/// Returns the content of a code block without its last line end.
fn block_value(code: &str) -> Value {
    Value::Text(code.strip_suffix('\n').unwrap_or(code).to_owned())
}

fn list_value(text: &str, list: &Block) -> At<Value> {
    let entry = |item: &Block| match &item.children[..] {
        [
            Block {
                kind: Kind::Code(code),
                span,
                ..
            },
        ] => At::new(block_value(code), span.clone()),
        _ => {
            let marker = marker(text, &item.span);
            let span = trimmed(text, marker.content..item.span.end.max(marker.content));
            let value = unmargined(text, span.clone(), marker.column);
            At::new(Value::Text(value), span)
        }
    };
    let span = trimmed(text, list.span.clone());
    At::new(Value::List(list.children.iter().map(entry).collect()), span)
}

/// The key at the start of an item.
struct Key {
    name: String,
    span: Span,
    /// The start of the value, including white space.
    value: usize,
}

fn first_line(text: &str, item: &Block) -> Span {
    let content = marker(text, &item.span).content;
    trimmed(text, content..line_end(text, content))
}

/// Parses the key of `key: value` or `**Key:** value`.
///
/// Without a space after the colon the key must be known, because of `http://…`.
fn key_of(text: &str, item: &Block) -> Option<Key> {
    let line = first_line(text, item);
    let slice = &text[line.clone()];
    let is_mark = |c: char| matches!(c, '*' | '_' | '`');
    let word = slice.trim_start_matches(is_mark);
    let marks = slice.len() - word.len();
    let colon = word.find(':')?;
    let written = word[..colon].trim_end_matches(is_mark);
    let name = normal_key(written);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || name.len() > 30 || !name.chars().all(plain) {
        return None;
    }
    let after = &word[colon + 1..];
    let rest = if marks > 0 {
        after.trim_start_matches(is_mark)
    } else {
        after
    };
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) && !is_known(&name) {
        return None;
    }
    let start = line.start + marks;
    Some(Key {
        name,
        span: start..start + written.trim_end().len(),
        value: line.end - rest.len(),
    })
}
