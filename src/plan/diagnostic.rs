//! Diagnostics about a plan's text, and their rendering.

use std::ops::Range;

pub use crate::base::excerpt::Severity;
use crate::base::excerpt::{self, Excerpt};
use crate::base::text::plural;
use crate::model::ids::TaskNumber;
use crate::plan::Source;
use crate::plan::span::line_bounds;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The code of a diagnostic; its name is stable.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// Returns the name, in kebab case.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }
        }
    };
}

codes! {
    /// Invalid TOML or JSON.
    Syntax => "syntax",
    /// The text is larger than 4 MiB.
    TooLarge => "too-large",
    /// There are more than 10,000 tasks.
    TooManyTasks => "too-many-tasks",
    /// There is no task.
    NoTask => "no-task",
    /// Two tasks have the same number.
    DuplicateNumber => "duplicate-number",
    /// A number is left out.
    MissingNumber => "missing-number",
    /// Two tasks have the same tag.
    DuplicateTag => "duplicate-tag",
    /// A tag has invalid characters.
    BadTag => "bad-tag",
    /// A task or the plan has no title.
    EmptyTitle => "empty-title",
    /// A dependency does not exist.
    UnknownDependency => "unknown-dependency",
    /// A task depends on itself.
    SelfDependency => "self-dependency",
    /// Tasks form a dependency cycle.
    Cycle => "cycle",
    /// A field does not exist.
    UnknownField => "unknown-field",
    /// A field is given twice.
    DuplicateField => "duplicate-field",
    /// An item among the fields is not a field.
    NotAField => "not-a-field",
    /// Fields outside any task.
    StrayField => "stray-field",
    /// A worker does not exist.
    UnknownWorker => "unknown-worker",
    /// A task has a shell command and a worker other than the shell.
    RunWithWorker => "run-with-worker",
    /// Invalid duration.
    BadDuration => "bad-duration",
    /// Invalid glob.
    BadGlob => "bad-glob",
    /// A path that leaves the repository.
    PathOutside => "path-outside",
    /// A value of the wrong kind.
    BadValue => "bad-value",
    /// A command or a name with a character that is not seen.
    Hidden => "hidden-character",
    /// The file of the prompt cannot be read.
    PromptFile => "prompt-file",
    /// A task has two prompts.
    PromptTwice => "prompt-twice",
    /// Two tasks that may run at the same time declare the same files.
    OverlappingFiles => "overlapping-files",
    /// Text that looks like a dependency but is not parsed as one.
    UnreadDependency => "unread-dependency",
    /// A dependent task without dependencies.
    NothingToWaitFor => "nothing-to-wait-for",
    /// Text below the prompt that looks like fields.
    FieldsAfterPrompt => "fields-after-prompt",
    /// Indented text outside any task.
    StrayText => "stray-text",
    /// A line that looks like a task and is none.
    NotATask => "not-a-task",
    /// A value in backticks, which are part of it.
    Backticks => "backticks",
    /// The diagnostics are incomplete.
    Incomplete => "incomplete",
}

/// Renders the beginning of the warning that two tasks declare the same files.
pub(super) fn overlap_words(first: u64, second: u64) -> String {
    format!("tasks #{first} and #{second} may run at the same time and ")
}

/// A diagnostic about a plan's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The severity.
    pub severity: Severity,
    /// The code.
    pub code: Code,
    /// The message: one line in lower case without a period.
    pub message: String,
    /// The byte range in the source.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The hint.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Returns `true` if it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Returns `true` if it warns that these tasks declare the same files.
    pub fn is_overlap_of(&self, first: TaskNumber, second: TaskNumber) -> bool {
        let is_overlap = self.code == Code::OverlappingFiles;
        is_overlap
            && self
                .message
                .starts_with(&overlap_words(first.0.into(), second.0.into()))
    }
}

/// Renders diagnostics like a compiler: message, position, source line, hint.
///
/// ```text
/// error: unknown field `chek`
///   --> plan.md:12:6
///    |
/// 12 |    - chek: npm test
///    |      ^^^^
/// hint: did you mean `check`?
/// ```
pub fn render_diagnostics(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let shown: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| render_one(source, diagnostic))
        .collect();
    shown.join("\n")
}

fn render_one(source: &Source, diagnostic: &Diagnostic) -> String {
    let span = &diagnostic.span;
    let (start, end) = line_bounds(&source.text, span.start);
    let at = Excerpt {
        file: &source.name,
        line: diagnostic.line,
        column: diagnostic.column,
        text: &source.text[start..end],
        marked: span.start - start..span.end.clamp(span.start, end) - start,
    };
    excerpt::render(
        diagnostic.severity,
        &diagnostic.message,
        &at,
        diagnostic.hint.as_deref(),
    )
}

/// Renders `2 errors, 1 warning`; empty without diagnostics.
pub fn render_counts(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|found| found.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let counts = [(errors, "error"), (warnings, "warning")];
    let shown = counts.iter().filter(|(count, _)| *count > 0);
    let shown: Vec<_> = shown.map(|(count, noun)| plural(*count, noun)).collect();
    shown.join(", ")
}
