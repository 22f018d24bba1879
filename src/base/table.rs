//! Tables for a terminal: columns aligned by display width.
//!
//! Not `comfy-table`: it breaks words (`modify-delet|e`) where another column could give way, breaks
//! paths anywhere rather than behind a slash, and pads the ends of lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Minimum width of the last column, however narrow the terminal.
const NARROWEST: usize = 20;

/// Minimum width of a column where words have to be broken.
const NARROWEST_COLUMN: usize = 6;

/// Renders rows with columns two spaces apart. The last column is cut to the rest of `columns`; every
/// line ends in a line end.
pub fn table<const N: usize>(rows: &[[String; N]], columns: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max();
    let widths: Vec<_> = (0..N - 1)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let used: usize = widths.iter().map(|width| width + 2).sum();
    let left = columns.saturating_sub(used).max(NARROWEST);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        line.push_str(&clip_to_width(&row[N - 1], left));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Renders rows with columns two spaces apart and wraps cells so that lines fit into `columns`, as
/// long as every column keeps a few characters. The widest columns shrink first. Every line ends in a
/// line end.
pub fn wrapped_table<const N: usize>(rows: &[[String; N]], columns: usize) -> String {
    let widths = fitting_widths(rows, columns);
    let mut text = String::new();
    for row in rows {
        let cells = std::array::from_fn::<_, N, _>(|at| wrap_to_width(&row[at], widths[at]));
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut shown = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                let part = cell.get(line).map_or("", String::as_str);
                shown.push_str(part);
                shown.push_str(&" ".repeat((width + 2).saturating_sub(part.width())));
            }
            text.push_str(shown.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Computes the width of each column.
fn fitting_widths<const N: usize>(rows: &[[String; N]], columns: usize) -> [usize; N] {
    let widest = |at: usize, of: fn(&str) -> usize| rows.iter().map(|row| of(&row[at])).max();
    let mut widths = std::array::from_fn(|at| widest(at, UnicodeWidthStr::width).unwrap_or(0));
    let longest_part: fn(&str) -> usize = |text| {
        let parts = text.split(' ').flat_map(|word| word.split_inclusive('/'));
        parts.map(UnicodeWidthStr::width).max().unwrap_or(0)
    };
    // A column keeps the width of its longest word unless that is too long.
    let least: [usize; N] =
        std::array::from_fn(|at| widest(at, longest_part).unwrap_or(0).min(NARROWEST));
    let room = columns.saturating_sub(2 * N.saturating_sub(1));
    // In a very narrow terminal words are broken after all.
    for least in [least, [NARROWEST_COLUMN; N]] {
        while widths.iter().sum::<usize>() > room {
            let may_give = (0..N).filter(|at| widths[*at] > least[*at]);
            let Some(at) = may_give.max_by_key(|at| (widths[*at], *at)) else {
                break;
            };
            widths[at] -= 1;
        }
    }
    widths
}

/// Wraps text to this many columns of a terminal, at spaces, else behind a slash, else anywhere.
pub fn wrap_to_width(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.width() > columns {
        let mut used = 0;
        let fits = rest.char_indices().find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > columns
        });
        // A character that is wider than the column gets a line of its own.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = fits.map_or(rest.len(), |(at, _)| at).max(first);
        let (head, next) = (&rest[..end], &rest[end..]);
        let cut = match (next.starts_with(' '), head.rfind(' '), head.rfind('/')) {
            (true, ..) => end,
            (false, Some(space), _) => space,
            (false, None, Some(slash)) => slash + 1,
            (false, None, None) => end,
        };
        let cut = if cut == 0 { end } else { cut };
        lines.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

/// Cuts text to this many columns of a terminal; cut text ends in `…`.
pub fn clip_to_width(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        clipped.push(c);
    }
    clipped.truncate(clipped.trim_end().len());
    clipped + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_then_behind_slashes() {
        let wrapped = |text, columns| wrap_to_width(text, columns).join("|");
        assert_eq!(wrapped("short", 10), "short");
        assert_eq!(
            wrapped("re-dispatch the later task", 11),
            "re-dispatch|the later|task"
        );
        assert_eq!(
            wrapped("src/engine/detect/judge.rs", 12),
            "src/engine/|detect/|judge.rs"
        );
        assert_eq!(wrapped("abcdefgh", 3), "abc|def|gh");
        assert_eq!(wrapped("日本語", 3), "日|本|語");
        assert_eq!(wrapped("日本", 1), "日|本");
        assert_eq!(wrapped("", 3), "");
    }

    #[test]
    fn a_table_is_no_wider_than_asked_and_loses_nothing() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [
            row(["PAIR", "PATH", "CLASS"]),
            row([
                "feature/one × feature/two",
                "src/a/long/way/down/f.rs",
                "content",
            ]),
            row(["a × b", "g", "modify-delete"]),
        ];
        insta::assert_snapshot!(wrapped_table(&rows, 44), @r"
        PAIR            PATH           CLASS
        feature/one ×   src/a/long/    content
        feature/two     way/down/f.rs
        a × b           g              modify-delete
        ");
        let text = wrapped_table(&rows, 1000);
        assert_eq!(text.lines().count(), 3, "{text}");
        for columns in 22..80 {
            let text = wrapped_table(&rows, columns);
            assert!(
                text.lines().all(|line| line.width() <= columns),
                "{columns} {text}"
            );
            let kept = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            let cells = rows.concat().concat();
            assert_eq!(kept(&text), kept(&cells), "{text}");
        }
    }
}
