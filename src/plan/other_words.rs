//! Maps other tools' names of fields to the field, for hints.

/// Other tools' names of fields.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("needs", "depends_on"),
    ("depends", "depends_on"),
    ("dependencies", "depends_on"),
    ("deps", "depends_on"),
    ("requires", "depends_on"),
    ("after", "depends_on"),
    ("command", "run"),
    ("cmd", "run"),
    ("script", "run"),
    ("agent", "worker"),
    ("verify", "check"),
];

/// The names that hardly ever start a line of a prompt.
const UNMISTAKABLE: &[&str] = &["needs", "depends", "dependencies", "deps"];

/// Returns the field for another tool's name.
pub(super) fn meant_by(key: &str) -> Option<&'static str> {
    let (_, field) = OTHER_WORDS.iter().find(|(word, _)| *word == key)?;
    Some(field)
}

/// Returns `true` for another tool's name that counts as a field anywhere.
pub(super) fn is_unmistakable(key: &str) -> bool {
    UNMISTAKABLE.contains(&key)
}
