//! Makes foreign text visible as it is. `maud` escapes the result for HTML.

use crate::base::ansi::strip_escapes;
use crate::base::safe::terminal_safe;
use crate::base::text::plural;

/// Returns a text with its hidden characters escaped, so that it cannot pretend to be another one.
pub(super) fn shown(text: &str) -> String {
    terminal_safe(text)
}

/// The most characters of a title in a table.
const LONGEST_TITLE: usize = 200;

/// Returns a title for a table; the page of its task has all of a very long one.
pub(super) fn in_table(title: &str) -> String {
    let start: String = title.chars().take(LONGEST_TITLE).collect();
    match start.len() < title.len() {
        true => format!("{}…", shown(&start)),
        false => shown(title),
    }
}

/// The most characters of a line that are shown.
pub(super) const LONGEST_LINE: usize = 2000;

/// Returns the output of a program without its colours, and with hidden characters escaped.
pub(super) fn output(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    terminal_safe(&with_short_lines(&strip_escapes(&text)))
}

/// Cuts off the end of very long lines, and says so.
fn with_short_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.char_indices().nth(LONGEST_LINE) {
            Some((at, _)) if line[at..].trim_end() != "" => {
                let (start, rest) = line.split_at(at);
                let (rest, end) = rest
                    .strip_suffix('\n')
                    .map_or((rest, ""), |rest| (rest, "\n"));
                shown.push_str(start);
                shown.push_str(&longer_note(rest.chars().count()));
                shown.push_str(end);
            }
            _ => shown.push_str(line),
        }
    }
    shown
}

/// Returns the note in place of the end of a line.
pub(super) fn longer_note(more: usize) -> String {
    format!(" … [{} left out]", plural(more, "more character"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_very_long_line_is_left_out_and_counted() {
        let text = format!("one\n{}\nlast", "ä".repeat(LONGEST_LINE + 3));
        let shown = output(text.as_bytes());
        let lines: Vec<&str> = shown.lines().collect();
        let start = "ä".repeat(LONGEST_LINE);
        let cut = format!("{start} … [3 more characters left out]");
        assert_eq!(lines, ["one", cut.as_str(), "last"]);
        assert_eq!(output(start.as_bytes()), start);
        let title = "ä".repeat(LONGEST_TITLE);
        assert_eq!(in_table(&title), title);
        assert_eq!(in_table(&format!("{title}b")), format!("{title}…"));
    }
}
