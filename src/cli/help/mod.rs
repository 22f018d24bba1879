//! `dispatch help`: commands in groups, and the chapters of the manual, offline.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::base::safe::terminal::own;
use crate::base::text::did_you_mean;
use crate::cli::error::CommandResult;
use crate::cli::error::{CommandError, ExitStatus};
use crate::git::Git;
use crate::ui::Ui;
use crate::ui::markdown::{CodeMarks, render_markdown};

use chapters::{CHAPTERS, Chapter, find_chapter};

pub mod chapters;
pub mod examples;
pub mod groups;

/// The widest line of help on a terminal.
pub(crate) const WIDEST: usize = 100;

/// The width of help that does not go to a terminal.
pub(crate) const PLAIN_WIDTH: usize = 80;

/// Show the help of a command, or a chapter of the manual
#[derive(Args, Debug, Clone)]
pub(crate) struct HelpArgs {
    /// The command, or the chapter [default: a list of all of them]
    #[arg(value_name = "COMMAND|CHAPTER")]
    names: Vec<String>,
}

/// Runs the subcommand; `program` is the whole command line of `dispatch`.
///
/// # Errors
/// Exit code 2 for a name that is neither a command nor a chapter.
pub(crate) fn run(args: &HelpArgs, program: Command, ui: &Ui) -> CommandResult {
    let columns = width(ui);
    let marks = match ui.has_color() {
        true => CodeMarks::Color,
        false => CodeMarks::Quotes,
    };
    let text = render(&args.names, program, columns, marks)?;
    ui.page(&text, &pager());
    Ok(ExitStatus::Ok)
}

/// Returns the width of help on this terminal, or outside of one.
pub(crate) fn width(ui: &Ui) -> usize {
    match ui.columns() {
        usize::MAX => PLAIN_WIDTH,
        columns => columns.min(WIDEST),
    }
}

/// Finds the user's pager as git does: `GIT_PAGER`, `core.pager` of the user, `PAGER`, `less`. The
/// configuration of the repository does not count, because a worker may have changed it.
pub(crate) fn pager() -> String {
    let pager = outside_of_repositories().run(&["var", "GIT_PAGER"]);
    let pager = pager.unwrap_or_default();
    String::from_utf8_lossy(&pager).trim().to_owned()
}

/// Reads a key of the user's own git configuration.
pub(crate) fn user_config(key: &str) -> Option<String> {
    let value = outside_of_repositories().line(&["config", "--get", key]);
    value.ok().filter(|value| !value.is_empty())
}

fn outside_of_repositories() -> Git {
    // In the background git itself says that its pager is `cat`.
    Git::at(PathBuf::from("/")).in_foreground()
}

/// Renders the help for these words: a command, a chapter, or both if they share a name.
fn render(
    names: &[String],
    mut program: Command,
    columns: usize,
    marks: CodeMarks,
) -> Result<String, CommandError> {
    program.build();
    let [first, rest @ ..] = names else {
        let commands = own(&program.render_help().ansi().to_string());
        return Ok(format!("{commands}\n{}", list_chapters(columns)));
    };
    let chapter = find_chapter(first).filter(|_| rest.is_empty());
    let command = find_command(&program, names);
    let mut parts = Vec::new();
    if let Some(mut command) = command.cloned() {
        let help = match command.get_long_about() {
            Some(_) => command.render_long_help(),
            None => command.render_help(),
        };
        parts.push(own(&help.ansi().to_string()));
    }
    if let Some(chapter) = chapter {
        parts.push(render_markdown(chapter.text, columns, marks));
    }
    match parts.is_empty() {
        true => Err(unknown(names, &program)),
        false => Ok(parts.join("\n")),
    }
}

fn find_command<'a>(program: &'a Command, names: &[String]) -> Option<&'a Command> {
    names.iter().try_fold(program, |command, name| {
        let command = command.find_subcommand(name)?;
        (!command.is_hide_set()).then_some(command)
    })
}

fn list_chapters(columns: usize) -> String {
    let header = program_header("Chapters of the manual:");
    let rows = CHAPTERS.iter().map(|chapter| (chapter.name, chapter.about));
    own(&format!("{header}\n{}", groups::render_rows(rows, columns)))
}

fn program_header(text: &str) -> String {
    let style = clap::builder::Styles::styled();
    let style = style.get_header();
    format!("{style}{text}{style:#}")
}

fn unknown(names: &[String], program: &Command) -> CommandError {
    let name = names.join(" ");
    let commands = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let mut known: Vec<&str> = commands.map(Command::get_name).collect();
    for name in CHAPTERS.iter().flat_map(Chapter::names) {
        known.push(name);
    }
    let near = did_you_mean(&name, known);
    let error = CommandError::usage(format!("no command or chapter {name:?}"));
    let error = match near {
        Some(near) => error.hint(format!("did you mean `dispatch help {near}`?")),
        None => error,
    };
    error.hint("`dispatch help` lists all commands and chapters")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use unicode_width::UnicodeWidthStr as _;

    use crate::base::safe::terminal::without_style;
    use crate::cli;

    use super::*;

    fn help(words: &str, columns: usize) -> String {
        let names: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let text = render(&names, cli::command(), columns, CodeMarks::Color).unwrap();
        without_style(&text)
    }

    #[test]
    fn a_command_shows_its_help_and_a_chapter_its_text() {
        assert!(help("run", 80).starts_with("Run a plan"));
        assert!(help("plan check", 80).contains("Usage: dispatch plan check"));
        assert!(help("plans", 80).starts_with("Plans\n\nA plan lists tasks"));
        assert!(
            help("background", 80).starts_with("Runs\n"),
            "another name of a chapter"
        );
    }

    #[test]
    fn a_name_of_both_shows_the_command_and_then_the_chapter() {
        let text = help("workers", 80);
        let chapter = text.find("\nWorkers\n\nA worker is a profile").unwrap();
        assert!(
            text.find("Usage: dispatch workers").unwrap() < chapter,
            "{text}"
        );
    }

    #[test]
    fn without_a_name_everything_is_listed() {
        let text = help("", 80);
        for listed in [
            "Start a run:",
            "  land ",
            "Chapters of the manual:",
            "  git-layout ",
        ] {
            assert!(text.contains(listed), "{listed}\n{text}");
        }
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion() {
        let error = render(
            &["confilcts".to_owned()],
            cli::command(),
            80,
            CodeMarks::Color,
        )
        .unwrap_err();
        assert_eq!(error.exit, ExitStatus::Usage);
        assert_eq!(error.message, "no command or chapter \"confilcts\"");
        assert_eq!(error.hints[0], "did you mean `dispatch help conflicts`?");
        let error =
            render(&["xyzzy".to_owned()], cli::command(), 80, CodeMarks::Color).unwrap_err();
        assert_eq!(
            error.hints,
            ["`dispatch help` lists all commands and chapters"]
        );
    }

    #[test]
    fn chapters_hold_no_markup_and_fit_the_terminal() {
        for columns in [60, 80, 120] {
            for chapter in CHAPTERS {
                let text = render_markdown(chapter.text, columns, CodeMarks::Quotes);
                let text = without_style(&text);
                for mark in ["```", "|---", "](", "\n# ", "\n## "] {
                    assert!(!text.contains(mark), "{}: {mark}\n{text}", chapter.name);
                }
                for line in text.lines() {
                    let is_one_word = line.split_whitespace().count() == 1;
                    assert!(
                        line.width() <= columns || is_one_word,
                        "{} at {columns}: {line}",
                        chapter.name
                    );
                }
            }
        }
    }
}
