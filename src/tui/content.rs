//! The text of a pane, with the meaning of its parts instead of colours.

use std::cell::RefCell;
use std::sync::Arc;

use crate::base::ansi::strip_escapes;
use crate::model::ids::TaskNumber;
use crate::report::pair::PairView;
use crate::tui::line::{Line, Mark, piece, wrap};
use crate::tui::pair_text::pair_lines;

/// A text that has to be read from the repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// The log of the shown attempt of a task.
    Log(TaskNumber),
    /// The changes of a task, word by word.
    Diff(TaskNumber),
    /// The prompt of a task's last attempt.
    Prompt(TaskNumber),
    /// The conflict between two tasks.
    Pair(TaskNumber, TaskNumber),
}

/// The text of a pane; nothing in it can change the terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Lines.
    Lines(Vec<Line>),
    /// A pair of tasks, whose lines depend on the width.
    Pair(Box<PairView>),
}

impl Content {
    /// Makes lines of plain text; escape sequences of programs are dropped.
    pub(super) fn plain(text: &str) -> Content {
        let text = strip_escapes(text);
        // A progress bar rewrites its line: the last state counts.
        let line = |line: &str| {
            let line = line.trim_end_matches('\r');
            vec![piece(line.rsplit('\r').next().unwrap_or(line), Mark::Plain)]
        };
        Content::Lines(text.lines().map(line).collect())
    }

    /// Makes lines of a remark.
    pub(super) fn remark(text: &str) -> Content {
        let lines = text.lines().map(|line| vec![piece(line, Mark::Faint)]);
        Content::Lines(lines.collect())
    }

    /// Returns `true` if there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Content::Lines(lines) if lines.is_empty())
    }

    /// Adds lines of a remark at one end.
    #[must_use]
    pub(super) fn with_remark(self, text: &str, is_first: bool) -> Content {
        match (self, Content::remark(text)) {
            (Content::Lines(lines), Content::Lines(remark)) if is_first => {
                Content::Lines([remark, lines].concat())
            }
            (Content::Lines(lines), Content::Lines(remark)) => {
                Content::Lines([lines, remark].concat())
            }
            (other, _) => other,
        }
    }

    /// Returns the lines, broken at this many columns.
    pub(super) fn wrapped(&self, columns: usize) -> Vec<Line> {
        let columns = columns.max(1);
        match self {
            Content::Lines(lines) => lines.iter().flat_map(|line| wrap(line, columns)).collect(),
            Content::Pair(view) => pair_lines(view, columns),
        }
    }
}

/// A text that was loaded, with its lines for one width, so that a long one is not broken again for
/// every frame.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Loaded {
    /// The name of the text.
    pub(super) of: Wanted,
    content: Content,
    wrapped: RefCell<Option<(usize, Arc<Vec<Line>>)>>,
}

impl Loaded {
    /// Takes a text.
    pub(super) fn new(of: Wanted, content: Content) -> Loaded {
        Loaded {
            of,
            content,
            wrapped: RefCell::new(None),
        }
    }

    /// Returns the lines, broken at this many columns.
    pub(super) fn lines(&self, columns: usize) -> Arc<Vec<Line>> {
        let mut wrapped = self.wrapped.borrow_mut();
        match wrapped.as_ref() {
            Some((width, lines)) if *width == columns => Arc::clone(lines),
            _ => {
                let lines = Arc::new(self.content.wrapped(columns));
                *wrapped = Some((columns, Arc::clone(&lines)));
                lines
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[Line]) -> String {
        let line = |line: &Line| line.iter().map(|piece| piece.text.as_str()).collect();
        lines.iter().map(line).collect::<Vec<String>>().join("\n")
    }

    #[test]
    fn text_of_others_cannot_change_the_terminal() {
        let content = Content::plain("a\u{1b}[31mred\u{1b}[0m\n10%\r90%\r\n\u{202e}x\ty\u{7}");
        insta::assert_snapshot!(shown(&content.wrapped(80)), @r"
        ared
        90%
        \u{202e}x    y\u{7}
        ");
    }

    #[test]
    fn a_line_of_a_million_characters_is_broken_in_one_pass() {
        let loaded = Loaded::new(
            Wanted::Log(TaskNumber(1)),
            Content::plain(&"x".repeat(1_000_000)),
        );
        let lines = loaded.lines(80);
        assert_eq!(lines.len(), 12_500);
        assert!(
            Arc::ptr_eq(&lines, &loaded.lines(80)),
            "broken once for a width"
        );
        assert_eq!(loaded.lines(100).len(), 10_000);
    }

    #[test]
    fn long_lines_are_broken_by_their_width() {
        let line = vec![piece("ab", Mark::Plain), piece("世界cd", Mark::Added)];
        let content = Content::Lines(vec![line]);
        assert_eq!(shown(&content.wrapped(4)), "ab世\n界cd");
        let content = Content::plain("a word is not broken, averylongone is");
        assert_eq!(
            shown(&content.wrapped(10)),
            "a word is \nnot \nbroken, \naverylongo\nne is"
        );
    }
}
