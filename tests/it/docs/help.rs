//! The help of every subcommand, as golden files, and as the README tells it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, README, chapter, project, spans};

/// A subcommand: its words and its help.
struct Shown {
    words: Vec<String>,
    help: String,
}

impl Shown {
    fn file(&self) -> String {
        match self.words.is_empty() {
            true => "dispatch.txt".to_owned(),
            false => format!("{}.txt", self.words.join("-")),
        }
    }

    fn options(&self) -> BTreeSet<String> {
        let lines = self.help.lines().map(str::trim_start);
        let named = lines.filter(|line| line.starts_with('-'));
        let long =
            named.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
        let options = long.map(|word| word.trim_end_matches('\n').to_owned());
        options
            .filter(|option| option != "--help" && option != "--version")
            .collect()
    }

    /// The subcommands below it.
    fn below(&self) -> Vec<String> {
        let lines = self
            .help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1);
        let listed = lines.take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  "));
        names
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    }
}

fn all() -> Vec<Shown> {
    let place = Place::new();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    let mut shown = Vec::new();
    while let Some(words) = open.pop() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = place.succeed(".", "dispatch", &args);
        let command = Shown { words, help };
        for name in command.below() {
            open.push([command.words.clone(), vec![name]].concat());
        }
        shown.push(command);
    }
    shown
}

#[test]
fn every_help_text_is_the_golden_one() {
    let folder = project().join("fixtures/help");
    let bless = std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1");
    let all = all();
    for command in &all {
        let file = folder.join(command.file());
        if bless {
            std::fs::write(&file, &command.help).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            golden == command.help,
            "{} differs; run again with DISPATCH_BLESS=1 if this is right\n{}",
            command.file(),
            command.help
        );
    }
    let known: BTreeSet<String> = all.iter().map(Shown::file).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} is the help of no subcommand");
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

#[test]
fn the_table_of_commands_has_every_subcommand_with_every_option() {
    let leaves: BTreeMap<String, Shown> = all()
        .into_iter()
        .filter(|command| command.below().is_empty())
        .map(|command| (command.words.join(" "), command))
        .collect();
    let rows = chapter("Commands")
        .lines()
        .filter(|line| line.starts_with("| `dispatch "));
    let mut told = BTreeSet::new();
    for row in rows {
        let head = spans(row)[0].strip_prefix("dispatch ").unwrap();
        let name = leaves
            .keys()
            .find(|name| head == **name || head.starts_with(&format!("{name} ")));
        let name = name.unwrap_or_else(|| panic!("no subcommand {head:?}"));
        let is_option = |word: &&str| word.starts_with("--");
        let words = spans(row).into_iter().flat_map(|span| span.split(' '));
        let options: BTreeSet<String> = words.filter(is_option).map(str::to_owned).collect();
        let mut expected = leaves[name].options();
        // It is the same everywhere, and said once below the table.
        if !options.contains("--json") {
            expected.remove("--json");
        }
        assert_eq!(options, expected, "{name}");
        told.insert(name.clone());
    }
    assert_eq!(told, leaves.into_keys().collect());
}

#[test]
fn every_command_line_in_the_readme_is_understood() {
    let all = all();
    let find = |words: &[&str]| {
        let found = all.iter().filter(|command| {
            words.len() >= command.words.len()
                && command.words.iter().zip(words).all(|(a, b)| a == b)
        });
        found.max_by_key(|command| command.words.len()).unwrap()
    };
    let mut seen = 0;
    for line in README.lines() {
        let code = match line.starts_with("dispatch ") {
            true => vec![line],
            false => spans(line),
        };
        for code in code
            .into_iter()
            .filter_map(|code| code.strip_prefix("dispatch "))
        {
            let code = code.split(['#', '|']).next().unwrap();
            let words: Vec<&str> = code.split_whitespace().collect();
            let command = find(&words);
            if words.first().is_none_or(|word| *word == "COMMAND") {
                continue;
            }
            assert!(command.below().is_empty(), "no such subcommand: {code}");
            let known = command.options();
            for word in words
                .iter()
                .filter(|word| word.starts_with("--") && **word != "--help")
            {
                assert!(known.contains(*word), "{word} of `dispatch {code}`");
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} command lines were found");
    let known: BTreeSet<String> = all.iter().flat_map(Shown::options).collect();
    let named = spans(README)
        .into_iter()
        .filter(|span| span.starts_with("--"));
    for option in named.map(|span| span.split(' ').next().unwrap()) {
        assert!(known.contains(option) || option == "--help", "{option}");
    }
}
