//! Emoji of several characters, whose width terminals do not agree on.
//!
//! A flag, a family or a heart in colour is two columns wide for one terminal and one or six for another,
//! and then every column behind it is shifted. They are drawn as their first character, flags as their
//! letters.

use ratatui::buffer::Buffer;

/// Replaces them in everything that was drawn. What follows keeps its place.
pub(super) fn simplify(buffer: &mut Buffer) {
    for at in 0..buffer.content.len() {
        let Some((first, second)) = simple(buffer.content[at].symbol()) else {
            continue;
        };
        buffer.content[at].set_char(first);
        let style = buffer.content[at].style();
        if let (Some(second), Some(next)) = (second, buffer.content.get_mut(at + 1)) {
            next.set_char(second).set_style(style);
        }
    }
}

/// Returns the one or two characters in the place of such an emoji; `None` for any other symbol.
fn simple(symbol: &str) -> Option<(char, Option<char>)> {
    let mut characters = symbol.chars();
    let first = characters.next()?;
    if let Some(letter) = letter_of_flag(first) {
        return Some((letter, characters.next().and_then(letter_of_flag)));
    }
    let is_emoji =
        first >= '\u{2190}' || first.is_ascii_digit() || matches!(first, '#' | '*' | '©' | '®');
    let is_part = |c: char| matches!(c, '\u{200d}' | '\u{20e3}' | '\u{fe0e}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    (is_emoji && characters.any(is_part)).then_some((first, None))
}

fn letter_of_flag(c: char) -> Option<char> {
    let place = u32::from(c)
        .checked_sub(0x1f1e6)
        .filter(|place| *place < 26)?;
    char::from_u32(u32::from('A') + place)
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    /// Draws a text into 20 cells; a cell behind a wide character is `_`.
    fn drawn(text: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        buffer.set_string(0, 0, text, Style::new());
        simplify(&mut buffer);
        let cells = buffer.content.iter().map(|cell| cell.symbol());
        cells
            .collect::<Vec<_>>()
            .join("|")
            .replace("| ", "_")
            .trim_end_matches('_')
            .to_owned()
    }

    #[test]
    fn every_emoji_of_several_characters_is_one_that_all_terminals_measure_alike() {
        // A flag is its letters.
        assert_eq!(drawn("🇩🇪x"), "D|E|x");
        // A family, a skin, a heart in colour and a key cap are their first character, and what follows keeps
        // its place.
        assert_eq!(drawn("👩\u{200d}👩\u{200d}👧x"), "👩_|x");
        assert_eq!(drawn("👍🏽x"), "👍_|x");
        assert_eq!(drawn("❤\u{fe0f}x"), "❤_|x");
        assert_eq!(drawn("1\u{fe0f}\u{20e3}x"), "1_|x");
        // Others stay as they are.
        assert_eq!(
            drawn("👍e\u{301}世क्\u{200d}ष"),
            "👍_|e\u{301}|世_|क्\u{200d}ष"
        );
    }
}
