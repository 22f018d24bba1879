//! Rewrites colours of the palette to the codes that every terminal with colours knows.
//!
//! The terminal library writes the sixteen colours as `38;5;2`. A terminal that knows no more than
//! sixteen may read the parts of that as *blink* and *dim* (ECMA-48 8.3.117), so they become `32`.

use std::io::{self, Write};

/// The longest sequence that is looked at; a longer one sets no colour.
const LONGEST: usize = 64;

/// A writer to a terminal.
#[derive(Debug)]
pub(super) struct BasicColors<W> {
    to: W,
    /// The sequence whose end was not written yet.
    begun: Vec<u8>,
}

impl<W: Write> BasicColors<W> {
    pub(super) fn new(to: W) -> BasicColors<W> {
        BasicColors {
            to,
            begun: Vec::new(),
        }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.begun.is_empty() && byte != 0x1b {
            out.push(byte);
            return;
        }
        self.begun.push(byte);
        let is_control = self.begun.len() < 2 || self.begun[1] == b'[';
        let is_over = self.begun.len() > 2 && (0x40..=0x7e).contains(&byte);
        if !is_control || is_over || self.begun.len() > LONGEST {
            let sequence = std::mem::take(&mut self.begun);
            out.extend(basic(&sequence));
        }
    }
}

impl<W: Write> Write for BasicColors<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::with_capacity(bytes.len());
        bytes.iter().for_each(|byte| self.take(*byte, &mut out));
        self.to.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Rewrites one whole sequence, if it sets colours.
fn basic(sequence: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(sequence).ok();
    let values = text.and_then(|text| text.strip_prefix("\u{1b}[")?.strip_suffix('m'));
    let Some(values) = values else {
        return sequence.to_vec();
    };
    let mut values = values.split(';');
    let mut kept: Vec<String> = Vec::new();
    while let Some(value) = values.next() {
        let first = match value {
            "38" => 30,
            "48" => 40,
            // The colour of an underline: the board never sets one.
            "59" => continue,
            _ => {
                kept.push(value.to_owned());
                continue;
            }
        };
        let mut ahead = values.clone();
        let number = match (ahead.next(), ahead.next()) {
            (Some("5"), Some(number)) => number.parse::<u16>().ok(),
            _ => None,
        };
        match number {
            Some(number @ 0..=7) => kept.push((first + number).to_string()),
            Some(number @ 8..=15) => kept.push((first + 52 + number).to_string()),
            // Another colour, whose values mean something else.
            _ => return sequence.to_vec(),
        }
        values = ahead;
    }
    match kept.is_empty() {
        true => Vec::new(),
        false => format!("\u{1b}[{}m", kept.join(";")).into_bytes(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(parts: &[&str]) -> String {
        let mut out = Vec::new();
        let mut writer = BasicColors::new(&mut out);
        for part in parts {
            writer.write_all(part.as_bytes()).unwrap();
        }
        String::from_utf8(out).unwrap().replace('\u{1b}', "^")
    }

    #[test]
    fn the_sixteen_colours_get_their_own_codes() {
        assert_eq!(written(&["\u{1b}[38;5;2mgreen"]), "^[32mgreen");
        assert_eq!(written(&["\u{1b}[38;5;9;48;5;4m"]), "^[91;44m");
        assert_eq!(written(&["\u{1b}[38;5;1;49m\u{1b}[59m"]), "^[31;49m");
        assert_eq!(written(&["\u{1b}[38;5;15m"]), "^[97m");
    }

    #[test]
    fn a_sequence_may_come_in_parts_and_all_else_is_kept() {
        assert_eq!(written(&["a\u{1b}", "[38;", "5;3", "mb"]), "a^[33mb");
        assert_eq!(written(&["\u{1b}[2;5H\u{1b}[1m"]), "^[2;5H^[1m");
        assert_eq!(written(&["\u{1b}[38;5;120mé"]), "^[38;5;120mé");
        assert_eq!(written(&["\u{1b}[38;2;48;5;3m"]), "^[38;2;48;5;3m");
        assert_eq!(written(&["\u{1b}7\u{1b}[?25l"]), "^7^[?25l");
        assert_eq!(written(&["\u{1b}[0m"]), "^[0m");
        assert_eq!(written(&["\u{1b}[m"]), "^[m");
    }
}
