//! Findings about a plan's text, and how they are shown.

use std::ops::Range;

pub use crate::base::excerpt::Severity;
use crate::base::excerpt::{self, Excerpt};
use crate::plan::Source;
use crate::plan::span::line_bounds;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What a finding is about; the name is stable.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The name of it, in kebab case.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }
        }
    };
}

codes! {
    /// The text is no TOML or no JSON.
    Syntax => "syntax",
    /// The text is over 16 MiB.
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
    /// A tag with characters it cannot have.
    BadTag => "bad-tag",
    /// A task or the plan has no title.
    EmptyTitle => "empty-title",
    /// A dependency names no task.
    UnknownDependency => "unknown-dependency",
    /// A task depends on itself.
    SelfDependency => "self-dependency",
    /// Tasks wait for each other.
    Cycle => "cycle",
    /// There is no such field.
    UnknownField => "unknown-field",
    /// A field is given twice.
    DuplicateField => "duplicate-field",
    /// A line among the fields is no field.
    NotAField => "not-a-field",
    /// Fields that stand outside of any task.
    StrayField => "stray-field",
    /// There is no such worker.
    UnknownWorker => "unknown-worker",
    /// A shell command, and a worker that is not the shell.
    RunWithWorker => "run-with-worker",
    /// No duration, or not a sensible one.
    BadDuration => "bad-duration",
    /// No glob.
    BadGlob => "bad-glob",
    /// A path that leaves the repository.
    PathOutside => "path-outside",
    /// A value of the wrong kind.
    BadValue => "bad-value",
    /// The file of the prompt cannot be read.
    PromptFile => "prompt-file",
    /// Two prompts.
    PromptTwice => "prompt-twice",
    /// Two tasks that may run at the same time declare the same files.
    OverlappingFiles => "overlapping-files",
    /// Words that look like a dependency and are none.
    UnreadDependency => "unread-dependency",
    /// A dependent task with nothing to wait for.
    NothingToWaitFor => "nothing-to-wait-for",
    /// What looks like fields stands below the prompt.
    FieldsAfterPrompt => "fields-after-prompt",
    /// Indented text that belongs to no task.
    StrayText => "stray-text",
    /// A line that looks like a task and is none.
    NotATask => "not-a-task",
    /// A value in backticks, which are taken as part of it.
    Backticks => "backticks",
    /// Not everything was looked at or is shown.
    Incomplete => "incomplete",
}

/// A finding about a plan's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub code: Code,
    /// What is wrong, in one line of lower case without a period.
    pub message: String,
    /// The bytes of the source it is about.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What to do next.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Whether there is no plan because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Shows findings as compilers do: what, where, the line itself, what to do.
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
