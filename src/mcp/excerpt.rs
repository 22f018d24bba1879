//! Cuts long texts to a part that fits into an answer.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::text::terminal_safe;

/// The part of a text, with its place in the whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(super) struct Excerpt {
    /// The part.
    pub(super) text: String,
    /// The offset of its first byte in the whole.
    pub(super) from: usize,
    /// The offset after its last byte; pass it as `since` to get what follows.
    pub(super) to: usize,
    /// The length of the whole in bytes.
    pub(super) total: usize,
}

impl Excerpt {
    /// Cuts the end of a text, or with `since` the part that begins there. Whole lines where
    /// possible; control characters are made visible.
    pub(super) fn tail(bytes: &[u8], since: Option<usize>, limit: usize) -> Excerpt {
        match since {
            Some(since) => Excerpt::cut(bytes, since.min(bytes.len()), limit),
            None => {
                let from = bytes.len().saturating_sub(limit);
                Excerpt::cut(bytes, next_line(bytes, from), limit)
            }
        }
    }

    /// Cuts the beginning of a text, or with `since` the part that begins there.
    pub(super) fn head(bytes: &[u8], since: Option<usize>, limit: usize) -> Excerpt {
        Excerpt::cut(bytes, since.unwrap_or(0).min(bytes.len()), limit)
    }

    fn cut(bytes: &[u8], from: usize, limit: usize) -> Excerpt {
        let end = bytes.len().min(from.saturating_add(limit));
        let to = match end < bytes.len() {
            true => last_line(bytes, from, end),
            false => end,
        };
        Excerpt {
            text: terminal_safe(&String::from_utf8_lossy(&bytes[from..to])),
            from,
            to,
            total: bytes.len(),
        }
    }

    /// Renders the part with the hint below it.
    pub(super) fn render(&self) -> String {
        let (text, hint) = (self.text.trim_end(), self.hint());
        match hint.is_empty() {
            true => text.to_owned(),
            false => format!("{text}\n[{hint}]"),
        }
    }

    /// Renders a hint about the parts that are left out; empty if there are none.
    pub(super) fn hint(&self) -> String {
        let mut hints = Vec::new();
        if self.from > 0 {
            hints.push(format!("{} bytes before: call with `since: 0`", self.from));
        }
        if self.to < self.total {
            let left = self.total - self.to;
            hints.push(format!(
                "{left} bytes after: call with `since: {}`",
                self.to
            ));
        }
        hints.join("; ")
    }
}

/// Returns the start of the first line at or after an offset, or the offset if no line starts there.
fn next_line(bytes: &[u8], from: usize) -> usize {
    if from == 0 || bytes[from - 1] == b'\n' {
        return from;
    }
    let end = bytes[from..].iter().position(|byte| *byte == b'\n');
    match end.map(|end| from + end + 1) {
        Some(start) if start < bytes.len() => start,
        _ => whole_character(bytes, from),
    }
}

/// Returns the end of the last whole line between two offsets, or the second if there is none.
fn last_line(bytes: &[u8], from: usize, end: usize) -> usize {
    let line = bytes[from..end].iter().rposition(|byte| *byte == b'\n');
    match line {
        Some(line) => from + line + 1,
        None => match whole_character(bytes, end) {
            next if next > end => (from..=end)
                .rev()
                .find(|at| starts(bytes, *at))
                .unwrap_or(end),
            end => end,
        }
        .max(from + 1),
    }
}

/// Returns the first offset from here at which a character of UTF-8 starts.
fn whole_character(bytes: &[u8], from: usize) -> usize {
    (from..bytes.len())
        .find(|at| starts(bytes, *at))
        .unwrap_or(bytes.len())
}

fn starts(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"one\ntwo\nthree\nfour\n";

    fn tail(bytes: &[u8], since: Option<usize>, limit: usize) -> String {
        let cut = Excerpt::tail(bytes, since, limit);
        format!("{:?} {}..{} {}", cut.text, cut.from, cut.to, cut.hint())
    }

    #[test]
    fn the_end_of_a_text_is_cut_at_lines() {
        let all = [
            tail(LINES, None, 100),
            tail(LINES, None, 10),
            tail(LINES, Some(0), 9),
            tail(LINES, Some(8), 100),
            tail(LINES, Some(500), 9),
            tail(b"", None, 9),
            tail("äöü".as_bytes(), None, 3),
            tail("äöü".as_bytes(), Some(0), 3),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        "one\ntwo\nthree\nfour\n" 0..19 
        "four\n" 14..19 14 bytes before: call with `since: 0`
        "one\ntwo\n" 0..8 11 bytes after: call with `since: 8`
        "three\nfour\n" 8..19 8 bytes before: call with `since: 0`
        "" 19..19 19 bytes before: call with `since: 0`
        "" 0..0 
        "ü" 4..6 4 bytes before: call with `since: 0`
        "ä" 0..2 4 bytes after: call with `since: 2`
        "#);
    }

    #[test]
    fn parts_in_a_row_are_the_whole_text() {
        let bytes = "one\nzwölf\nein sehr langes Wort ohne Ende\n\nfour".as_bytes();
        for limit in 1..20 {
            let (mut at, mut text) = (0, String::new());
            while at < bytes.len() {
                let part = Excerpt::head(bytes, Some(at), limit);
                assert!(part.to > at, "limit {limit} stops at {at}");
                at = part.to;
                text += &part.text;
            }
            if limit > 1 {
                assert_eq!(text.as_bytes(), bytes, "limit {limit}");
            }
        }
    }
}
