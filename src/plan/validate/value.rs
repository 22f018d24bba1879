//! Values of fields: numbers, words, durations, lists.

use std::time::Duration;

use crate::base::clock::parse_duration;
use crate::base::safe::hidden::find_hidden;
use crate::base::text::did_you_mean;
use crate::model::ids::VariantNumber;
use crate::model::usage::Dollars;
use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::draft::{Value, bad_kind};
use crate::plan::fields::{as_text, split_commas};
use crate::plan::normal;
use crate::plan::span::At;

/// The longest valid duration, so that sums of times cannot overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The most variants of a task.
const MOST_VARIANTS: VariantNumber = 9;

/// The values of `variants`, for messages.
const VARIANTS: &str = "a number from 1 to 9, or a list of workers";

/// Removes NUL characters, which cannot be passed to programs, with an error.
pub(super) fn clean(text: &At<String>, findings: &mut Collector) -> String {
    if text.value.contains('\0') {
        let message = "this text contains a NUL character, which cannot be passed to a program";
        findings.add(RawDiagnostic::error(
            Code::BadValue,
            text.span.clone(),
            message,
        ));
    }
    text.value.replace('\0', "")
}

/// Parses a text, with normalised line ends.
pub(super) fn text(key: &str, value: &At<Value>, findings: &mut Collector) -> Option<String> {
    let Some(found) = as_text(&value.value) else {
        let span = value.span.clone();
        findings.add(bad_kind(key, "a text", &value.value, span));
        return None;
    };
    let found = At::new(normal::lines(found), value.span.clone());
    Some(clean(&found, findings))
}

/// Parses a text that is not empty after trimming.
pub(super) fn filled(
    key: &At<String>,
    value: &At<Value>,
    findings: &mut Collector,
) -> Option<String> {
    let found = text(&key.value, value, findings)?.trim().to_owned();
    if found.is_empty() {
        let message = format!("{} is empty", quoted(&key.value));
        let hint = "give it a value or leave it out";
        findings.add(RawDiagnostic::error(Code::BadValue, key.span.clone(), message).hint(hint));
        return None;
    }
    Some(found)
}

/// Parses a command or a name: a text that is not empty and is shown as it is.
pub(super) fn shown(
    key: &At<String>,
    value: &At<Value>,
    findings: &mut Collector,
) -> Option<String> {
    let found = filled(key, value, findings)?;
    let Some(hidden) = find_hidden(&found) else {
        return Some(found);
    };
    let place = match hidden.line {
        1 => String::new(),
        line => format!(" in its line {line}"),
    };
    let message = format!("{} has {hidden}{place}", quoted(&key.value));
    let hint = "remove it, so that you see in full what will run";
    findings.add(RawDiagnostic::error(Code::Hidden, value.span.clone(), message).hint(hint));
    None
}

/// Parses a list of texts or a single one; a line of Markdown is split by `split`.
pub(super) fn texts(
    key: &str,
    value: &At<Value>,
    split: impl Fn(&str) -> Vec<&str>,
    findings: &mut Collector,
) -> Vec<At<String>> {
    let entry = |entry: &At<Value>, findings: &mut Collector| {
        let found = text(key, entry, findings)?;
        Some(At::new(found, entry.span.clone()))
    };
    match &value.value {
        Value::Raw(line) => {
            let part = |part: &str| {
                // The parts of an unwrapped line are slices of the text; other lines keep the
                // position of the whole value.
                let offset = part.as_ptr() as usize - line.as_ptr() as usize;
                let start = value.span.start + offset;
                let span = match line.len() == value.span.len() {
                    true => start..start + part.len(),
                    false => value.span.clone(),
                };
                At::new(part.to_owned(), span)
            };
            let parts: Vec<_> = split(line).into_iter().map(part).collect();
            for part in &parts {
                clean(part, findings);
            }
            parts
        }
        Value::List(list) => list.iter().filter_map(|at| entry(at, findings)).collect(),
        _ => entry(value, findings).into_iter().collect(),
    }
}

/// Parses a whole number in a range.
pub(super) fn integer<T: TryFrom<i64>>(
    key: &str,
    wanted: &str,
    value: &At<Value>,
    findings: &mut Collector,
) -> Option<T> {
    let found = match &value.value {
        Value::Integer(found) => Some(*found),
        Value::Raw(line) => line.parse().ok(),
        _ => None,
    };
    let number = found.and_then(|found| T::try_from(found).ok());
    if number.is_none() {
        findings.add(bad_value(key, wanted, value));
    }
    number
}

/// Parses a count of at least 1.
pub(super) fn count(key: &str, value: &At<Value>, findings: &mut Collector) -> Option<u32> {
    let number = integer(key, "a number from 1", value, findings)?;
    if number == 0 {
        findings.add(bad_value(key, "a number from 1", value));
    }
    (number > 0).then_some(number)
}

/// The variants of a task, whose workers are not checked.
pub(super) enum DraftVariants {
    /// A number.
    Count(VariantNumber),
    /// The worker of each.
    Workers(Vec<At<String>>),
}

/// Parses a number of variants, or the worker of each.
pub(super) fn variants(
    key: &At<String>,
    value: &At<Value>,
    findings: &mut Collector,
) -> Option<DraftVariants> {
    let is_number = |line: &str| line.trim().parse::<i64>().is_ok();
    let is_count = match &value.value {
        Value::Integer(_) => true,
        Value::Raw(line) => line.trim().is_empty() || is_number(line),
        _ => false,
    };
    if is_count {
        let number: Option<VariantNumber> = integer(&key.value, VARIANTS, value, findings);
        let is_valid = |number: &VariantNumber| (1..=MOST_VARIANTS).contains(number);
        if number.is_some_and(|number| !is_valid(&number)) {
            findings.add(bad_value(&key.value, VARIANTS, value));
        }
        return number.filter(is_valid).map(DraftVariants::Count);
    }
    let workers = texts(&key.value, value, split_commas, findings);
    if (1..=usize::from(MOST_VARIANTS)).contains(&workers.len()) {
        return Some(DraftVariants::Workers(workers));
    }
    let is_empty = matches!(&value.value, Value::List(list) if list.is_empty());
    if workers.is_empty() && !is_empty {
        // The wrong kind is reported already.
        return None;
    }
    let message = format!(
        "a task has 1 to {MOST_VARIANTS} variants, not {}",
        workers.len()
    );
    let finding = RawDiagnostic::error(Code::BadValue, value.span.clone(), message);
    findings.add(finding.hint("name the worker of each, or write how many"));
    None
}

/// Parses an amount of dollars above zero.
pub(super) fn dollars(key: &str, value: &At<Value>, findings: &mut Collector) -> Option<Dollars> {
    let found = match &value.value {
        Value::Integer(number) => Dollars::parse(&number.to_string()),
        Value::Decimal(text) | Value::Raw(text) => Dollars::parse(text),
        _ => None,
    };
    if found.is_none() {
        findings.add(bad_value(key, "an amount of dollars such as 2.50", value));
    }
    found
}

/// Parses `true` or `false`; in Markdown also `yes` and `no`.
pub(super) fn boolean(key: &str, value: &At<Value>, findings: &mut Collector) -> Option<bool> {
    let found = match &value.value {
        Value::Boolean(found) => Some(*found),
        Value::Raw(line) => match line.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    if found.is_none() {
        findings.add(bad_value(key, "true or false", value));
    }
    found
}

/// Parses one of these words.
pub(super) fn choice<T: Copy>(
    key: &str,
    words: &[(&str, T)],
    value: &At<Value>,
    findings: &mut Collector,
) -> Option<T> {
    let written = as_text(&value.value).unwrap_or_default().trim();
    let found = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(written));
    if found.is_none() {
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let finding = bad_value(key, &names.join(" or "), value);
        findings.add(match did_you_mean(written, names) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding,
        });
    }
    found.map(|(_, value)| *value)
}

/// Parses a duration from a millisecond to a year.
pub(super) fn duration(key: &str, value: &At<Value>, findings: &mut Collector) -> Option<Duration> {
    let written = match &value.value {
        Value::Integer(number) => number.to_string(),
        other => text(key, &At::new(other.clone(), value.span.clone()), findings)?,
    };
    let found = parse_duration(&written)
        .ok()
        .filter(|found| *found <= LONGEST);
    let found = found.map(|found| Duration::from_millis(found.as_millis() as u64));
    let found = found.filter(|found| !found.is_zero());
    if found.is_none() {
        let message = format!("invalid duration {} for {}", quoted(&written), quoted(key));
        let hint = "write a number with a unit, like 90s, 30m, 2h or 1h30m, and at most a year";
        let finding = RawDiagnostic::error(Code::BadDuration, value.span.clone(), message);
        findings.add(finding.hint(hint));
    }
    found
}

fn bad_value(key: &str, wanted: &str, value: &At<Value>) -> RawDiagnostic {
    match &value.value {
        Value::Raw(text) | Value::Text(text) if text.trim().is_empty() => {
            let message = format!("{} must be {wanted}, but is empty", quoted(key));
            RawDiagnostic::error(Code::BadValue, value.span.clone(), message)
        }
        Value::Raw(text) | Value::Text(text) => {
            let message = format!("{} must be {wanted}, not {}", quoted(key), quoted(text));
            RawDiagnostic::error(Code::BadValue, value.span.clone(), message)
        }
        Value::Integer(number) => {
            let message = format!("{} must be {wanted}, not {number}", quoted(key));
            RawDiagnostic::error(Code::BadValue, value.span.clone(), message)
        }
        other => bad_kind(key, wanted, other, value.span.clone()),
    }
}
