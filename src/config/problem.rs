//! Problems of the configuration as the user reads them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::base::excerpt::{self, Excerpt, Severity};
use crate::base::text::terminal_safe;

/// An invalid setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigProblem {
    /// The place it was read from.
    pub location: Location,
    /// The error, in one line without a period.
    pub message: String,
    /// The fix.
    pub hint: Option<String>,
}

/// The place a setting was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// The invalid bytes of the line.
        marked: Range<usize>,
        /// The whole line.
        excerpt: String,
    },
    /// In the environment, under this name.
    Variable(String),
    /// On the command line, with this flag.
    Flag(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File {
                path, line, column, ..
            } => write!(f, "{}:{line}:{column}", path.display()),
            Location::Variable(name) | Location::Flag(name) => f.write_str(name),
        }
    }
}

/// The problem in one line, without excerpt and hint. The message about a variable or a flag begins
/// with its name.
impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = terminal_safe(&self.message);
        match &self.location {
            Location::File { .. } => write!(f, "{}: {message}", self.location),
            Location::Variable(_) | Location::Flag(_) => f.write_str(&message),
        }
    }
}

impl ConfigProblem {
    /// Renders the message with its place, the line with carets below it, and the hint.
    pub fn render(&self) -> String {
        let Location::File {
            path,
            line,
            column,
            marked,
            excerpt,
        } = &self.location
        else {
            let hint = self.hint.as_ref().map(|hint| format!("hint: {hint}\n"));
            return format!(
                "error: {self}\n{}",
                terminal_safe(&hint.unwrap_or_default())
            );
        };
        let at = Excerpt {
            file: &path.display().to_string(),
            line: *line,
            column: *column,
            text: excerpt,
            marked: marked.clone(),
        };
        excerpt::render(Severity::Error, &self.message, &at, self.hint.as_deref())
    }
}

/// Locates a range of bytes in the text of a file.
pub(super) fn locate(path: &Path, text: &str, span: &Range<usize>) -> Location {
    let start = boundary(text, span.start);
    let end = boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let excerpt = text[line_start..line_end].trim_end_matches('\r');
    Location::File {
        path: path.to_owned(),
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        marked: start - line_start..end.min(line_start + excerpt.len()).max(start) - line_start,
        excerpt: excerpt.to_owned(),
    }
}

/// Moves back to the start of a character.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
