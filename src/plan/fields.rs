//! The names of the fields, in the order in which they are written.

use crate::plan::draft::Value;
use crate::plan::other_words::is_unmistakable;

/// Every key of a task.
pub(super) const KNOWN: &[&str] = &[
    "tag",
    "title",
    "label",
    "worker",
    "run",
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
    "isolation",
    "prompt_file",
    "prompt",
];

/// Keys that hold a list and may be given several times in Markdown.
pub(super) const LISTS: &[&str] = &["depends_on", "files", "check", "env"];

/// The key as people write it in Markdown: `Depends on`, `stall-timeout`, `Blocked by`.
pub(super) fn normal_key(written: &str) -> String {
    let key = written.trim().to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "blocked_by" => "depends_on".to_owned(),
        _ => key,
    }
}

/// Whether there is such a field.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// Whether a mistyped field may be meant: one letter wrong, two in a long word.
pub(super) fn is_nearly_known(key: &str) -> bool {
    let near = |known: &&str| {
        let allowed = if known.len() > 5 { 2 } else { 1 };
        known.len().abs_diff(key.len()) <= allowed && strsim::osa_distance(known, key) <= allowed
    };
    is_unmistakable(key) || KNOWN.iter().any(near)
}

/// The parts of one line of Markdown between its commas, but not those inside of brackets:
/// `src/{a,b}/**, docs/**` are two.
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

/// The names in `#2, API and #3`.
pub(super) fn split_names(line: &str) -> Vec<&str> {
    let parts = split_commas(line).into_iter();
    parts
        .flat_map(|part| part.split(" and "))
        .map(|part| part.strip_prefix("and ").unwrap_or(part).trim())
        .filter(|part| !part.is_empty())
        .collect()
}

/// The text of a value that can be nothing else.
pub(super) fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Raw(text) | Value::Text(text) => Some(text),
        _ => None,
    }
}
