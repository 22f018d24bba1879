//! Terminal output: answers on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::base::safe::json::json_safe;
use crate::base::safe::terminal::{for_terminal, painted};
use crate::base::text::{wrap_lines, wrap_words};
use crate::ui::markdown::{CodeMarks, render_markdown};

mod bars;
pub mod diff;
pub mod markdown;
pub mod pager;
pub mod progress;
pub mod prompt;
pub mod task_line;
pub mod trace;
pub mod waiting;

/// The output streams. There is no colour without a terminal, with `NO_COLOR` or with `TERM=dumb`.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    interactive: bool,
    quiet: bool,
    draws: bool,
}

impl Ui {
    /// Uses the streams of the process.
    pub fn new() -> Ui {
        Ui {
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            quiet: false,
            draws: std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// Uses the same streams without prompts, as if there were no terminal.
    pub fn non_interactive() -> Ui {
        Ui {
            interactive: false,
            ..Ui::new()
        }
    }

    /// Turns status messages on or off; answers, warnings and errors stay.
    #[must_use]
    pub fn quiet(self, quiet: bool) -> Ui {
        Ui { quiet, ..self }
    }

    /// Turns the live display on or off (`[run] keep_terminal_free`).
    #[must_use]
    pub fn drawing(self, draws: bool) -> Ui {
        Ui {
            draws: self.draws && draws,
            ..self
        }
    }

    /// Returns `true` if status messages are off.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns `true` if a live display is allowed on a terminal.
    pub fn may_draw(&self) -> bool {
        self.draws
    }

    /// Returns `true` if the user can be prompted.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Returns the width of standard output; `usize::MAX` without a terminal.
    pub fn columns(&self) -> usize {
        match console::Term::stdout().size_checked() {
            Some((_, columns)) if io::stdout().is_terminal() => usize::from(columns),
            _ => usize::MAX,
        }
    }

    /// Returns `true` if standard output is a terminal.
    pub fn is_on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Returns `true` if standard output shows colour.
    pub fn has_color(&self) -> bool {
        anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }

    /// Prints an answer on standard output, with hidden characters escaped. A closed pipe (`| head`) is
    /// not an error.
    pub fn answer(&self, text: &str) {
        print(&for_terminal(text));
    }

    /// Prints a text that a program may read exactly as it is: a plan, a prompt, a diff. On a terminal
    /// hidden characters are escaped.
    pub fn answer_exact(&self, text: &[u8]) {
        if io::stdout().is_terminal() {
            return self.answer(&String::from_utf8_lossy(text));
        }
        let mut out = io::stdout().lock();
        let _ = out.write_all(text).and_then(|()| out.flush());
    }

    /// Prints JSON text, with hidden characters escaped as JSON does.
    pub fn answer_json(&self, json: &str) {
        self.answer(&json_safe(json));
    }

    /// Prints sentences as an answer: on a terminal, lines are wrapped between words.
    pub fn answer_text(&self, text: &str) {
        print(&wrap_lines(&for_terminal(text), self.columns()));
    }

    /// Prints Markdown as text: words are wrapped at the width of a terminal, and never broken.
    pub fn answer_markdown(&self, markdown: &str) {
        let marks = match self.has_color() {
            true => CodeMarks::Color,
            false => CodeMarks::Backticks,
        };
        self.answer(&render_markdown(markdown, self.columns(), marks));
    }

    /// Prints an answer that replaces the one before it on a terminal, and follows it after an empty
    /// line elsewhere.
    pub fn redraw(&self, text: &str) {
        if self.draws && io::stdout().is_terminal() {
            // Cursor to the top, then clear to the end, so that nothing flickers.
            print(&format!("\u{1b}[H\u{1b}[2J{}", for_terminal(text)));
        } else {
            self.answer(&format!("{text}\n"));
        }
    }

    /// Prints a status message.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            self.note(text);
        }
    }

    /// Prints a warning.
    pub fn warning(&self, text: &str) {
        self.prefixed("warning", AnsiColor::Yellow, text);
    }

    /// Prints a hint about the next step.
    pub fn hint(&self, text: &str) {
        self.prefixed("hint", AnsiColor::Cyan, text);
    }

    /// Prints an error.
    pub fn error(&self, text: &str) {
        self.prefixed("error", AnsiColor::Red, text);
    }

    fn prefixed(&self, word: &str, color: AnsiColor, text: &str) {
        let style = Style::new().bold().fg_color(Some(color.into()));
        // Several lines are laid out already.
        let text = match text.contains('\n') {
            true => text.to_owned(),
            false => {
                let line = wrap_words(&format!("{word}: {text}"), error_columns(), 2);
                line[word.len() + 2..].to_owned()
            }
        };
        self.note(&format!("{} {text}", painted(style, &format!("{word}:"))));
    }

    fn note(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{}", wrap_lines(&for_terminal(text), error_columns()));
    }
}

/// Prints a text that is safe on standard output.
fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the width of standard error; `usize::MAX` without a terminal.
pub(super) fn error_columns() -> usize {
    match console::Term::stderr().size_checked() {
        Some((_, columns)) if io::stderr().is_terminal() => usize::from(columns),
        _ => usize::MAX,
    }
}

impl Default for Ui {
    fn default() -> Ui {
        Ui::new()
    }
}
