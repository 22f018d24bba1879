//! Tables for a terminal: columns aligned by display width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest the last column is cut to, however narrow the terminal.
const NARROWEST: usize = 20;

/// Rows of cells, columns two spaces apart. The last column is neither padded nor wider than what
/// is left of `columns`; every line ends in a line end.
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

/// At most this many columns of a terminal; what is cut ends in `…`.
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
