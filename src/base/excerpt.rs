//! Renders a message about a place in a text file, in the form that compilers use.
//!
//! `annotate-snippets` draws the line, the margin and the carets. This module only bounds the line:
//! minified JSON is one line of megabytes, and the crate would measure all of it for every message.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::base::text::{one_line, terminal_safe};

/// The most characters of a line that are shown before the marked part, and from its start on.
const BEFORE: usize = 60;
const AFTER: usize = 100;

/// The width that a rendered line is trimmed to, in columns.
const WIDTH: usize = 120;

/// A part of one line of a text file.
#[derive(Clone, Debug)]
pub struct Excerpt<'a> {
    /// The name of the file, as the user knows it.
    pub file: &'a str,
    /// The number of the line, from 1.
    pub line: usize,
    /// The column of the marked part in characters, from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub text: &'a str,
    /// The bytes of the line that the message is about.
    pub marked: Range<usize>,
}

/// The severity of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Nothing can be done with the text.
    Error,
    /// The text can be used, but may not mean what its author intended.
    Warning,
}

/// Renders a message, its place, the line with carets below the marked part, and a hint.
///
/// ```text
/// error: unknown field `chek`
///   --> plan.md:12:6
///    |
/// 12 |    - chek: npm test
///    |      ^^^^
/// hint: did you mean `check`?
/// ```
pub fn render(severity: Severity, message: &str, at: &Excerpt<'_>, hint: Option<&str>) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = terminal_safe(message);
    let file = one_line(&terminal_safe(at.file));
    let (text, marked) = bounded(at);
    let is_cut = text.len() != at.text.len();
    let snippet = Snippet::source(text)
        .line_start(at.line)
        .annotation(AnnotationKind::Primary.span(marked));
    let group = Group::with_title(level.primary_title(message));
    let group = if is_cut {
        // The crate would count the column from where the line was cut.
        let origin = Origin::path(file).line(at.line).char_column(at.column);
        group.element(origin).element(snippet)
    } else {
        group.element(snippet.path(file))
    };
    let drawn = Renderer::plain().term_width(WIDTH).render(&[group]);
    // The crate draws an empty origin of a snippet that has no file of its own.
    let lines = drawn.lines().filter(|line| line.trim() != ":::");
    let mut shown: String = lines.map(|line| format!("{}\n", line.trim_end())).collect();
    if let Some(hint) = hint {
        shown += &format!("hint: {}\n", terminal_safe(hint));
    }
    shown
}

/// Cuts a long line on both sides of the marked part; `…` stands for what is cut.
fn bounded(at: &Excerpt<'_>) -> (String, Range<usize>) {
    // A span may begin at the line's end, which is not part of the text.
    let (before, rest) = at.text.split_at(at.marked.start.min(at.text.len()));
    let cut = before.char_indices().rev().nth(BEFORE);
    let mut text = match cut {
        Some((start, _)) => format!("…{}", &before[start..]),
        None => before.to_owned(),
    };
    let start = text.len();
    let end = rest
        .char_indices()
        .nth(AFTER)
        .map_or(rest.len(), |(end, _)| end);
    text += &rest[..end];
    if end < rest.len() {
        text.push('…');
    }
    let length = at.marked.len().min(end).max(usize::from(end > 0));
    let marked = &rest[..ceil_boundary(rest, length)];
    let marked = marked.trim_end().len().max(marked.len().min(1));
    (text, start..start + ceil_boundary(rest, marked))
}

/// Moves forward to the end of a character.
fn ceil_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, marked: Range<usize>) -> String {
        let column = text[..marked.start].chars().count() + 1;
        let at = Excerpt {
            file: "plan.md",
            line: 12,
            column,
            text,
            marked,
        };
        render(Severity::Error, "unknown field", &at, Some("remove it"))
    }

    #[test]
    fn carets_stand_below_what_is_meant_whatever_stands_before_it() {
        insta::assert_snapshot!(shown("- chek: npm test", 2..6), @r"
        error: unknown field
          --> plan.md:12:3
           |
        12 | - chek: npm test
           |   ^^^^
        hint: remove it
        ");
        insta::assert_snapshot!(shown("\tchek: 1", 1..5), @r"
        error: unknown field
          --> plan.md:12:2
           |
        12 |     chek: 1
           |     ^^^^
        hint: remove it
        ");
        insta::assert_snapshot!(shown("日本語 chek: 1", 10..14), @r"
        error: unknown field
          --> plan.md:12:5
           |
        12 | 日本語 chek: 1
           |        ^^^^
        hint: remove it
        ");
        insta::assert_snapshot!(shown("a\u{1b}[31mb\u{202e}chek", 10..14), @r"
        error: unknown field
          --> plan.md:12:9
           |
        12 | a␛[31mb�chek
           |         ^^^^
        hint: remove it
        ");
        insta::assert_snapshot!(shown("", 0..0), @r"
        error: unknown field
          --> plan.md:12:1
           |
        12 |
           | ^
        hint: remove it
        ");
        insta::assert_snapshot!(shown("title:", 6..6), @r"
        error: unknown field
          --> plan.md:12:7
           |
        12 | title:
           |       ^
        hint: remove it
        ");
    }

    #[test]
    fn a_line_of_megabytes_is_cut_on_both_sides() {
        let line = format!("{}chek{}", "ä".repeat(1 << 20), "x".repeat(1 << 20));
        insta::assert_snapshot!(shown(&line, 2 << 20..(2 << 20) + 4), @r"
        error: unknown field
          --> plan.md:12:1048577
           |
        12 | …ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääächekxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
           |                                                               ^^^^
        hint: remove it
        ");
    }
}
