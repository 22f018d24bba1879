//! The words of other tools for fields, so that a hint names the field.

/// The words that other tools have for a field.
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

/// The words among these that hardly begin the line of a prompt.
const UNMISTAKABLE: &[&str] = &["needs", "depends", "dependencies", "deps"];

/// Returns the field that a word of another tool means.
pub(super) fn meant_by(key: &str) -> Option<&'static str> {
    let (_, field) = OTHER_WORDS.iter().find(|(word, _)| *word == key)?;
    Some(field)
}

/// Returns `true` for a word of another tool that is taken for a field wherever it stands.
pub(super) fn is_unmistakable(key: &str) -> bool {
    UNMISTAKABLE.contains(&key)
}
