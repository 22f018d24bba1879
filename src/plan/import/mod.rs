//! Imports tasks from the files of other tools, and marks finished ones there.
//!
//! Every format is read into the same items with their positions in the text; one conversion makes a
//! plan of them, and one replacement marks items as finished. Each item has an id that the same text
//! always gives it, and the field `source` of a task keeps it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::model::plan::Plan;

mod beads;
mod check_list;
mod convert;
mod github;
mod json;
mod kiro;
mod markdown;
mod openspec;
mod sequence;
pub mod source;
mod spec_kit;
mod task_file;
mod task_master;
#[cfg(test)]
mod tests;
pub mod tick;

use source::TaskSource;

/// A format of tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportFormat {
    /// `tasks.md` of spec-kit.
    SpecKit,
    /// `tasks.json` of task-master.
    TaskMaster,
    /// `tasks.md` of Kiro.
    Kiro,
    /// `tasks.md` of OpenSpec.
    OpenSpec,
    /// Issues of beads, one JSON object a line.
    Beads,
    /// Any check list in Markdown.
    CheckList,
    /// Issues on GitHub, as `gh issue list --json` prints them.
    Github,
}

impl ImportFormat {
    /// Every format.
    pub const ALL: [ImportFormat; 7] = [
        ImportFormat::SpecKit,
        ImportFormat::TaskMaster,
        ImportFormat::Kiro,
        ImportFormat::OpenSpec,
        ImportFormat::Beads,
        ImportFormat::CheckList,
        ImportFormat::Github,
    ];

    /// Returns the name on the command line and in `source`.
    pub fn name(self) -> &'static str {
        match self {
            ImportFormat::SpecKit => "spec-kit",
            ImportFormat::TaskMaster => "task-master",
            ImportFormat::Kiro => "kiro",
            ImportFormat::OpenSpec => "openspec",
            ImportFormat::Beads => "beads",
            ImportFormat::CheckList => "checklist",
            ImportFormat::Github => "github",
        }
    }

    /// Finds the format of this name.
    pub fn named(name: &str) -> Option<ImportFormat> {
        ImportFormat::ALL
            .into_iter()
            .find(|format| format.name() == name)
    }
}

/// Something that a plan cannot hold, or that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The line in the text, from 1; 0 for the text as a whole.
    pub line: usize,
    /// One sentence without a period.
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

/// An imported plan.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The plan.
    pub plan: Plan,
    /// Everything that was not carried over, in the order of the text.
    pub notes: Vec<Note>,
}

/// The reason why nothing could be imported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// Invalid JSON.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The parser's message.
        message: String,
    },
    /// There is no item.
    #[error("there is no task in it")]
    NoItems,
    /// Every item is done or left out.
    #[error("every task in it is done or left out")]
    NothingOpen,
    /// The list to import does not exist.
    #[error("there is no list {name:?} in it; it has {}", known.join(", "))]
    NoList {
        /// The name.
        name: String,
        /// The names of the lists.
        known: Vec<String>,
    },
    /// The items depend on each other in a circle.
    #[error("dependency cycle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

/// The state of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    Done,
    /// Left out on purpose, for this reason: `cancelled`.
    Dropped(&'static str),
}

/// A place in the text that says whether an item is finished.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mark {
    /// The bytes to replace.
    span: Range<usize>,
    /// The bytes of a finished item.
    done: &'static str,
}

/// An item of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    /// The id, unique in the text.
    id: String,
    /// The line, from 1.
    line: usize,
    title: String,
    prompt: String,
    state: State,
    depends_on: Vec<String>,
    files: Vec<String>,
    check: Vec<String>,
    priority: i32,
    /// The item it is a part of, by its place in the list.
    parent: Option<usize>,
    mark: Option<Mark>,
}

impl Item {
    fn new(id: impl Into<String>, line: usize, title: impl Into<String>) -> Item {
        Item {
            id: id.into(),
            line,
            title: title.into(),
            prompt: String::new(),
            state: State::Open,
            depends_on: Vec::new(),
            files: Vec::new(),
            check: Vec::new(),
            priority: 0,
            parent: None,
            mark: None,
        }
    }
}

/// The items of a text.
#[derive(Clone, Debug, Default)]
struct Document {
    title: Option<String>,
    /// A sentence for every worker about documents beside the text.
    context: Vec<String>,
    items: Vec<Item>,
    notes: Vec<Note>,
}

impl Document {
    fn note(&mut self, line: usize, what: impl Into<String>) {
        let what = what.into();
        self.notes.push(Note { line, what });
    }
}

/// Imports a text. `name` is its path or its title in messages and in the field `source`; `list` is
/// the list of a file with several.
///
/// # Errors
/// When the text cannot be read, or no open task is in it.
pub fn import(
    format: ImportFormat,
    name: &str,
    text: &str,
    list: Option<&str>,
) -> Result<Imported, ImportError> {
    let mut document = read(format, name, text, list)?;
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    document.title = document.title.or(stem.map(str::to_owned));
    let source = |item: &Item| TaskSource {
        format,
        file: name.to_owned(),
        id: match list {
            Some(list) => format!("{list}/{}", item.id),
            None => item.id.clone(),
        },
    };
    convert::convert(document, &source)
}

fn read(
    format: ImportFormat,
    name: &str,
    text: &str,
    list: Option<&str>,
) -> Result<Document, ImportError> {
    match format {
        ImportFormat::SpecKit => Ok(spec_kit::read(name, text)),
        ImportFormat::TaskMaster => task_master::read(text, list),
        ImportFormat::Kiro => Ok(kiro::read(name, text)),
        ImportFormat::OpenSpec => Ok(openspec::read(name, text)),
        ImportFormat::Beads => beads::read(text),
        ImportFormat::CheckList => Ok(check_list::read(text)),
        ImportFormat::Github => github::read(text),
    }
}
