//! Splits Markdown into headings, check boxes and other lines, with their positions.

use std::ops::Range;

/// A line of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line<'a> {
    /// `## Phase 1: Setup`
    Heading {
        level: usize,
        text: &'a str,
    },
    /// `- [ ] Write it`, `1. [x] Write it`
    Box {
        indent: usize,
        /// The number of an ordered list.
        number: Option<u32>,
        /// The character between the brackets.
        mark: char,
        /// The position of that character.
        span: Range<usize>,
        /// The text after the brackets.
        text: &'a str,
    },
    /// Any other text.
    Text {
        indent: usize,
        text: &'a str,
    },
    Blank,
}

/// Returns every line with its number, from 1. Lines of code blocks are text.
pub(super) fn lines(text: &str) -> Vec<(usize, Line<'_>)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut fence: Option<&str> = None;
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        let start_of_text = if number == 1 {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let (start, line) = match line.strip_prefix('\u{feff}') {
            Some(rest) => (start + start_of_text, rest),
            None => (start, line),
        };
        let trimmed = line.trim_start();
        let marker = trimmed
            .get(..3)
            .filter(|mark| matches!(*mark, "```" | "~~~"));
        let is_inside = fence.is_some();
        match (fence, marker) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let parsed = match is_inside || marker.is_some() {
            true => Line::Text {
                indent: indent_of(line),
                text: line.trim_end(),
            },
            false => parse(line, start),
        };
        found.push((number, parsed));
    }
    found
}

fn indent_of(line: &str) -> usize {
    let space = line.len() - line.trim_start().len();
    line[..space]
        .chars()
        .map(|c| if c == '\t' { 4 } else { 1 })
        .sum()
}

fn parse(line: &str, start: usize) -> Line<'_> {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return Line::Blank;
    }
    let level = trimmed.chars().take_while(|c| *c == '#').count();
    if (1..=6).contains(&level) && trimmed[level..].starts_with(' ') && indent_of(line) < 4 {
        let text = trimmed[level..].trim().trim_end_matches('#').trim_end();
        return Line::Heading { level, text };
    }
    check_box(line, start).unwrap_or(Line::Text {
        indent: indent_of(line),
        text: line.trim_end(),
    })
}

fn check_box(line: &str, start: usize) -> Option<Line<'_>> {
    let item = line.trim_start();
    let (number, rest) = match item.strip_prefix(['-', '*', '+']) {
        Some(rest) => (None, rest),
        None => {
            let digits = item.len() - item.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: u32 = item[..digits].parse().ok()?;
            (Some(number), item[digits..].strip_prefix(['.', ')'])?)
        }
    };
    let inside = rest.trim_start();
    if inside.len() == rest.len() {
        return None;
    }
    let inside = inside.strip_prefix('[')?;
    let mark = inside.chars().next()?;
    let text = inside[mark.len_utf8()..].strip_prefix(']')?;
    // `[a](link)` is a link.
    if !text.is_empty() && !text.starts_with([' ', '\t', '*']) {
        return None;
    }
    let at = start + line.len() - inside.len();
    Some(Line::Box {
        indent: indent_of(line),
        number,
        mark,
        span: at..at + mark.len_utf8(),
        text: text.trim(),
    })
}

/// Returns the paths with a slash or an extension in backticks or plain words of a text.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| "`'\"()[]{}<>,;:!?*".contains(c));
        let word = word.trim_end_matches('.');
        let plain = |c: char| c.is_alphanumeric() || "._-/@+".contains(c);
        let name = word.rsplit('/').next().unwrap_or_default();
        let is_file = name.rsplit_once('.').is_some_and(|(stem, end)| {
            !stem.is_empty()
                && (1..=6).contains(&end.len())
                && end.chars().all(char::is_alphanumeric)
        });
        let is_path = word.contains('/') && is_file && word.chars().all(plain);
        let stays_inside = !word.starts_with('/') && !word.split('/').any(|part| part == "..");
        if is_path && stays_inside && !word.contains("//") && !found.iter().any(|f| f == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// Splits dependencies in words off the end of a text: `(depends on T012, T013)`, `(after 1)`,
/// `— blocked by #2`.
pub(super) fn split_dependencies(text: &str) -> (&str, Vec<String>) {
    const WORDS: [&str; 5] = ["depends on", "depends:", "blocked by", "after", "needs"];
    let lower = text.to_ascii_lowercase();
    let in_brackets = text.strip_suffix(')').and_then(|_| text.rfind('('));
    let after_dash = [" — ", " – ", " - "];
    let after_dash = after_dash
        .iter()
        .filter_map(|dash| Some(text.rfind(dash)? + dash.len()));
    for start in in_brackets.map(|at| at + 1).into_iter().chain(after_dash) {
        let word = WORDS.iter().find(|word| lower[start..].starts_with(*word));
        let Some(word) = word else { continue };
        let names = text[start + word.len()..].trim_end_matches(')');
        let names = names.replace(" and ", ",");
        let names: Vec<String> = names
            .split([',', ' '])
            .map(|name| name.trim().trim_start_matches('#').to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        let is_name = |name: &String| name.chars().any(|c| c.is_ascii_digit());
        if !names.is_empty() && names.iter().all(is_name) {
            let before = text[..start]
                .trim_end()
                .trim_end_matches(['(', '—', '–', '-']);
            return (before.trim_end(), names);
        }
    }
    (text, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_boxes_are_found_with_their_positions() {
        let text = "\u{feff}# Title #\r\n- [ ] a\r\n  1) [x] b\n```\n- [ ] code\n```\n- [a](link)\n* [~]* c\n";
        let found: Vec<String> = lines(text)
            .into_iter()
            .map(|(number, line)| match line {
                Line::Heading { level, text } => format!("{number} h{level} {text}"),
                Line::Box {
                    indent,
                    number: n,
                    mark,
                    span,
                    text: said,
                } => {
                    assert_eq!(&text[span], mark.to_string());
                    format!("{number} box {indent} {n:?} [{mark}] {said}")
                }
                Line::Text { indent, text } => format!("{number} text {indent} {text}"),
                Line::Blank => format!("{number} blank"),
            })
            .collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        1 h1 Title
        2 box 0 None [ ] a
        3 box 2 Some(1) [x] b
        4 text 0 ```
        5 text 0 - [ ] code
        6 text 0 ```
        7 text 0 - [a](link)
        8 box 0 None [~] * c
        ");
    }

    #[test]
    fn dependencies_in_words_are_split_off() {
        let said = [
            "Implement it in src/a.rs (depends on T012, T013)",
            "Write docs — blocked by #2 and #3",
            "Write docs (after 1)",
            "Look after the garden",
            "Ship it (after lunch)",
        ]
        .map(|text| format!("{:?}", split_dependencies(text)));
        insta::assert_snapshot!(said.join("\n"), @r#"
        ("Implement it in src/a.rs", ["T012", "T013"])
        ("Write docs", ["2", "3"])
        ("Write docs", ["1"])
        ("Look after the garden", [])
        ("Ship it (after lunch)", [])
        "#);
    }

    #[test]
    fn paths_are_found_in_words() {
        let found = paths(
            "Create `src/models/user.py`, tests/a_test.go. and/or see https://x.y/z.html, ../no.rs or /etc/x.conf",
        );
        assert_eq!(found, ["src/models/user.py", "tests/a_test.go"]);
    }
}
