//! Asks before something happens; `--yes` answers in advance.

use std::io;

use clap::Args;

use crate::base::text::error_chain;
use crate::cli::error::CommandError;
use crate::ui::Ui;

/// The flag that answers a question in advance.
#[derive(Args, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ConfirmArgs {
    /// Answer yes to the question
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

impl ConfirmArgs {
    /// Returns if the answer is yes.
    ///
    /// # Errors
    /// Exit code 1 for the answer no, 2 without a terminal.
    pub(crate) fn confirm(self, ui: &Ui, question: &str) -> Result<(), CommandError> {
        match self.choose(ui, question, &["yes", "no"])? {
            "yes" => Ok(()),
            _ => Err(aborted()),
        }
    }

    /// Returns if the answer is yes; an empty line means no.
    ///
    /// # Errors
    /// As [`ConfirmArgs::confirm`].
    pub(crate) fn confirm_no(self, ui: &Ui, question: &str) -> Result<(), CommandError> {
        match self.choose(ui, question, &["no", "yes"])? {
            "yes" => Ok(()),
            _ => Err(aborted()),
        }
    }

    /// Returns the chosen word; the first one with `--yes` and for an empty line.
    ///
    /// # Errors
    /// Exit code 1 at the end of the input, 2 without a terminal.
    pub(crate) fn choose<'a>(
        self,
        ui: &Ui,
        question: &str,
        words: &[&'a str],
    ) -> Result<&'a str, CommandError> {
        let Some(first) = words.first().filter(|_| self.yes) else {
            need_terminal(ui, question)?;
            return answer(ui.ask(question, words));
        };
        Ok(first)
    }
}

/// Asks a question whose answer may have an argument, such as `s 2`.
///
/// # Errors
/// Exit code 1 at the end of the input, 2 without a terminal.
pub(crate) fn ask_with_argument<'a>(
    ui: &Ui,
    question: &str,
    words: &[&'a str],
) -> Result<(&'a str, String), CommandError> {
    need_terminal(ui, question)?;
    answer(ui.ask_with_argument(question, words))
}

fn need_terminal(ui: &Ui, question: &str) -> Result<(), CommandError> {
    if ui.is_interactive() {
        return Ok(());
    }
    let error = CommandError::usage("cannot ask for confirmation: not a terminal");
    Err(error.hint(format!("add `--yes` to answer \"{question}\" with yes")))
}

fn answer<T>(answer: io::Result<Option<T>>) -> Result<T, CommandError> {
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(aborted()),
        Err(error) => Err(CommandError::failed(format!(
            "could not read the answer: {}",
            error_chain(&error)
        ))),
    }
}

/// Builds the error for the answer no.
pub(crate) fn aborted() -> CommandError {
    CommandError::failed("aborted")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::error::{ExitStatus, said};

    use super::*;

    #[test]
    fn yes_on_the_command_line_answers_in_advance() {
        let ui = Ui::non_interactive();
        let args = ConfirmArgs { yes: true };
        assert!(args.confirm(&ui, "Land?").is_ok());
        let chosen = args.choose(&ui, "Land?", &["yes", "no", "edit"]);
        assert_eq!(chosen.unwrap(), "yes");
    }

    #[test]
    fn a_question_without_a_terminal_is_an_error() {
        let error = ConfirmArgs::default()
            .confirm(&Ui::non_interactive(), "Dispatch 4 tasks?")
            .unwrap_err();
        assert_eq!(error.exit, ExitStatus::Usage);
        insta::assert_snapshot!(said(Err(error)), @r#"
        cannot ask for confirmation: not a terminal
        add `--yes` to answer "Dispatch 4 tasks?" with yes
        "#);
    }
}
