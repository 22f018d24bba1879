//! Asking before something happens: what `--yes`, no terminal and each answer mean.

use clap::Args;

use crate::base::text::error_chain;
use crate::cli::error::CommandError;
use crate::ui::Ui;

/// The flag that answers the question in advance.
#[derive(Args, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Consent {
    /// Answer yes to the question
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

impl Consent {
    /// Goes on if the answer is yes.
    ///
    /// # Errors
    /// Exit 1 if the answer is no, exit 2 if there is nobody to ask.
    pub(crate) fn confirm(self, ui: &Ui, question: &str) -> Result<(), CommandError> {
        match self.choose(ui, question, &["yes", "no"])? {
            "yes" => Ok(()),
            _ => Err(refused()),
        }
    }

    /// The chosen one of several words; the first one with `--yes` and for the empty line.
    ///
    /// # Errors
    /// Exit 1 at the end of the input, exit 2 if there is nobody to ask.
    pub(crate) fn choose<'a>(
        self,
        ui: &Ui,
        question: &str,
        words: &[&'a str],
    ) -> Result<&'a str, CommandError> {
        let Some(first) = words.first().filter(|_| self.yes) else {
            return ask(ui, question, words);
        };
        Ok(first)
    }
}

fn ask<'a>(ui: &Ui, question: &str, words: &[&'a str]) -> Result<&'a str, CommandError> {
    if !ui.is_interactive() {
        let message = format!("there is no terminal to ask on: {question}");
        return Err(CommandError::usage(message).hint("add --yes to go on without a question"));
    }
    match ui.ask(question, words) {
        Ok(Some(word)) => Ok(word),
        Ok(None) => Err(refused()),
        Err(error) => Err(CommandError::failed(format!(
            "could not read the answer: {}",
            error_chain(&error)
        ))),
    }
}

/// What a no means, where nothing else follows from it.
pub(crate) fn refused() -> CommandError {
    CommandError::failed("nothing was done, because the answer was no")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::error::Exit;

    use super::*;

    #[test]
    fn yes_on_the_command_line_answers_in_advance() {
        let ui = Ui::without_person();
        let consent = Consent { yes: true };
        assert!(consent.confirm(&ui, "Land?").is_ok());
        let chosen = consent.choose(&ui, "Land?", &["yes", "no", "edit"]);
        assert_eq!(chosen.unwrap(), "yes");
    }

    #[test]
    fn nothing_happens_when_there_is_nobody_to_ask() {
        let error = Consent::default()
            .confirm(&Ui::without_person(), "Dispatch 4 tasks?")
            .unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert_eq!(
            error.message,
            "there is no terminal to ask on: Dispatch 4 tasks?"
        );
        assert_eq!(error.hints, ["add --yes to go on without a question"]);
    }
}
