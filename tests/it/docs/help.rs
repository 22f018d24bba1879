//! The help of every subcommand: golden files, the list of commands, command lines in documents.

use std::collections::BTreeSet;
use std::fs;

use git_dispatch::cli::help::chapters::find_chapter;
use git_dispatch::cli::help::groups::GROUPS;

use super::{Place, document, documents, may_rewrite, project, spans};

/// A subcommand: its words, its help and its options.
struct Shown {
    words: Vec<String>,
    about: String,
    help: String,
    options: Vec<Named>,
    has_inner: bool,
}

/// An option: its short name, its long name and its values.
struct Named {
    short: Option<char>,
    long: String,
    values: String,
}

impl Named {
    fn render(&self) -> String {
        let short = self.short.map(|short| format!("`-{short}`, "));
        format!(
            "{}`{}{}`",
            short.unwrap_or_default(),
            self.long,
            self.values
        )
    }
}

impl Shown {
    fn file(&self) -> String {
        match self.words.is_empty() {
            true => "dispatch.txt".to_owned(),
            false => format!("{}.txt", self.words.join("-")),
        }
    }

    fn usage(&self) -> String {
        let line = self
            .help
            .lines()
            .find_map(|line| line.strip_prefix("Usage: "));
        line.unwrap().replace(" [OPTIONS]", "")
    }

    fn knows(&self, option: &str) -> bool {
        option == "--help" || self.options.iter().any(|known| known.long == option)
    }
}

fn all() -> Vec<Shown> {
    let place = Place::new();
    let mut open = vec![(Vec::new(), git_dispatch::cli::command())];
    let mut shown = Vec::new();
    while let Some((words, command)) = open.pop() {
        let words: Vec<String> = words;
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = place.succeed(".", "dispatch", &args);
        for inner in command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
        {
            let words = [words.clone(), vec![inner.get_name().to_owned()]].concat();
            open.push((words, inner.clone()));
        }
        let options = command.get_arguments().filter(|arg| !arg.is_positional());
        let mut options: Vec<Named> = options
            .filter(|arg| arg.get_id() != "help" && arg.get_id() != "version")
            .filter_map(|arg| {
                let values = arg
                    .get_value_names()
                    .filter(|_| arg.get_action().takes_values());
                let values = values
                    .unwrap_or_default()
                    .iter()
                    .map(|name| format!(" {name}"));
                Some(Named {
                    short: arg.get_short(),
                    long: format!("--{}", arg.get_long()?),
                    values: values.collect(),
                })
            })
            .collect();
        let order = |name: &str| help.find(&format!("{name} ")).or(help.find(name));
        options.sort_by_key(|option| order(&option.long));
        shown.push(Shown {
            about: command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default(),
            has_inner: command.has_subcommands(),
            words,
            help,
            options,
        });
    }
    shown
}

#[test]
fn every_help_text_is_the_golden_one() {
    let folder = project().join("fixtures/help");
    let all = all();
    for command in &all {
        let file = folder.join(command.file());
        if may_rewrite() {
            fs::write(&file, &command.help).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            golden == command.help,
            "{} differs; run again with DISPATCH_BLESS=1 if this is right\n{}",
            command.file(),
            command.help
        );
    }
    let known: BTreeSet<String> = all.iter().map(Shown::file).collect();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} belongs to no subcommand");
    }
}

#[test]
fn help_texts_have_one_form() {
    for command in all() {
        let name = command.words.join(" ");
        let first = command.help.lines().next().unwrap();
        assert!(!first.ends_with('.'), "{name}: {first}");
        assert!(first.len() <= 80, "{name}: {first}");
        for line in command.help.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}");
        }
    }
}

#[test]
fn without_a_subcommand_the_help_is_shown_and_the_code_says_so() {
    let ended = Place::new().run(".", "dispatch", &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("Usage: dispatch <COMMAND>"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("`dispatch demo`"), "{}", ended.err);
}

/// Renders the list of commands of the chapter.
fn command_tables(all: &[Shown]) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        let heading = heading.trim_end_matches(':');
        text += &format!("\n## {heading}\n\n| command | what it does | options |\n|---|---|---|\n");
        for name in *names {
            let mut commands: Vec<&Shown> = all
                .iter()
                .filter(|command| command.words.first().is_some_and(|first| first == name))
                .filter(|command| !command.has_inner)
                .collect();
            commands.sort_by_key(|command| &command.words);
            for command in commands {
                let options = command.options.iter().map(Named::render);
                let row = [
                    format!("`{}`", command.usage().replace('|', "\\|")),
                    command.about.clone(),
                    options.collect::<Vec<_>>().join(", ").replace('|', "\\|"),
                ];
                text += &format!("| {} |\n", row.join(" | ").trim_end());
            }
        }
    }
    text
}

#[test]
fn the_chapter_of_commands_has_every_subcommand_with_every_option() {
    let chapter = document("docs/commands.md");
    let start = chapter.text.find("\n## ").unwrap_or(chapter.text.len());
    let expected = command_tables(&all());
    if may_rewrite() {
        let text = format!("{}{expected}", &chapter.text[..start]);
        fs::write(project().join(chapter.path), text).unwrap();
        return;
    }
    assert_eq!(
        &chapter.text[start..],
        expected,
        "run again with DISPATCH_BLESS=1"
    );
}

#[test]
fn every_command_line_in_a_document_is_understood() {
    let all = all();
    let find = |words: &[&str]| {
        let found = all.iter().filter(|command| {
            words.len() >= command.words.len()
                && command.words.iter().zip(words).all(|(a, b)| a == b)
        });
        found.max_by_key(|command| command.words.len()).unwrap()
    };
    let mut seen = 0;
    for document in documents() {
        for line in document.text.lines() {
            let lines = match line.starts_with("dispatch ") {
                true => vec![line],
                false => spans(line),
            };
            for line in lines {
                let Some(code) = line.strip_prefix("dispatch ") else {
                    continue;
                };
                let code = code.split(['#', '|', '>']).next().unwrap();
                let words: Vec<&str> = code.split_whitespace().collect();
                let command = find(&words);
                if words.is_empty() {
                    continue;
                }
                let place = format!("{}: `dispatch {code}`", document.path);
                assert!(!command.has_inner, "{place}: no such subcommand");
                let options = words.iter().filter(|word| word.starts_with("--"));
                for option in options {
                    assert!(command.knows(option), "{place}: {option}");
                }
                if let ["help", name] = words.as_slice() {
                    let is_command = all.iter().any(|command| command.words == [*name]);
                    let is_name = is_command
                        || find_chapter(name).is_some()
                        || name.contains(char::is_uppercase);
                    assert!(is_name, "{place}: no command or chapter");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "only {seen} command lines were found");
}

#[test]
fn every_option_named_in_a_document_exists() {
    let all = all();
    for document in documents() {
        // Options of other programs appear in whole command lines.
        let named = spans(&document.text)
            .into_iter()
            .filter(|span| span.starts_with("--"));
        for option in named.map(|span| span.split([' ', '=']).next().unwrap()) {
            let is_known = all.iter().any(|command| command.knows(option));
            assert!(
                is_known || option == "--version",
                "{}: {option}",
                document.path
            );
        }
    }
}
