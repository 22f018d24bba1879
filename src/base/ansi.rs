//! Terminal escape sequences in other programs' output.
//!
//! Not `anstream::adapter::strip_str`: after an escape sequence that is cut off it loses the next
//! letter or the whole rest of the text, and with it the error message of a killed program.

/// Removes escape sequences: colours, cursor movements, window titles, hyperlinks. Other control
/// characters stay; [`crate::base::text::terminal_safe`] replaces those.
pub fn strip_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            c => kept.push(c),
        }
    }
    kept
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        Some('\u{20}'..='\u{2f}') => {
            while chars
                .next_if(|c| ('\u{20}'..='\u{2f}').contains(c))
                .is_some()
            {}
            chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        Some('\u{30}'..='\u{7e}') => drop(chars.next()),
        _ => {}
    }
}

/// Skips parameters, intermediates and one final byte. Any other character ends the sequence and is
/// kept, so that a cut sequence loses nothing after it.
fn skip_control_sequence(chars: &mut Chars<'_>) {
    while chars
        .next_if(|c| ('\u{20}'..='\u{3f}').contains(c))
        .is_some()
    {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// Skips to BEL or `ESC \`, but never beyond the end of the line.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if c == '\u{7}' {
            return;
        }
        if c == '\u{1b}' {
            chars.next_if_eq(&'\\');
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::strip_escapes;

    #[test]
    fn colours_titles_and_links_go_and_the_words_stay() {
        let text = "\u{1b}[1;31merror\u{1b}[0m: \u{1b}]0;title\u{7}no \u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\\u{1b}(B!";
        assert_eq!(strip_escapes(text), "error: no link!");
    }

    #[test]
    fn a_sequence_that_is_cut_off_loses_nothing_after_it() {
        assert_eq!(strip_escapes("a\u{1b}[31\nb"), "a\nb");
        assert_eq!(strip_escapes("a\u{1b}]0;never ends\nb"), "a\nb");
        assert_eq!(strip_escapes("a\u{1b}"), "a");
    }
}
