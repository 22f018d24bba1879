//! Prompts on the terminal.
//!
//! The end of the input (Ctrl-D, a closed terminal) never counts as yes, and Ctrl-C ends the process.

use std::io::{self, BufRead, Write};

use crate::base::interrupt::Asking;
use crate::base::safe::terminal::for_terminal;
use crate::base::text::wrap_lines;
use crate::ui::{Ui, error_columns};

impl Ui {
    /// Asks until the user chooses a word, by its first letters or in full; the empty line is the
    /// first word. `None` at the end of the input, or without a terminal.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn ask<'a>(&self, question: &str, words: &[&'a str]) -> io::Result<Option<&'a str>> {
        let menu = format!("{question} {} ", menu(words));
        while let Some(line) = self.ask_line(&menu)? {
            if let Some(word) = parse_choice(&line, words) {
                return Ok(Some(word));
            }
            self.hint(&format!("answer with one of {}", words.join(", ")));
        }
        Ok(None)
    }

    /// Asks as [`Ui::ask`] does, and returns what follows the word on the line, too: `split 2`.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn ask_with_argument<'a>(
        &self,
        question: &str,
        words: &[&'a str],
    ) -> io::Result<Option<(&'a str, String)>> {
        let menu = format!("{question} {} ", menu(words));
        while let Some(line) = self.ask_line(&menu)? {
            let (first, rest) = split_argument(&line);
            if let Some(word) = parse_choice(first, words) {
                return Ok(Some((word, rest.to_owned())));
            }
            self.hint(&format!("answer with one of {}", words.join(", ")));
        }
        Ok(None)
    }

    /// Shows a text and reads one line, without its end. `None` at the end of the input, or without a
    /// terminal.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn ask_line(&self, text: &str) -> io::Result<Option<String>> {
        if !self.is_interactive() {
            return Ok(None);
        }
        let _asking = Asking::begin();
        let mut err = anstream::stderr().lock();
        write!(err, "{}", wrap_lines(&for_terminal(text), error_columns()))?;
        err.flush()?;
        let line = read_line(&mut io::stdin().lock());
        if matches!(line, Ok(None)) {
            writeln!(err)?;
        }
        line
    }
}

/// Renders `[Y]es / [n]o / [e]dit`; the empty line means the first word.
fn menu(words: &[&str]) -> String {
    let shown = words.iter().enumerate().map(|(place, word)| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        match place {
            0 => format!("[{}]{rest}", first.to_uppercase()),
            _ => format!("[{first}]{rest}"),
        }
    });
    shown.collect::<Vec<_>>().join(" / ")
}

/// Splits the first word of a line from the rest.
fn split_argument(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (first, rest.trim())
}

/// Returns the first word that begins with the line.
fn parse_choice<'a>(line: &str, words: &[&'a str]) -> Option<&'a str> {
    let typed = line.trim().to_lowercase();
    let begins = |word: &&&str| word.to_lowercase().starts_with(&typed);
    words.iter().find(begins).copied()
}

/// Reads one line without its end; `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WORDS: &[&str] = &["yes", "no", "edit", "priorities"];

    #[test]
    fn the_menu_shows_what_to_type_and_what_enter_means() {
        assert_eq!(menu(WORDS), "[Y]es / [n]o / [e]dit / [p]riorities");
    }

    #[test]
    fn a_choice_is_its_beginning_in_any_case_and_enter_is_the_first() {
        let chosen = ["", "y", "N", " edit ", "PRI", "x", "yess"].map(|l| parse_choice(l, WORDS));
        let expected = ["yes", "yes", "no", "edit", "priorities"].map(Some);
        assert_eq!(chosen[..5], expected);
        assert_eq!(chosen[5..], [None, None]);
    }

    #[test]
    fn a_choice_can_have_an_argument() {
        let split = |line| {
            let (first, rest) = split_argument(line);
            (parse_choice(first, &["yes", "split"]), rest)
        };
        assert_eq!(split("s 2"), (Some("split"), "2"));
        assert_eq!(split(" split  API now "), (Some("split"), "API now"));
        assert_eq!(split(""), (Some("yes"), ""));
        assert_eq!(split("2 s"), (None, "s"));
    }

    #[test]
    fn the_end_of_the_input_is_no_line() {
        let mut input = "3 1\r\n\nlast".as_bytes();
        let mut next = || read_line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some("3 1"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
    }

    #[test]
    fn there_is_no_prompt_without_a_terminal() {
        let ui = Ui::non_interactive();
        assert_eq!(ui.ask("Go on?", WORDS).unwrap(), None);
    }
}
