//! Lines of panes: parts of text with their meaning instead of colours.

use unicode_width::UnicodeWidthChar as _;

use crate::base::safe::terminal_safe;

/// The meaning of a part of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mark {
    #[default]
    Plain,
    Heading,
    Faint,
    Added,
    Removed,
    /// A word that only the new version of a line has.
    AddedWord,
    /// A word that only the old version of a line has.
    RemovedWord,
}

/// A part of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// A line of a pane.
pub(super) type Line = Vec<Piece>;

/// Makes a safe part of a line. Tabs become spaces.
pub(super) fn piece(text: &str, mark: Mark) -> Piece {
    Piece {
        text: terminal_safe(&text.replace('\t', "    ")),
        mark,
    }
}

/// Breaks a line, between words where they are not too long.
pub(super) fn wrap(line: &Line, columns: usize) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    let mut used = 0;
    for part in line {
        let mut rest = part.text.as_str();
        // Each round looks at what fits only: a line may be a million characters long.
        let used_by_rest = loop {
            let (mut head, fits) = split(rest, columns - used);
            if head.len() == rest.len() && used + fits <= columns {
                break fits;
            }
            // A word that began in an earlier part of the line is broken.
            if let (true, Some(space)) = (fits > columns / 2, head.rfind(' ')) {
                head = &rest[..=space];
            }
            push(&mut lines, head, part.mark);
            lines.push(Line::new());
            rest = &rest[head.len()..];
            used = 0;
        };
        push(&mut lines, rest, part.mark);
        used += used_by_rest;
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
