//! What is wrong with a setting, where it was written, and what to do about it.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::base::text::{clip, terminal_safe};

/// Something wrong with a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigProblem {
    /// Where it was written.
    pub place: Place,
    /// What is wrong, in one line without a period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where a setting was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// How many characters are meant, at least 1.
        width: usize,
        /// The whole line.
        excerpt: String,
    },
    /// In the environment, under this name.
    Variable(String),
    /// On the command line, with this flag.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File {
                path, line, column, ..
            } => write!(f, "{}:{line}:{column}", path.display()),
            Place::Variable(name) => write!(f, "the variable {name}"),
            Place::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The problem in one line, without excerpt and hint.
impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, terminal_safe(&self.message))
    }
}

impl ConfigProblem {
    /// The problem as people read it: place and message, the line with a caret below, the hint.
    pub fn render(&self) -> String {
        let mut text = format!("{self}\n");
        if let Place::File {
            line,
            column,
            width,
            excerpt,
            ..
        } = &self.place
        {
            let _ = writeln!(text, "{}", underlined(*line, *column, *width, excerpt));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  hint: {}", terminal_safe(hint));
        }
        text
    }
}

fn underlined(line: usize, column: usize, width: usize, excerpt: &str) -> String {
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let shown = clip(&terminal_safe(&excerpt.replace('\t', " ")), 160);
    let room = shown.chars().count().saturating_sub(column - 1).max(1);
    let caret = " ".repeat(column - 1) + &"^".repeat(width.min(room));
    format!("  {number} | {shown}\n  {gutter} | {caret}")
}

/// The place of a range of bytes in a file's text.
pub(super) fn place_in(path: &Path, text: &str, span: &Range<usize>) -> Place {
    let start = boundary(text, span.start);
    let end = boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let excerpt = text[line_start..line_end].trim_end_matches('\r');
    Place::File {
        path: path.to_owned(),
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        width: text[start..end.min(line_end)].chars().count().max(1),
        excerpt: excerpt.to_owned(),
    }
}

/// The nearest place at or before `at` that is no middle of a character.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
