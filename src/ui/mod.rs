//! What people see on a terminal: answers on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// The terminal, or what stands in its place.
#[derive(Debug)]
pub struct Ui {
    interactive: bool,
}

impl Ui {
    /// For the process's own streams.
    pub fn new() -> Ui {
        Ui {
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// Whether a person can be asked.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// What was asked for, on standard output. A closed pipe (`| head`) is no error.
    pub fn answer(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// What is going on.
    pub fn status(&self, text: &str) {
        self.note(text);
    }

    /// Something the user should know before going on.
    pub fn warning(&self, text: &str) {
        self.prefixed("warning", AnsiColor::Yellow, text);
    }

    /// What to do next.
    pub fn hint(&self, text: &str) {
        self.prefixed("hint", AnsiColor::Cyan, text);
    }

    /// Why it did not work.
    pub fn error(&self, text: &str) {
        self.prefixed("error", AnsiColor::Red, text);
    }

    fn prefixed(&self, word: &str, color: AnsiColor, text: &str) {
        let style = Style::new().bold().fg_color(Some(color.into()));
        self.note(&format!("{style}{word}:{style:#} {text}"));
    }

    fn note(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{text}");
    }
}

impl Default for Ui {
    fn default() -> Ui {
        Ui::new()
    }
}
