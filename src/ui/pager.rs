//! Shows a long text in the user's pager, as git does.

use std::env;
use std::io::{self, IsTerminal};

use crate::base::process::Program;
use crate::base::safe::terminal::{for_terminal, without_style};
use crate::ui::Ui;

/// Exit codes of a shell that could not start the pager.
const NOT_STARTED: [i32; 2] = [126, 127];

impl Ui {
    /// Shows a text on standard output, through this pager if that is a terminal.
    ///
    /// The pager is a shell command, as in `GIT_PAGER`; an empty one and `cat` mean none.
    pub fn page(&self, text: &str, pager: &str) {
        let is_paged = io::stdout().is_terminal() && !["", "cat"].contains(&pager.trim());
        if !is_paged || !show(text, pager, self.has_color()) {
            self.answer(text);
        }
    }
}

/// Returns `false` if the pager could not be started.
fn show(text: &str, pager: &str, has_color: bool) -> bool {
    let text = match has_color {
        true => for_terminal(text),
        false => without_style(text),
    };
    let mut program = Program::new("sh").args(["-c", pager]).stdin(text);
    // The same defaults as git's: colours, no pager for one screen, nothing cleared at the end.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var_os(name).is_none() {
            program = program.env(name, value);
        }
    }
    let status = program.on_terminal_with_input();
    status.is_ok_and(|status| {
        !status
            .code()
            .is_some_and(|code| NOT_STARTED.contains(&code))
    })
}
