//! Renders all pairs as a matrix, one row and one column per branch or task.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::base::table::clip_to_width;
use crate::base::text::terminal_safe;
use crate::merge::verdict::{PairVerdict, Verdict};

/// The longest name that is not clipped.
const NAME_WIDTH: usize = 32;

/// The shortest width of a clipped name, however narrow the terminal.
const NARROWEST_NAME: usize = 8;

/// The style of a matrix.
#[derive(Clone, Copy)]
pub(super) struct MatrixStyle<'a> {
    /// The width of the terminal; further columns go into a block below.
    pub(super) columns: usize,
    /// Colours a mark, which is readable without.
    pub(super) paint: &'a dyn Fn(char) -> String,
}

/// A row of the matrix, and the column with the same number.
pub(super) struct MatrixRow {
    /// The number of the task, or the position of the branch.
    pub(super) number: u32,
    pub(super) name: String,
    /// The index of the branch; `None` for a task without a candidate.
    pub(super) branch: Option<usize>,
}

/// Renders the pairs as digits: the severity of the worst unit, `!` for a failure of git, `.` for
/// nothing, `-` for the branch itself, and `x` for a task without a candidate.
pub(super) fn render_matrix(
    rows: &[MatrixRow],
    pairs: &[PairVerdict],
    style: &MatrixStyle<'_>,
) -> String {
    let cells = Cells::new(rows, pairs);
    let limit = NAME_WIDTH.min((style.columns / 3).max(NARROWEST_NAME));
    let names: Vec<String> = rows
        .iter()
        .map(|row| clip_to_width(&terminal_safe(&row.name), limit))
        .collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let digits = rows.iter().map(|row| row.number.to_string().len());
    let digits = digits.max().unwrap_or(1);
    let room = style.columns.saturating_sub(digits + width + 2) / (digits + 1);
    let mut text = String::new();
    let places: Vec<usize> = (0..rows.len()).collect();
    // Writing to a string cannot fail.
    for block in places.chunks(room.max(1)) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{:digits$} {:width$} ", "", "");
        for column in block {
            let _ = write!(text, " {:>digits$}", rows[*column].number);
        }
        text.push('\n');
        for (row, name) in names.iter().enumerate() {
            let padding = " ".repeat(width - name.width());
            let number = rows[row].number;
            let _ = write!(text, "{number:>digits$} {name}{padding} ");
            for column in block {
                let mark = (style.paint)(cells.mark(row, *column));
                let _ = write!(text, " {:1$}{mark}", "", digits - 1);
            }
            text.push('\n');
        }
    }
    text.push('\n');
    let has_gaps = rows.iter().any(|row| row.branch.is_none());
    write_legend(&mut text, has_gaps, style.columns);
    text
}

/// The marks of all rows and columns.
struct Cells {
    count: usize,
    marks: Vec<char>,
}

impl Cells {
    fn new(rows: &[MatrixRow], pairs: &[PairVerdict]) -> Cells {
        let count = rows.len();
        let mut cells = Cells {
            count,
            marks: vec!['.'; count * count],
        };
        let branches = rows.iter().filter_map(|row| row.branch).max();
        let mut row_of = vec![None; branches.map_or(0, |most| most + 1)];
        for (place, row) in rows.iter().enumerate() {
            match row.branch {
                Some(branch) => row_of[branch] = Some(place),
                None => (0..count).for_each(|other| cells.set(place, other, 'x')),
            }
        }
        for pair in pairs {
            let row = |branch: usize| row_of.get(branch).copied().flatten();
            if let (Some(a), Some(b)) = (row(pair.a), row(pair.b)) {
                cells.set(a, b, mark(pair));
            }
        }
        (0..count).for_each(|place| cells.set(place, place, '-'));
        cells
    }

    fn set(&mut self, a: usize, b: usize, mark: char) {
        self.marks[a * self.count + b] = mark;
        self.marks[b * self.count + a] = mark;
    }

    fn mark(&self, row: usize, column: usize) -> char {
        self.marks[row * self.count + column]
    }
}

/// Writes the meaning of the marks, on as many lines as the terminal needs.
fn write_legend(to: &mut String, has_gaps: bool, columns: usize) {
    let marks = [
        "1 trivial",
        "2 mechanical",
        "3 semantic risk",
        "4 structural",
        "5 blocked",
        "! git failed",
        ". nothing",
    ];
    let gaps = has_gaps.then_some("x no candidate");
    let mut used = 0;
    for mark in marks.into_iter().chain(gaps) {
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
    use crate::merge::class::Class;

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

    fn branches(names: &[&str]) -> Vec<MatrixRow> {
        let row = |(place, name): (usize, &&str)| MatrixRow {
            number: place as u32 + 1,
            name: (*name).to_owned(),
            branch: Some(place),
        };
        names.iter().enumerate().map(row).collect()
    }

    fn render(rows: &[MatrixRow], pairs: &[PairVerdict], columns: usize) -> String {
        let paint = &|mark: char| mark.to_string();
        render_matrix(rows, pairs, &MatrixStyle { columns, paint })
    }

    #[test]
    fn columns_beyond_the_terminal_go_into_a_block_below() {
        let names: Vec<String> = (1..=11).map(|n| format!("feature/of-today-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pairs = [pair(0, 10, Verdict::Conflict, Class::Content)];
        let text = render(&branches(&names), &pairs, 32);
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
    fn no_line_is_wider_than_the_terminal_in_any_script() {
        let names = ["日本語のとても長いブランチ名前です", "e\u{301}", "x"];
        let pairs = [pair(0, 2, Verdict::Conflict, Class::Content)];
        let text = render(&branches(&names), &pairs, 40);
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
        let last: Vec<&str> = text.lines().skip(5).collect();
        insta::assert_snapshot!(last.join("\n"), @"
        1 trivial  2 mechanical  3 semantic risk
        4 structural  5 blocked  ! git failed
        . nothing
        ");
    }

    #[test]
    fn every_pair_is_shown_twice() {
        let pairs = [
            pair(0, 1, Verdict::Conflict, Class::Content),
            pair(0, 2, Verdict::Clean, Class::AutoMerged),
            pair(1, 2, Verdict::EngineFailure, Class::EngineFailure),
        ];
        insta::assert_snapshot!(
            render(&branches(&["auth", "feature/api", "docs", "x"]), &pairs, usize::MAX),
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

    #[test]
    fn columns_have_the_numbers_of_the_tasks_and_tasks_without_a_candidate_stay() {
        let row = |number, name: &str, branch| MatrixRow {
            number,
            name: name.to_owned(),
            branch,
        };
        let rows = [
            row(1, "AUTH", Some(0)),
            row(2, "API", None),
            row(3, "DOCS", Some(1)),
            row(12, "SEARCH", Some(2)),
        ];
        let pairs = [pair(1, 2, Verdict::Conflict, Class::Content)];
        insta::assert_snapshot!(
            render(&rows, &pairs, usize::MAX),
            @"
                    1  2  3 12
         1 AUTH     -  x  .  .
         2 API      x  -  x  x
         3 DOCS     .  x  -  3
        12 SEARCH   .  x  3  -

        1 trivial  2 mechanical  3 semantic risk  4 structural  5 blocked  ! git failed  . nothing  x no candidate
        "
        );
    }
}
