//! Findings about a plan's text, and how they are shown.

use std::fmt::Write;
use std::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::text::{clip, one_line, terminal_safe};
use crate::plan::Source;
use crate::plan::span::{Span, line_bounds};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// There is no plan.
    Error,
    /// There is a plan, but perhaps not the one that was meant.
    Warning,
}

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
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let (line, column) = (diagnostic.line, diagnostic.column);
    let excerpt = Excerpt::of(&source.text, &diagnostic.span);
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let mut out = format!("{word}: {}\n", diagnostic.message);
    let name = one_line(&terminal_safe(&source.name));
    let _ = writeln!(out, "{margin} --> {name}:{line}:{column}");
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{}", format!("{number} | {}", excerpt.text).trim_end());
    let carets = format!(
        "{}{}",
        " ".repeat(excerpt.before),
        "^".repeat(excerpt.width)
    );
    let _ = writeln!(out, "{margin} | {carets}");
    if let Some(hint) = &diagnostic.hint {
        let _ = writeln!(out, "hint: {hint}");
    }
    out
}

/// The part of a line that is shown, and where the carets go.
struct Excerpt {
    text: String,
    before: usize,
    width: usize,
}

impl Excerpt {
    const WIDTH: usize = 100;
    const LEAD: usize = 30;

    fn of(text: &str, span: &Span) -> Excerpt {
        let (start, end) = line_bounds(text, span.start);
        let prefix = &text[start..span.start];
        let marked = &text[span.start..span.end.clamp(span.start, end)];
        // A line without end (minified JSON) is cut on both sides of the finding.
        let cut = match prefix.chars().count() {
            long if long > Excerpt::WIDTH - Excerpt::LEAD => long - Excerpt::LEAD,
            _ => 0,
        };
        let dots = if cut > 0 { "…" } else { "" };
        let lead = visible(&prefix.chars().skip(cut).collect::<String>());
        let rest: String = text[span.start..end].chars().take(Excerpt::WIDTH).collect();
        let tail = clip(&visible(&rest), Excerpt::WIDTH - Excerpt::LEAD);
        let marked: String = marked.chars().take(Excerpt::WIDTH).collect();
        let width = visible(&marked).trim_end().width();
        Excerpt {
            before: dots.width() + lead.width(),
            width: width.clamp(1, tail.width().max(1)),
            text: format!("{dots}{lead}{tail}"),
        }
    }
}

/// A tab has no width of its own and an invisible character none at all: both would move the
/// carets away from what they point at.
fn visible(text: &str) -> String {
    terminal_safe(text)
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.width().is_none() => ' ',
            c => c,
        })
        .collect()
}
