//! `dispatch man`: a manual page for every command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::base::text::{error_chain, plural};
use crate::cli::error::CommandResult;
use crate::cli::error::{CommandError, ExitStatus};
use crate::cli::help::examples::EXAMPLES;
use crate::ui::Ui;

/// The page that `git dispatch --help` opens.
const GIT_PAGE: (&str, &str) = ("git-dispatch.1", ".so man1/dispatch.1\n");

/// Write a manual page for every command
#[derive(Args, Debug, Clone)]
pub(crate) struct ManArgs {
    /// The folder to write them to; created if absent
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the subcommand; `program` is the command line without examples.
///
/// # Errors
/// When a page cannot be written.
pub(crate) fn run(args: &ManArgs, mut program: Command, ui: &Ui) -> CommandResult {
    program.build();
    let count = write_pages(&program, &args.dir).map_err(|error| {
        let dir = args.dir.display();
        CommandError::failed(format!("could not write to {dir}: {}", error_chain(&error)))
    })?;
    ui.status(&format!(
        "wrote {} to {}",
        plural(count, "page"),
        args.dir.display()
    ));
    Ok(ExitStatus::Ok)
}

fn write_pages(program: &Command, dir: &Path) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    let mut open = vec![(String::new(), program)];
    let mut count = 0;
    while let Some((words, command)) = open.pop() {
        let man = Man::new(command.clone()).manual("Dispatch Manual");
        fs::write(
            dir.join(man.get_filename()),
            render_page(&man, command, &words)?,
        )?;
        count += 1;
        for inner in command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
        {
            open.push((
                format!("{words} {}", inner.get_name()).trim().to_owned(),
                inner,
            ));
        }
    }
    let (name, text) = GIT_PAGE;
    fs::write(dir.join(name), text)?;
    Ok(count + 1)
}

fn render_page(man: &Man, command: &Command, words: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    if let Some(notes) = command.get_after_help() {
        push_notes(&mut roff, &notes.to_string());
    }
    push_examples(&mut roff, words);
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn push_notes(roff: &mut Roff, notes: &str) {
    roff.control("SH", ["NOTES"]);
    for paragraph in notes.split("\n\n") {
        // Indented lines are a list, which must not be filled.
        let is_list = paragraph.lines().any(|line| line.starts_with(' '));
        roff.control("PP", []);
        if is_list {
            roff.control("nf", []);
        }
        for line in paragraph.lines() {
            roff.text([roman(line)]);
        }
        if is_list {
            roff.control("fi", []);
        }
    }
}

fn push_examples(roff: &mut Roff, words: &str) {
    let Some(examples) = EXAMPLES.iter().find(|examples| examples.command == words) else {
        return;
    };
    roff.control("SH", ["EXAMPLES"]);
    for (line, meaning) in examples.lines {
        roff.control("TP", []);
        roff.text([bold(*line)]);
        roff.text([roman(*meaning)]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli;

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_examples() {
        let dir = tempfile::tempdir().unwrap();
        let mut program = cli::bare_command();
        program.build();
        write_pages(&program, dir.path()).unwrap();
        for command in program
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let page = dir
                .path()
                .join(format!("dispatch-{}.1", command.get_name()));
            let page = fs::read_to_string(page).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
                assert!(
                    page.contains(&format!(".SH {section}\n")),
                    "{section}\n{page}"
                );
            }
        }
        assert!(dir.path().join("dispatch-plan-check.1").exists());
        let top = fs::read_to_string(dir.path().join("dispatch.1")).unwrap();
        assert!(top.contains(".SH NOTES"), "{top}");
        assert!(!dir.path().join("dispatch-__drive.1").exists());
    }
}
