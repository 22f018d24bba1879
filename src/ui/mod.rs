//! What people see on a terminal: answers on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

mod bars;
pub mod diff;
pub mod markdown;
pub mod pager;
pub mod progress;
pub mod prompt;
pub mod task_line;
pub mod trace;
pub mod waiting;

/// The terminal, or what stands in its place. Colour is left to the streams: none without a
/// terminal, with `NO_COLOR` or with `TERM=dumb`.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    interactive: bool,
    quiet: bool,
    draws: bool,
}

impl Ui {
    /// For the process's own streams.
    pub fn new() -> Ui {
        Ui {
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            quiet: false,
            draws: std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// The same streams, but nobody is asked, as if there were no terminal.
    pub fn without_person() -> Ui {
        Ui {
            interactive: false,
            ..Ui::new()
        }
    }

    /// With or without words about what is going on; answers, warnings and errors stay.
    #[must_use]
    pub fn quiet(self, quiet: bool) -> Ui {
        Ui { quiet, ..self }
    }

    /// With or without a display that is drawn over (`[run] keep_terminal_free`).
    #[must_use]
    pub fn drawing(self, draws: bool) -> Ui {
        Ui {
            draws: self.draws && draws,
            ..self
        }
    }

    /// Whether nothing is to be said about what is going on.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether lines may be drawn over if standard error is a terminal.
    pub fn may_draw(&self) -> bool {
        self.draws
    }

    /// Whether a person can be asked.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// How many columns a table on standard output may take: no limit if that is no terminal.
    pub fn columns(&self) -> usize {
        match console::Term::stdout().size_checked() {
            Some((_, columns)) if io::stdout().is_terminal() => usize::from(columns),
            _ => usize::MAX,
        }
    }

    /// Returns `true` if standard output shows colour.
    pub fn has_color(&self) -> bool {
        anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }

    /// What was asked for, on standard output. A closed pipe (`| head`) is no error.
    pub fn answer(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// An answer that takes the place of the one before it on a terminal, and comes after it, with a
    /// line between them, elsewhere.
    pub fn redraw(&self, text: &str) {
        if self.draws && io::stdout().is_terminal() {
            // Cursor to the top, then clear to the end, so that nothing flickers.
            self.answer(&format!("\u{1b}[H\u{1b}[2J{text}"));
        } else {
            self.answer(&format!("{text}\n"));
        }
    }

    /// What is going on.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            self.note(text);
        }
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
