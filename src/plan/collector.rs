//! Collects diagnostics during parsing; byte positions become lines at the end.

use crate::base::text::{clip, did_you_mean, one_line, terminal_safe};
use crate::plan::diagnostic::{Code, Diagnostic, Severity};
use crate::plan::other_words::meant_by;
use crate::plan::span::{At, Span, line_bounds};

/// A diagnostic without line and column.
#[derive(Clone, Debug)]
pub(super) struct RawDiagnostic {
    severity: Severity,
    code: Code,
    message: String,
    span: Span,
    hint: Option<String>,
}

impl RawDiagnostic {
    /// Creates an error.
    pub(super) fn error(code: Code, span: Span, message: impl Into<String>) -> RawDiagnostic {
        RawDiagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// Creates a warning.
    pub(super) fn warning(code: Code, span: Span, message: impl Into<String>) -> RawDiagnostic {
        let severity = Severity::Warning;
        RawDiagnostic {
            severity,
            ..RawDiagnostic::error(code, span, message)
        }
    }

    /// Adds a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> RawDiagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Creates an error about an unknown key.
    pub(super) fn unknown_field(key: &At<String>, known: &[&str]) -> RawDiagnostic {
        let message = format!("unknown field {}", quoted(&key.value));
        let other = meant_by(&key.value).filter(|field| known.contains(field));
        let near = other.or_else(|| did_you_mean(&key.value, known.iter().copied()));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known fields: {}", known.join(", ")),
        };
        RawDiagnostic::error(Code::UnknownField, key.span.clone(), message).hint(hint)
    }

    /// Creates an error about a repeated key.
    pub(super) fn duplicate_field(key: &At<String>) -> RawDiagnostic {
        let message = format!("the field {} is given twice", quoted(&key.value));
        RawDiagnostic::error(Code::DuplicateField, key.span.clone(), message)
    }
}

/// The diagnostics of one plan, up to a limit for each severity.
#[derive(Debug, Default)]
pub(super) struct Collector {
    list: Vec<RawDiagnostic>,
    errors: usize,
    warnings: usize,
}

impl Collector {
    /// The maximum number of errors, and of warnings.
    pub(super) const LIMIT: usize = 100;

    /// Takes one more.
    pub(super) fn add(&mut self, finding: RawDiagnostic) {
        let count = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= Collector::LIMIT {
            self.list.push(finding);
        }
    }

    /// Returns the number of errors, including those over the limit.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Returns `true` if further errors are dropped, so that their hints need not be computed.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= Collector::LIMIT
    }

    /// Returns the diagnostics in the order of the text, with lines and columns.
    pub(super) fn finish(mut self, text: &str) -> Vec<Diagnostic> {
        self.list.sort_by_key(|finding| finding.span.start);
        for (count, severity) in [
            (self.errors, Severity::Error),
            (self.warnings, Severity::Warning),
        ] {
            if let Some(more) = count.checked_sub(Collector::LIMIT).filter(|more| *more > 0) {
                let message = format!("{more} more not shown");
                let end = text.len()..text.len();
                let finding = RawDiagnostic::error(Code::Incomplete, end, message);
                self.list.push(RawDiagnostic {
                    severity,
                    ..finding
                });
            }
        }
        let mut places = Places::new(text);
        let list = self.list.into_iter();
        list.map(|finding| places.diagnostic(finding)).collect()
    }
}

/// Counts lines once, for diagnostics in ascending order.
struct Places<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        let (at, line) = (0, 1);
        Places { text, at, line }
    }

    fn diagnostic(&mut self, finding: RawDiagnostic) -> Diagnostic {
        let start = floor(self.text, finding.span.start);
        let end = floor(self.text, finding.span.end).max(start);
        let passed = &self.text.as_bytes()[self.at..start];
        let newline = |(i, byte): (usize, &u8)| match byte {
            b'\n' => true,
            b'\r' => self.text.as_bytes().get(self.at + i + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += passed.iter().enumerate().filter(|p| newline(*p)).count();
        self.at = start;
        let (line_start, _) = line_bounds(self.text, start);
        Diagnostic {
            severity: finding.severity,
            code: finding.code,
            message: finding.message,
            line: self.line,
            column: self.text[line_start..start].chars().count() + 1,
            span: start..end,
            hint: finding.hint,
        }
    }
}

/// Returns the nearest character boundary at or before a position.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// Quotes the author's text in a message: one short, safe line.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", clip(&one_line(&terminal_safe(text)), 60))
}
