//! The text of a pane, with the meaning of its parts instead of colours.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::base::ansi::strip_escapes;
use crate::base::safe::terminal_safe;
use crate::model::ids::TaskNumber;

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

/// The meaning of a part of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mark {
    #[default]
    Plain,
    Heading,
    Faint,
    Added,
    Removed,
}

/// A part of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// A line of a pane.
pub(super) type Line = Vec<Piece>;

/// The lines of a pane; nothing in them can change the terminal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    pub(super) lines: Vec<Line>,
}

/// Makes a safe part of a line. Tabs become spaces.
pub(super) fn piece(text: &str, mark: Mark) -> Piece {
    Piece {
        text: terminal_safe(&text.replace('\t', "    ")),
        mark,
    }
}

impl Content {
    /// Makes lines of plain text; escape sequences of programs are dropped.
    pub(super) fn plain(text: &str) -> Content {
        let lines = strip_escapes(text);
        let lines = lines.lines();
        Content {
            // A progress bar rewrites its line: the last state counts.
            lines: lines
                .map(|line| {
                    line.trim_end_matches('\r')
                        .rsplit('\r')
                        .next()
                        .unwrap_or(line)
                })
                .map(|line| vec![piece(line, Mark::Plain)])
                .collect(),
        }
    }

    /// Makes lines of one remark.
    pub(super) fn remark(text: &str) -> Content {
        let lines = text.lines().map(|line| vec![piece(line, Mark::Faint)]);
        Content {
            lines: lines.collect(),
        }
    }

    /// Puts a line above the others.
    #[must_use]
    pub(super) fn below(mut self, text: &str, mark: Mark) -> Content {
        self.lines.insert(0, vec![piece(text, mark)]);
        self
    }

    /// Reads the output of `git diff --word-diff=porcelain`. Changed words keep the marks that git
    /// writes, so that they are readable without colour.
    pub(super) fn word_diff(text: &str) -> Content {
        let mut lines = Vec::new();
        let mut line: Line = Vec::new();
        let mut is_header = true;
        for part in text.split_terminator('\n') {
            let (sign, rest) = part.split_at_checked(1).unwrap_or(("", ""));
            if part.starts_with("diff --git ") {
                is_header = true;
            }
            match sign {
                _ if part.starts_with("@@ ") => {
                    is_header = false;
                    lines.push(vec![piece(part, Mark::Faint)]);
                }
                _ if is_header => lines.extend(header(part)),
                "~" => lines.push(std::mem::take(&mut line)),
                " " => line.push(piece(rest, Mark::Plain)),
                "-" => line.push(piece(&format!("[-{rest}-]"), Mark::Removed)),
                "+" => line.push(piece(&format!("{{+{rest}+}}"), Mark::Added)),
                _ => lines.push(vec![piece(part, Mark::Faint)]),
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        Content { lines }
    }

    /// Breaks the lines at this many columns.
    pub(super) fn wrapped(&self, columns: usize) -> Vec<Line> {
        let lines = self.lines.iter();
        lines.flat_map(|line| wrap(line, columns.max(1))).collect()
    }
}

/// Keeps the lines of a file's header that a reader needs.
fn header(line: &str) -> Option<Line> {
    let is_name = line.starts_with("diff --git ");
    let is_noise = line.starts_with("index ")
        || line.starts_with("--- ")
        || line.starts_with("+++ ")
        || line.is_empty();
    match (is_name, is_noise) {
        (true, _) => {
            let names = line.trim_start_matches("diff --git ");
            Some(vec![piece(path_of(names), Mark::Heading)])
        }
        (_, true) => None,
        _ => Some(vec![piece(line, Mark::Faint)]),
    }
}

/// Returns `P` of `a/P b/P`; both names where they differ.
fn path_of(names: &str) -> &str {
    let half = names.len() / 2;
    let both = names.get(..half).zip(names.get(half + 1..));
    match both.map(|(a, b)| (a.strip_prefix("a/"), b.strip_prefix("b/"))) {
        Some((Some(a), Some(b))) if a == b => a,
        _ => names,
    }
}

/// Breaks a line, between words where they are not too long.
fn wrap(line: &Line, columns: usize) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    let mut used = 0;
    for part in line {
        let mut rest = part.text.as_str();
        while used + rest.width() > columns {
            let (mut head, fits) = split(rest, columns - used);
            // A word that began in an earlier part of the line is broken.
            if let (true, Some(space)) = (fits > columns / 2, head.rfind(' ')) {
                head = &rest[..=space];
            }
            push(&mut lines, head, part.mark);
            lines.push(Line::new());
            rest = &rest[head.len()..];
            used = 0;
        }
        push(&mut lines, rest, part.mark);
        used += rest.width();
    }
    lines
}

/// Returns the beginning of a text that fits into so many columns, and its width. The first character
/// counts as fitting, unless there is no room at all.
fn split(text: &str, columns: usize) -> (&str, usize) {
    let mut width = 0;
    for (at, c) in text.char_indices() {
        let next = width + c.width().unwrap_or(0);
        if next > columns && (at > 0 || columns == 0) {
            return (&text[..at], width);
        }
        width = next;
    }
    (text, width)
}

fn push(lines: &mut [Line], text: &str, mark: Mark) {
    if let (false, Some(line)) = (text.is_empty(), lines.last_mut()) {
        line.push(Piece {
            text: text.to_owned(),
            mark,
        });
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
    fn a_word_diff_is_readable_without_colour() {
        let text = "diff --git a/src/app.rs b/src/app.rs\nindex 1..2 100644\n--- a/src/app.rs\n\
                    +++ b/src/app.rs\n@@ -1,2 +1,2 @@\n let total =\n-a\n+b\n ;\n~\n return total;\n~\n\
                    diff --git a/new b/new\nnew file mode 100644\nBinary files differ\n";
        insta::assert_snapshot!(shown(&Content::word_diff(text).lines), @r"
        src/app.rs
        @@ -1,2 +1,2 @@
        let total =[-a-]{+b+};
        return total;
        new
        new file mode 100644
        Binary files differ
        ");
    }

    #[test]
    fn text_of_others_cannot_change_the_terminal() {
        let content = Content::plain("a\u{1b}[31mred\u{1b}[0m\n10%\r90%\r\n\u{202e}x\ty\u{7}");
        insta::assert_snapshot!(shown(&content.lines), @r"
        ared
        90%
        \u{202e}x    y\u{7}
        ");
    }

    #[test]
    fn long_lines_are_broken_by_their_width() {
        let content = Content {
            lines: vec![vec![piece("ab", Mark::Plain), piece("世界cd", Mark::Added)]],
        };
        assert_eq!(shown(&content.wrapped(4)), "ab世\n界cd");
    }
}
