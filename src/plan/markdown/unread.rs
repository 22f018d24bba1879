//! Lines that look like a task and are none: they would be dropped, or become part of a title or a
//! prompt, without a word.

use crate::plan::collector::RawDiagnostic;
use crate::plan::diagnostic::Code;
use crate::plan::markdown::blocks::{Block, Kind};
use crate::plan::markdown::headline;
use crate::plan::markdown::raw::{line_end, line_start, marker, next_line, trimmed};
use crate::plan::normal::indent_of;
use crate::plan::span::Span;

/// A word after a number that needs no tag to look like a task is at least this long: `1.5` and
/// `3.x` are none.
const SHORTEST_WORD: usize = 2;

/// Returns the lines of a block outside of any task that look like a task.
pub(super) fn outside(text: &str, block: &Block) -> Vec<Span> {
    match block.kind {
        Kind::Bullets => {
            let first_line = |item: &Block| {
                let content = marker(text, &item.span).content;
                trimmed(text, item.span.start..line_end(text, content))
            };
            let lines = block.children.iter().map(first_line);
            lines.filter(|line| is_task(&text[line.clone()])).collect()
        }
        Kind::Text | Kind::Heading(_) => {
            let lines = lines(text, block.span.clone());
            lines.filter(|line| is_task(&text[line.clone()])).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the lines that look like a task, but continue the text of this item: Markdown takes a line
/// without a list marker as part of the paragraph above it.
pub(super) fn inside(text: &str, item: &Block) -> Vec<Span> {
    let column = marker(text, &item.span).column;
    let is_outdented = |line: &Span| {
        let start = line_start(text, line.start);
        indent_of(&text[start..line.end]) < column
    };
    let lines = lines(text, item.span.clone()).skip(1);
    lines
        .filter(|line| is_outdented(line) && is_task(&text[line.clone()]))
        .collect()
}

/// Warns about such a line.
pub(super) fn warning(text: &str, line: Span) -> RawDiagnostic {
    let words = &text[line.clone()];
    let hint = match bare(words) {
        (Marker::Number, rest) if !words.starts_with('#') && !rest.starts_with(' ') => {
            "a task has a space between its number and its title: `1. [TAG] Title`"
        }
        _ => "a task begins with its number at the start of a line: `1. [TAG] Title`",
    };
    let message = "this looks like a task, but is not a numbered item";
    RawDiagnostic::warning(Code::NotATask, line, message).hint(hint)
}

fn lines(text: &str, span: Span) -> impl Iterator<Item = Span> {
    let mut at = span.start;
    std::iter::from_fn(move || {
        (at < span.end).then(|| {
            let line = trimmed(text, at..line_end(text, at).min(span.end));
            at = next_line(text, at);
            line
        })
    })
    .filter(|line| !line.is_empty())
}

/// The characters that a line begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Marker {
    None,
    Bullet,
    Number,
}

/// Returns `true` for `[TAG] Title`, `* [TAG] Title`, `2.[TAG] Title`, `2.Title`, `* Title — Worker 1`.
fn is_task(line: &str) -> bool {
    let (marker, rest) = bare(line);
    let words = rest.trim_start();
    let headline = headline::parse(words, 0..words.len());
    let has_tag = words.starts_with('[') && headline.title.span.start > 0;
    let is_glued = words.len() == rest.len() && words.starts_with(char::is_alphabetic);
    let first = words.split(|c: char| !c.is_alphanumeric()).next();
    let is_word = first.is_some_and(|word| word.chars().count() >= SHORTEST_WORD);
    // A line that begins with a bracket may define a link.
    let is_link = marker == Marker::None && words.contains("]:");
    match marker {
        _ if headline.title.value.is_empty() || is_link => false,
        _ if has_tag || headline.has_suffix() => true,
        Marker::Number => is_glued && is_word,
        Marker::Bullet | Marker::None => false,
    }
}

/// Removes the marks of a heading, a bullet and a number, in this order.
fn bare(line: &str) -> (Marker, &str) {
    let words = line.trim_start_matches('#').trim_start();
    let (marker, words) = match words.strip_prefix(['-', '*', '+', '•']) {
        Some(rest) if rest.starts_with([' ', '\t']) => (Marker::Bullet, rest.trim_start()),
        _ => (Marker::None, words),
    };
    let rest = words.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = words.len() - rest.len();
    match rest.strip_prefix(['.', ')', ':']) {
        Some(rest) if (1..=9).contains(&digits) => (Marker::Number, rest),
        _ => (marker, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_its_number_is_told_from_prose() {
        let tasks = [
            "* [B] two",
            "- [ ] two",
            "[B] two",
            "2.[B] two",
            "2)Build",
            "## 2. [B] two",
            "* two — blocked by #1",
            "* Build — Worker 2",
        ];
        for line in tasks {
            assert!(is_task(line), "{line}");
        }
        let prose = [
            "* two",
            "- [link](https://example.com) to it",
            "[link]: https://example.com",
            "1.5 percent",
            "3.x is old",
            "2: see above",
            "## 2. Build",
            "Build — see above",
            "[B]",
            "",
        ];
        for line in prose {
            assert!(!is_task(line), "{line}");
        }
    }
}
