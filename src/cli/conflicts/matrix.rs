//! The picture of all pairs: one row and one column a branch.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::base::table::clip_to_width;
use crate::base::text::terminal_safe;
use crate::merge::verdict::{PairVerdict, Verdict};

/// Longest branch name that is shown whole.
const NAME_WIDTH: usize = 32;

/// The fewest characters a name is cut to, however narrow the terminal.
const NARROWEST_NAME: usize = 8;

/// How a matrix is drawn.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    /// Columns of the terminal; what does not fit goes below, in a block of its own.
    pub columns: usize,
    /// Gives a mark its colour. What a mark means can be read without.
    pub paint: &'a dyn Fn(char) -> String,
}

/// The pairs as a table of digits: the severity of the worst unit, `!` where git failed, `.` for
/// nothing, `-` for the branch itself. `pairs` names branches by their place in `names`.
pub(super) fn render_matrix(names: &[&str], pairs: &[PairVerdict], look: &Look<'_>) -> String {
    let count = names.len();
    let mut cells = vec!['.'; count * count];
    for pair in pairs {
        let mark = mark(pair);
        cells[pair.a * count + pair.b] = mark;
        cells[pair.b * count + pair.a] = mark;
    }
    for place in 0..count {
        cells[place * count + place] = '-';
    }
    let limit = NAME_WIDTH.min((look.columns / 3).max(NARROWEST_NAME));
    let names: Vec<String> = names
        .iter()
        .map(|name| clip_to_width(&terminal_safe(name), limit))
        .collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let number = count.to_string().len();
    let room = look.columns.saturating_sub(number + width + 2) / (number + 1);
    let mut text = String::new();
    let places: Vec<usize> = (0..count).collect();
    for block in places.chunks(room.max(1)) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{:number$} {:width$} ", "", "");
        for place in block {
            let _ = write!(text, " {:>number$}", place + 1);
        }
        text.push('\n');
        for (row, name) in names.iter().enumerate() {
            let padding = " ".repeat(width - name.width());
            let _ = write!(text, "{:>number$} {name}{padding} ", row + 1);
            for place in block {
                let mark = (look.paint)(cells[row * count + place]);
                let _ = write!(text, " {:1$}{mark}", "", number - 1);
            }
            text.push('\n');
        }
    }
    text.push('\n');
    write_legend(&mut text, look.columns);
    text
}

/// What the marks mean, on as many lines as the terminal needs.
fn write_legend(to: &mut String, columns: usize) {
    let marks = [
        "1 trivial",
        "2 mechanical",
        "3 semantic risk",
        "4 structural",
        "5 blocked",
        "! git failed",
        ". nothing",
    ];
    let mut used = 0;
    for mark in marks {
        match used {
            0 => used = mark.len(),
            _ if used + 2 + mark.len() > columns => {
                to.push('\n');
                used = mark.len();
            }
            _ => {
                to.push_str("  ");
                used += 2 + mark.len();
            }
        }
        to.push_str(mark);
    }
    to.push('\n');
}

fn mark(pair: &PairVerdict) -> char {
    match (pair.verdict, pair.severity) {
        (Verdict::EngineFailure, _) => '!',
        (_, 0) => '.',
        (_, severity) => char::from_digit(u32::from(severity), 10).unwrap_or('?'),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::merge::verdict::Class;

    fn pair(a: usize, b: usize, verdict: Verdict, class: Class) -> PairVerdict {
        PairVerdict {
            a,
            b,
            bases: Vec::new(),
            attributes: None,
            verdict,
            class,
            severity: class.severity(),
            tree: None,
            units: Vec::new(),
            failure: None,
        }
    }

    fn drawn(names: &[&str], pairs: &[PairVerdict], columns: usize) -> String {
        let paint = &|mark: char| mark.to_string();
        render_matrix(names, pairs, &Look { columns, paint })
    }

    #[test]
    fn what_is_wider_than_the_terminal_goes_below() {
        let names: Vec<String> = (1..=11).map(|n| format!("feature/of-today-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pairs = [pair(0, 10, Verdict::Conflict, Class::Content)];
        let text = drawn(&names, &pairs, 32);
        let (picture, _) = text.split_once("\n\n1 trivial").unwrap();
        assert!(picture.lines().all(|line| line.chars().count() <= 32));
        let lines: Vec<&str> = picture.lines().collect();
        insta::assert_snapshot!([lines[0], lines[1], lines[12], lines[13], lines[14]].join("\n"), @"
                        1  2  3  4  5  6
         1 feature/o…   -  .  .  .  .  .

                        7  8  9 10 11
         1 feature/o…   .  .  .  .  3
        ");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_whatever_the_script() {
        let names = ["日本語のとても長いブランチ名前です", "e\u{301}", "x"];
        let pairs = [pair(0, 2, Verdict::Conflict, Class::Content)];
        let text = drawn(&names, &pairs, 40);
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
        let last: Vec<&str> = text.lines().skip(5).collect();
        insta::assert_snapshot!(last.join("\n"), @"
        1 trivial  2 mechanical  3 semantic risk
        4 structural  5 blocked  ! git failed
        . nothing
        ");
    }

    #[test]
    fn every_pair_stands_twice() {
        let pairs = [
            pair(0, 1, Verdict::Conflict, Class::Content),
            pair(0, 2, Verdict::Clean, Class::AutoMerged),
            pair(1, 2, Verdict::EngineFailure, Class::EngineFailure),
        ];
        insta::assert_snapshot!(
            drawn(&["auth", "feature/api", "docs", "x"], &pairs, usize::MAX),
            @"
                       1 2 3 4
        1 auth         - 3 1 .
        2 feature/api  3 - ! .
        3 docs         1 ! - .
        4 x            . . . -

        1 trivial  2 mechanical  3 semantic risk  4 structural  5 blocked  ! git failed  . nothing
        "
        );
    }
}
