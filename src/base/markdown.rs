//! Escapes foreign text for Markdown, so that it cannot change anything around it.
//!
//! Every function takes raw text, drops escape sequences, and replaces control and bidirectional
//! characters. Cut text ends in `…`.

use crate::base::ansi::strip_escapes;
use crate::base::text::{clip, one_line, terminal_safe};

/// The longest text of a table cell, in characters before escaping.
pub const CELL_LIMIT: usize = 120;

/// The longest paragraph of a report, in characters before escaping.
pub const PROSE_LIMIT: usize = 1000;

/// Renders one line of plain text, safe for a terminal, of at most `limit` characters.
pub fn plain_line(text: &str, limit: usize) -> String {
    // A bounded part is enough, so that a message of many megabytes costs nothing.
    let head: String = text.chars().take(limit.saturating_mul(4) + 4096).collect();
    clip(&one_line(&terminal_safe(&strip_escapes(&head))), limit)
}

/// Renders a table cell: one line without markup, cut at [`CELL_LIMIT`].
pub fn markdown_cell(text: &str) -> String {
    let mut cell = String::new();
    let mut before = ' ';
    for c in plain_line(text, CELL_LIMIT).chars() {
        let opens_target = before == ']' && matches!(c, '(' | ':');
        before = c;
        match c {
            '|' | '`' | '\\' | '[' => cell.extend(['\\', c]),
            c if opens_target => cell.extend(['\\', c]),
            c => push_html_safe(&mut cell, c),
        }
    }
    cell
}

/// Renders a paragraph: one line, cut at [`PROSE_LIMIT`]. Code spans are kept; HTML, links, images,
/// stray backticks and the starts of headings and lists become plain text.
pub fn markdown_prose(text: &str) -> String {
    let line = plain_line(text, PROSE_LIMIT);
    let (marker, mut rest) = line.split_at(block_marker(&line));
    let mut prose = String::new();
    if let Some(last) = marker.chars().next_back() {
        prose.push_str(&marker[..marker.len() - last.len_utf8()]);
        prose.extend(['\\', last]);
    }
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            let (taken, after) = split_code_span(rest);
            match taken {
                Some(span) => prose.push_str(span),
                None => prose.push_str(&"\\`".repeat(rest.len() - after.len())),
            }
            rest = after;
            continue;
        }
        let after = &rest[c.len_utf8()..];
        let escaped_next = after.starts_with(|next: char| next.is_ascii_punctuation());
        match c {
            '\\' if escaped_next => prose.push_str("\\\\"),
            '!' if after.starts_with('[') => prose.push_str("\\!"),
            '[' => prose.push_str("\\["),
            // Otherwise the target of a link would follow.
            ']' if after.starts_with(['(', ':']) => {
                prose.push_str("]\\");
                prose.push_str(&after[..1]);
                rest = &after[1..];
                continue;
            }
            c => push_html_safe(&mut prose, c),
        }
        rest = after;
    }
    prose
}

/// Renders a code span that shows exactly this line, including its backticks.
pub fn markdown_code(text: &str) -> String {
    let line = plain_line(text, PROSE_LIMIT);
    if line.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_backtick_run(&line) + usize::from(line.contains('`')));
    match fence.len() {
        0 => format!("`{line}`"),
        _ => format!("{fence} {line} {fence}"),
    }
}

/// Renders an indented code block with a fence that nothing inside can close.
pub fn markdown_block(text: &str, indent: &str) -> String {
    let text = terminal_safe(&strip_escapes(&text.replace("\r\n", "\n")));
    let fence = "`".repeat(longest_backtick_run(&text).max(2) + 1);
    let mut block = format!("{indent}{fence}text\n");
    for line in text.trim_matches('\n').lines() {
        block.push_str(format!("{indent}{line}").trim_end());
        block.push('\n');
    }
    block + indent + &fence + "\n"
}

/// Measures the marker of a heading, quote, list item, rule or fence; 0 for a plain line. A backslash
/// before its last character makes the line plain.
fn block_marker(line: &str) -> usize {
    let run = |c| line.len() - line.trim_start_matches(c).len();
    let ends_word = |at: usize| line[at..].is_empty() || line[at..].starts_with(' ');
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match line.chars().next() {
        Some('>') => 1,
        Some('#') if run('#') <= 6 && ends_word(run('#')) => 1,
        Some('-' | '+' | '*') if ends_word(1) => 1,
        Some(c @ ('-' | '*' | '_' | '~' | '=')) if run(c) >= 3 => 1,
        Some('0'..='9') if line[digits..].starts_with(['.', ')']) && ends_word(digits + 1) => {
            digits + 1
        }
        _ => 0,
    }
}

/// Splits off a code span that is closed by an equal run of backticks, if there is one, and returns it
/// with the text after it.
pub fn split_code_span(text: &str) -> (Option<&str>, &str) {
    let run = backtick_run(text);
    let mut at = run;
    while let Some(next) = text[at..].find('`') {
        let length = backtick_run(&text[at + next..]);
        at += next + length;
        if length == run {
            let (span, after) = text.split_at(at);
            return (Some(span), after);
        }
    }
    (None, &text[run..])
}

fn backtick_run(text: &str) -> usize {
    text.len() - text.trim_start_matches('`').len()
}

fn longest_backtick_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn push_html_safe(to: &mut String, c: char) {
    match c {
        '<' => to.push_str("&lt;"),
        '&' => to.push_str("&amp;"),
        c => to.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_leave_its_cell() {
        let nasty = "a|b `c` <img src=x> &amp; \u{1b}[31mred\u{1b}[0m \u{202e}evil\r\n| x |\u{7} \\| ![p](u)";
        insta::assert_snapshot!(
                    markdown_cell(nasty),
        @r#"a\|b \`c\` &lt;img src=x> &amp;amp; red \\u{202e}evil\\u{d} \| x \|\\u{7} \\\| !\[p]\(u)"#
                );
    }

    #[test]
    fn a_cell_is_cut_before_it_is_escaped() {
        let cell = markdown_cell(&"|".repeat(10_000));
        assert_eq!(cell, "\\|".repeat(119) + "…");
    }

    #[test]
    fn prose_keeps_code_spans_and_nothing_else() {
        insta::assert_snapshot!(
            markdown_prose("Add `User` to ``a`b`` <b>now</b>, a stray ` and ![i](u) \\` `<x>`"),
            @r"Add `User` to ``a`b`` &lt;b>now&lt;/b>, a stray ` and ![i](u) \` `<x>`"
        );
        insta::assert_snapshot!(
            markdown_prose("stray ` and ``two, ![i](u) \\* a\\b"),
            @r#"stray \` and \`\`two, \!\[i]\(u) \\* a\b"#
        );
    }

    #[test]
    fn prose_at_the_start_of_a_line_is_still_prose() {
        let lines = [
            "# h", "#2 x", "> q", "- x", "-x", "1. x", "12) x", "1.5 x", "---", "~~~ x", "**b** x",
        ];
        insta::assert_snapshot!(
            lines.map(markdown_prose).join(" / "),
            @r"\# h / #2 x / \> q / \- x / -x / 1\. x / 12\) x / 1.5 x / \--- / \~~~ x / **b** x"
        );
    }

    #[test]
    fn a_code_span_shows_backticks_as_they_are() {
        assert_eq!(markdown_code("npm test"), "`npm test`");
        assert_eq!(markdown_code("a `b` c"), "`` a `b` c ``");
        assert_eq!(markdown_code(" \n "), "");
    }

    #[test]
    fn a_block_cannot_be_closed_from_inside() {
        insta::assert_snapshot!(markdown_block("one\n````\n\n## two\u{1b}[0m", "  "), @r"
          `````text
          one
          ````

          ## two
          `````
        ");
    }
}
