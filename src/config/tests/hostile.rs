//! Every setting with hostile text: it is refused in words that a terminal can show, or read back as it
//! is.

use super::{rendered, sources};
use crate::base::safe::hidden::find_hidden;
use crate::base::text::terminal_safe;
use crate::config::worker_keys::WORKER_KEYS;
use crate::config::*;

/// Text by hand: one kind of attack each.
const PICKED: &[&str] = &[
    "",
    " ",
    "\n\n",
    "\"",
    "\\",
    "'",
    "a\"\nrun = \"rm -rf /",
    "]\n[trust]\nfolders = [\"/\"]",
    "$(touch x) `touch x`; touch x | touch x && touch x",
    "../../../etc/passwd",
    "/etc/passwd",
    "~/.ssh/id",
    "~root/x",
    "$HOME",
    "$",
    "$A/../../x",
    ".git/config",
    ".GIT/hooks/x",
    "-rf",
    "--upload-pack=x",
    "a..b",
    "refs/heads/../x",
    "@{-1}",
    "x.lock",
    "HEAD",
    "{worktree",
    "{unknown}",
    "{{ x }}{% for i in range(9) %}",
    "%s%n%n",
    "https://evil.example/$(x)",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "<script>alert(1)</script>",
    "| --- | [a](javascript:b) ``",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\u{202e}gpj.exe",
    "zero\u{200b}width\u{feff}\u{e0041}",
    "line\u{2028}separator\u{85}",
    "carriage\rreturn\u{8}",
    "del \u{7f}",
    "99999999999999999999",
    "-1",
    "0",
    "1e400",
    "NaN",
    "true",
    "9999999999h",
    "18446744073709551615GiB",
    "\u{1f468}\u{200d}\u{1f469} \u{65e5}\u{672c} e\u{301}",
];

/// The settings that are commands, which a question shows before they run.
const COMMANDS: &[&str] = &[
    "worktree.setup",
    "worktree.teardown",
    "assemble.check",
    "resolve.structural",
    "resolve.regenerate",
    "notify.command",
    "sandbox.command",
    "workers.mine.command",
    "workers.mine.resume",
    "workers.mine.attach",
];

/// Lists the settings by table and key; of a worker profile, those of one that has a command.
fn keys() -> Vec<(String, &'static str)> {
    let of_tables = Settings::KEYS
        .iter()
        .map(|key| (key.table.to_owned(), key.name));
    let of_workers = WORKER_KEYS
        .iter()
        .map(|key| ("workers.mine".to_owned(), key.name));
    of_tables.chain(of_workers).collect()
}

/// Writes the text as a string, as the only item of a list, and as a key and a value of a table.
fn shapes(text: &str) -> [toml::Value; 3] {
    let string = toml::Value::from(text);
    let map = toml::Table::from_iter([(text.to_owned(), string.clone())]);
    [string.clone(), vec![string].into(), map.into()]
}

fn file(table: &str, key: &str, value: &toml::Value) -> String {
    let command = match (table, key) {
        ("workers.mine", "command") | ("run", _) => "",
        _ => "[workers.mine]\ncommand = [\"mine\"]\n",
    };
    let head = if table == "workers.mine" && !command.is_empty() {
        ""
    } else {
        table
    };
    let head = if head.is_empty() {
        String::new()
    } else {
        format!("[{head}]\n")
    };
    format!("{command}{head}{key} = {value}\n")
}

#[test]
fn every_setting_refuses_hostile_text_or_reads_it_back() {
    let (mut refused, mut read, mut wrong) = (0, 0, Vec::new());
    for (table, key) in keys() {
        for text in PICKED {
            for value in shapes(text) {
                let file = file(&table, key, &value);
                let found = match resolve(&sources(&file)) {
                    Ok(settings) => {
                        read += 1;
                        wrong_in_settings(&format!("{table}.{key}"), text, &settings)
                    }
                    Err(problems) => {
                        refused += 1;
                        wrong_in_problems(&problems)
                    }
                };
                wrong.extend(found.map(|found| format!("{found}\n{file}")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        read > 500 && refused > 5000,
        "{read} read, {refused} refused"
    );
}

/// Describes a mistake in settings that were read.
fn wrong_in_settings(name: &str, text: &str, settings: &Settings) -> Option<String> {
    // The journal of a run keeps them.
    let kept = serde_json::to_string(settings).unwrap();
    let back: Settings = serde_json::from_str(&kept).unwrap();
    if serde_json::to_string(&back).unwrap() != kept {
        return Some(format!("{name} is not read back: {kept}"));
    }
    let quoted = serde_json::to_string(text).unwrap();
    let is_used = !text.trim().is_empty() && kept.contains(&quoted);
    if COMMANDS.contains(&name) && is_used && find_hidden(text).is_some() {
        return Some(format!("{name} is a command that hides something"));
    }
    // A file of a repository never grants trust.
    (!settings.trust.folders.is_empty()).then(|| format!("{name} grants trust"))
}

/// Describes a mistake in the messages about settings that were refused, as a terminal gets them.
fn wrong_in_problems(problems: &[ConfigProblem]) -> Option<String> {
    let short = problems[0].to_string();
    let long = terminal_safe(&rendered(problems));
    for said in [&short, &long] {
        if let Some(hidden) = find_hidden(said) {
            return Some(format!("the message has {:?}: {said}", hidden.character));
        }
        if !said.contains(FILE_NAME) {
            return Some(format!("the message names no file: {said}"));
        }
    }
    (short.lines().count() != 1).then(|| format!("more than one line: {short}"))
}
