//! The line of a change that a comment is about.

use serde::Deserialize;

use crate::base::text::error_chain;
use crate::git::{Store, StoreError};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::web::actions::refused::Refused;
use crate::web::source::Source;
use crate::web::text::LONGEST_LINE;

/// The line that a comment is about, as the address or the form names it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::web) struct Line {
    /// The file; empty if the comment is about all of the change.
    #[serde(default)]
    pub(in crate::web) file: String,
    /// The number of the line in the new version.
    #[serde(default)]
    pub(in crate::web) line: String,
}

/// A line that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::web) struct KnownLine {
    /// The file.
    pub(in crate::web) file: String,
    /// The number.
    pub(in crate::web) number: usize,
    /// The text, without the end of a very long line.
    pub(in crate::web) text: String,
}

/// Finds a line in the result of a task; `None` if no file is named.
///
/// # Errors
/// When the task has not changed the file, or the file has no such line.
pub(in crate::web) fn find(
    source: &Source,
    state: &RunState,
    task: TaskNumber,
    Line { file, line }: &Line,
) -> Result<Option<KnownLine>, Refused> {
    if file.is_empty() {
        return Ok(None);
    }
    let files = source.patch(state, task).map_err(Refused)?;
    if !files.iter().any(|changed| changed.name == *file) {
        return Err(Refused(format!("{task} does not change {file}.")));
    }
    let text = content(source, state, task, file).map_err(|error| Refused(error_chain(&error)))?;
    let text = text.ok_or_else(|| Refused(format!("{file} has no text after {task}.")))?;
    let known = numbered(&text, line).map(|(number, text)| KnownLine {
        file: file.clone(),
        number,
        text,
    });
    let count = text.lines().count();
    let missing = || Refused(format!("{file} has no line {line:?}: it has {count}."));
    known.map(Some).ok_or_else(missing)
}

/// Reads a file of the result of a task; `None` if it was deleted or is not text.
fn content(
    source: &Source,
    state: &RunState,
    task: TaskNumber,
    file: &str,
) -> Result<Option<String>, StoreError> {
    let Some(change) = state.task_change(task) else {
        return Ok(None);
    };
    let store = Store::open(&source.repo)?;
    let Some(entry) = store.entry(store.tree_of(change.to)?, file)? else {
        return Ok(None);
    };
    Ok(String::from_utf8(store.blob(entry.oid)?).ok())
}

/// Finds the line with a number.
fn numbered(text: &str, number: &str) -> Option<(usize, String)> {
    let number: usize = number.parse().ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    Some((number, line.chars().take(LONGEST_LINE).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_exist_are_found() {
        let found = |number| numbered("one\n\nthree", number).map(|(_, text)| text);
        assert_eq!(found("1").as_deref(), Some("one"));
        assert_eq!(found("2").as_deref(), Some(""));
        assert_eq!(found("3").as_deref(), Some("three"));
        for number in ["0", "4", "-1", "", "x", "99999999999999999999999"] {
            assert_eq!(found(number), None, "{number}");
        }
    }
}
