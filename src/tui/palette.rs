//! The palette: every command of dispatch, found by typing.

use crate::base::text::shell_word;
use crate::model::ids::{RunId, TaskNumber};

/// A subcommand that the palette offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CliCommand {
    /// The name.
    pub name: String,
    /// The short description.
    pub about: String,
    /// `true` if it takes a run.
    pub takes_run: bool,
    /// `true` if it takes a task.
    pub takes_task: bool,
}

/// The palette while it is open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Palette {
    /// The typed text.
    pub(super) text: String,
    /// The selected match.
    pub(super) selected: usize,
}

impl Palette {
    /// Returns the commands that fit: those whose name begins with the first word, then those that
    /// have it in their name or description.
    pub(super) fn matches<'a>(&self, commands: &'a [CliCommand]) -> Vec<&'a CliCommand> {
        let word = self.text.split_whitespace().next().unwrap_or_default();
        let word = word.to_lowercase();
        if self.text.contains(char::is_whitespace) {
            return commands.iter().filter(|known| known.name == word).collect();
        }
        let begins = |known: &&CliCommand| known.name.starts_with(&word);
        let has = |known: &&CliCommand| {
            known.name.contains(&word) || known.about.to_lowercase().contains(&word)
        };
        let first = commands.iter().filter(begins);
        let others = commands.iter().filter(|known| !begins(known) && has(known));
        first.chain(others).collect()
    }

    /// Returns the arguments of the command line that Enter runs: the selected command with the run
    /// and the selected task, or the words exactly as they are typed behind its name.
    pub(super) fn arguments(
        &self,
        commands: &[CliCommand],
        run: &RunId,
        task: Option<TaskNumber>,
    ) -> Option<Vec<String>> {
        let matches = self.matches(commands);
        let chosen = matches.get(self.selected.min(matches.len().saturating_sub(1)))?;
        let typed = words(&self.text);
        if typed.len() > 1 {
            return Some(typed);
        }
        let task = task.filter(|_| chosen.takes_task);
        let run = chosen.takes_run.then(|| run.to_string());
        let words = [
            Some(chosen.name.clone()),
            run,
            task.map(|task| task.0.to_string()),
        ];
        Some(words.into_iter().flatten().collect())
    }
}

/// Renders arguments as a command line.
pub(super) fn command_line(arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| shell_word(word)).collect();
    format!("dispatch {}", words.join(" "))
}

/// Splits a typed line at spaces; quotes keep a word together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<CliCommand> {
        let command = |name: &str, about: &str, takes_run, takes_task| CliCommand {
            name: name.to_owned(),
            about: about.to_owned(),
            takes_run,
            takes_task,
        };
        vec![
            command("retry", "Retry a task", true, true),
            command("report", "Print the report", true, false),
            command("doctor", "Find and repair problems", false, false),
        ]
    }

    fn line(text: &str, selected: usize) -> String {
        let palette = Palette {
            text: text.to_owned(),
            selected,
        };
        let (run, task) = (RunId::new("shop-7k3q"), Some(TaskNumber(3)));
        let arguments = palette.arguments(&commands(), &run, task);
        arguments.map_or("nothing".to_owned(), |words| command_line(&words))
    }

    #[test]
    fn a_command_is_found_and_gets_the_run_and_the_task() {
        assert_eq!(line("", 0), "dispatch retry shop-7k3q 3");
        assert_eq!(line("re", 1), "dispatch report shop-7k3q");
        assert_eq!(line("rep", 0), "dispatch report shop-7k3q");
        assert_eq!(line("repair", 0), "dispatch doctor");
        assert_eq!(line("unheard", 0), "nothing");
    }

    #[test]
    fn typed_words_are_used_as_they_are() {
        assert_eq!(
            line("retry other 2 --prompt \"use the new api\"", 0),
            "dispatch retry other 2 --prompt 'use the new api'"
        );
        assert_eq!(line("doctor --fix ''", 0), "dispatch doctor --fix ''");
        assert_eq!(line("retr 2", 0), "nothing");
    }
}
