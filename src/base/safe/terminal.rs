//! Foreign text on a terminal.
//!
//! There are two steps. [`terminal_safe`] escapes foreign text where it is put into a sentence or a
//! table. [`for_terminal`] is the last step before the terminal: it escapes what the first step
//! missed. Styles of dispatch's own are written by [`painted`] with a mark in place of the escape
//! character, so the last step can tell them from an escape sequence of a stranger.

use std::borrow::Cow;

use crate::base::safe::hidden::is_hidden_after;

/// The mark at the beginning of dispatch's own styles: not a character, so never in valid text.
const MARK: char = '\u{fdd0}';

/// Escapes control, bidirectional and invisible characters of a foreign text as `\u{202e}`; keeps line
/// ends and tabs.
pub fn terminal_safe(text: &str) -> String {
    escaped(text).into_owned()
}

fn escaped(text: &str) -> Cow<'_, str> {
    let mut before = None;
    let mut done = 0;
    let mut safe = String::new();
    for (at, c) in text.char_indices() {
        if is_hidden_after(c, before) {
            safe.push_str(&text[done..at]);
            safe.extend(c.escape_unicode());
            done = at + c.len_utf8();
        }
        before = Some(c);
    }
    match done {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(safe + &text[done..]),
    }
}

/// Puts a style around a text of dispatch's own or an escaped one.
pub fn painted(style: anstyle::Style, text: &str) -> String {
    let (start, end) = (style.render().to_string(), style.render_reset().to_string());
    format!("{}{text}{}", own(&start), own(&end))
}

/// Marks the styles in a text of dispatch's own, such as the help of a command.
pub fn own(text: &str) -> String {
    text.replace('\u{1b}', &MARK.to_string())
}

/// Prepares a text for a terminal: everything that is hidden is escaped, and styles of [`painted`]
/// become colours.
pub fn for_terminal(text: &str) -> String {
    with_styles(text, |style| format!("\u{1b}{style}"))
}

/// Escapes everything that is hidden, and removes styles of [`painted`].
pub fn without_style(text: &str) -> String {
    with_styles(text, |_| String::new())
}

fn with_styles(text: &str, style: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(MARK);
    let mut whole = parts.next().map(terminal_safe).unwrap_or_default();
    for part in parts {
        match style_length(part) {
            0 => whole.extend(MARK.escape_unicode()),
            length => whole.push_str(&style(&part[..length])),
        }
        whole.push_str(&escaped(&part[style_length(part)..]));
    }
    whole
}

/// Measures `[1;31m` at the start of a text: bold, dimmed, the eight colours, and their end. 0 for
/// anything else, such as the code that conceals text.
fn style_length(text: &str) -> usize {
    let Some(codes) = text.strip_prefix('[') else {
        return 0;
    };
    let Some(end) = codes.find('m').filter(|end| *end <= 8) else {
        return 0;
    };
    let is_known = |code: &str| {
        matches!(
            code,
            "0" | "1" | "2" | "3" | "4" | "31" | "32" | "33" | "34" | "35" | "36"
        )
    };
    match codes[..end].split(';').all(is_known) {
        true => end + 2,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use anstyle::{AnsiColor, Style};

    use super::*;

    #[test]
    fn hidden_characters_are_shown_by_their_numbers() {
        let text = "a\u{1b}[31mb\u{202e}c\u{200b}d\u{7}\r\n\te 👩\u{200d}💻 می\u{200c}خواهم";
        assert_eq!(
            terminal_safe(text),
            "a\\u{1b}[31mb\\u{202e}c\\u{200b}d\\u{7}\\u{d}\n\te 👩\u{200d}💻 می\u{200c}خواهم"
        );
        assert_eq!(
            terminal_safe("x\u{200d}\u{fdd0}[31m"),
            "x\\u{200d}\\u{fdd0}[31m"
        );
    }

    #[test]
    fn only_own_styles_become_colours() {
        let red = painted(
            Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            "no",
        );
        let text = format!("{red} \u{1b}[31mforeign\u{1b}]0;title\u{7}");
        assert_eq!(
            for_terminal(&text),
            "\u{1b}[1m\u{1b}[31mno\u{1b}[0m \\u{1b}[31mforeign\\u{1b}]0;title\\u{7}"
        );
        assert_eq!(
            without_style(&text),
            "no \\u{1b}[31mforeign\\u{1b}]0;title\\u{7}"
        );
    }

    #[test]
    fn a_mark_of_a_stranger_moves_and_conceals_nothing() {
        for code in [
            "[8m",
            "[2J",
            "[1;8m",
            "",
            "[",
            "[38;5;0m",
            "]0;x",
            "[31",
            "[31;99999999999m",
        ] {
            let text = for_terminal(&format!("{MARK}{code} x"));
            assert!(!text.contains('\u{1b}'), "{code:?}: {text:?}");
        }
    }
}
