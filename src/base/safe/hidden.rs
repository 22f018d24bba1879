//! Characters that a reader does not see, or that change what is seen around them.

use std::fmt;

/// A hidden character in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hidden {
    /// Its first byte.
    pub at: usize,
    /// The character.
    pub character: char,
    /// Its line in the text, from 1.
    pub line: usize,
}

impl Hidden {
    /// Returns the number of its bytes.
    pub fn length(&self) -> usize {
        self.character.len_utf8()
    }
}

/// Renders `the invisible character U+200B (zero width space)`.
impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.character {
            c if c.is_control() => "the control character",
            c if is_bidi_control(c) => "the text direction character",
            _ => "the invisible character",
        };
        write!(f, "{kind} U+{:04X}", u32::from(self.character))?;
        match name(self.character) {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// Names the characters that are met most often.
fn name(c: char) -> Option<&'static str> {
    let name = match c {
        '\0' => "NUL",
        '\u{7}' => "bell",
        '\u{8}' => "backspace",
        '\r' => "carriage return",
        '\u{1b}' => "escape",
        '\u{7f}' => "delete",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{202d}' => "left-to-right override",
        '\u{202e}' => "right-to-left override",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{2060}' => "word joiner",
        '\u{feff}' => "byte order mark",
        '\u{e0000}'..='\u{e007f}' => "tag",
        _ => return None,
    };
    Some(name)
}

/// Finds the first character of a command or a name that could not be shown as it is.
///
/// Line feeds, tabs, and carriage returns before a line feed are not hidden, nor are the joiners and
/// selectors inside an emoji.
pub fn find_hidden(text: &str) -> Option<Hidden> {
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, character)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let is_line_end = character == '\r' && next == Some('\n');
        let is_in_emoji = is_joiner(character) && before.is_some_and(is_symbol);
        if is_hidden(character) && !is_line_end && !is_in_emoji {
            let line = text[..at].matches('\n').count() + 1;
            return Some(Hidden {
                at,
                character,
                line,
            });
        }
        before = Some(character);
    }
    None
}

/// Returns `true` for a character that [`terminal_safe`](super::terminal_safe) escapes after
/// `before`: as [`find_hidden`], and joiners are also part of words outside of ASCII.
pub(super) fn is_hidden_after(c: char, before: Option<char>) -> bool {
    is_hidden(c) && !(is_joiner(c) && before.is_some_and(|before| !before.is_ascii()))
}

/// Returns `true` for control, bidirectional and invisible characters; not for line feed and tab.
fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_control() && !matches!(c, '\n' | '\t');
    }
    c.is_control() || is_bidi_control(c) || is_invisible(c)
}

/// Returns `true` for characters that change the order of text (Unicode TR 9, CVE-2021-42574).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns `true` for characters without a shape (Unicode: default ignorable), for the fillers and
/// the separators of lines, and for code points that are not characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Returns `true` for joiners and variation selectors.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Returns `true` for pictures and for the selectors inside a sequence of them.
fn is_symbol(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{27ff}' | '\u{2900}'..='\u{2bff}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
        && c != '\u{2800}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        find_hidden(text).map_or("nothing".to_owned(), |hidden| {
            format!("{hidden} at {}, line {}", hidden.at, hidden.line)
        })
    }

    #[test]
    fn what_a_reader_cannot_see_is_found() {
        let texts = [
            "a\u{1b}[2K",
            "a\rb",
            "a\r",
            "x\ny\u{202e}",
            "a\u{200b}b",
            "a\u{200d}b",
            "ب\u{200d}ب",
            "\u{e0041}",
            "a\u{3164}",
            "a\u{9b}",
            "a\u{fdd0}",
            "a\u{1fffe}",
            "a\u{2028}",
            "a\u{fe0f}",
            "\u{0}",
        ];
        insta::assert_snapshot!(texts.map(found).join("\n"), @r"
        the control character U+001B (escape) at 1, line 1
        the control character U+000D (carriage return) at 1, line 1
        the control character U+000D (carriage return) at 1, line 1
        the text direction character U+202E (right-to-left override) at 3, line 2
        the invisible character U+200B (zero width space) at 1, line 1
        the invisible character U+200D (zero width joiner) at 1, line 1
        the invisible character U+200D (zero width joiner) at 2, line 1
        the invisible character U+E0041 (tag) at 0, line 1
        the invisible character U+3164 at 1, line 1
        the control character U+009B at 1, line 1
        the invisible character U+FDD0 at 1, line 1
        the invisible character U+1FFFE at 1, line 1
        the invisible character U+2028 (line separator) at 1, line 1
        the invisible character U+FE0F at 1, line 1
        the control character U+0000 (NUL) at 0, line 1
        ");
    }

    #[test]
    fn ordinary_text_is_not_hidden() {
        for text in [
            "npm test\n\tmake\r\n",
            "größe 日本語 עברית العربية",
            "👩\u{200d}💻 ✔\u{fe0f} done ❤\u{fe0f}\u{200d}🔥",
            "a\u{a0}b",
            "",
        ] {
            assert_eq!(find_hidden(text), None, "{text:?}");
        }
    }
}
