//! The picture of all pairs: one row and one column a branch.

use std::fmt::Write as _;

use crate::base::text::{clip, terminal_safe};
use crate::model::conflict::{PairVerdict, Verdict};

/// Longest branch name that is shown whole.
const NAME_WIDTH: usize = 32;

/// The pairs as a table of digits: the severity of the worst unit, `!` where git failed, `.` for
/// nothing, `-` for the branch itself. `pairs` names branches by their place in `names`.
pub fn render_matrix(names: &[&str], pairs: &[PairVerdict]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| clip(&terminal_safe(name), NAME_WIDTH))
        .collect();
    let count = names.len();
    let mut cells = vec!['.'; count * count];
    for pair in pairs {
        let mark = mark(pair);
        cells[pair.a * count + pair.b] = mark;
        cells[pair.b * count + pair.a] = mark;
    }
    let longest = names.iter().map(|name| name.chars().count()).max();
    let (width, number) = (longest.unwrap_or(0), count.to_string().len());
    let mut text = String::new();
    let _ = write!(text, "{:number$} {:width$} ", "", "");
    for place in 1..=count {
        let _ = write!(text, " {place:>number$}");
    }
    text.push('\n');
    for (row, name) in names.iter().enumerate() {
        cells[row * count + row] = '-';
        let _ = write!(text, "{:>number$} {name:width$} ", row + 1);
        for cell in &cells[row * count..(row + 1) * count] {
            let _ = write!(text, " {cell:>number$}");
        }
        text.push('\n');
    }
    text.push_str(
        "\n1 trivial  2 mechanical  3 semantic risk  4 structural  5 blocked  ! git failed  . nothing\n",
    );
    text
}

fn mark(pair: &PairVerdict) -> char {
    match (pair.verdict, pair.severity) {
        (Verdict::EngineFailure, _) => '!',
        (_, 0) => '.',
        (_, severity) => char::from_digit(u32::from(severity), 10).unwrap_or('?'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::conflict::Class;

    fn pair(a: usize, b: usize, verdict: Verdict, class: Class) -> PairVerdict {
        PairVerdict {
            a,
            b,
            verdict,
            class,
            severity: class.severity(),
            tree: None,
            units: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn every_pair_stands_twice() {
        let pairs = [
            pair(0, 1, Verdict::Conflict, Class::Content),
            pair(0, 2, Verdict::Clean, Class::AutoMerged),
            pair(1, 2, Verdict::EngineFailure, Class::EngineFailure),
        ];
        insta::assert_snapshot!(
            render_matrix(&["auth", "feature/api", "docs", "x"], &pairs),
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
