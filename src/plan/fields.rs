//! The names of a task's fields, in the order in which they are rendered.

use crate::plan::draft::Value;
use crate::plan::other_words::is_unmistakable;

/// The keys of a task.
pub(super) const KNOWN: &[&str] = &[
    "tag",
    "title",
    "label",
    "worker",
    "run",
    "variants",
    "judge",
    "executor",
    "depends_on",
    "files",
    "strategy",
    "produces",
    "check",
    "timeout",
    "stall_timeout",
    "max_turns",
    "max_cost",
    "retries",
    "env",
    "output",
    "priority",
    "expected",
    "allow_empty",
    "fresh",
    "isolation",
    "sandbox",
    "source",
    "prompt_file",
    "prompt",
];

/// The keys with a list as value, which may be repeated in Markdown.
pub(super) const LISTS: &[&str] = &["depends_on", "files", "check", "env"];

/// Normalises a key in Markdown: `Depends on`, `stall-timeout`, `Blocked by`.
pub(super) fn normal_key(written: &str) -> String {
    let key = written.trim().to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "blocked_by" => "depends_on".to_owned(),
        _ => key,
    }
}

/// Returns `true` if the field exists.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// Returns `true` if the key may be a mistyped field: one wrong letter, two in a long word.
pub(super) fn is_nearly_known(key: &str) -> bool {
    let near = |known: &&str| {
        let allowed = if known.len() > 5 { 2 } else { 1 };
        known.len().abs_diff(key.len()) <= allowed && strsim::osa_distance(known, key) <= allowed
    };
    is_unmistakable(key) || KNOWN.iter().any(near)
}

/// Splits a line of Markdown at commas outside brackets: `src/{a,b}/**, docs/**` has two parts.
pub(super) fn split_commas(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (i, c) in line.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(line[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(line[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Splits `#2, API and #3` into names.
pub(super) fn split_names(line: &str) -> Vec<&str> {
    let parts = split_commas(line).into_iter();
    parts
        .flat_map(|part| part.split(" and "))
        .map(|part| part.strip_prefix("and ").unwrap_or(part).trim())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Returns the text of a text value.
pub(super) fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Raw(text) | Value::Text(text) => Some(text),
        _ => None,
    }
}
