//! Checks the prose of the project: doc comments open with a subject, and odd phrases do not come
//! back.

use std::fs;
use std::path::{Path, PathBuf};

const QUESTION_WORDS: &[&str] = &["What", "Who", "Whether", "How", "Where", "Why"];

/// Banned phrases, and their replacements.
const BANNED: &[(&str, &str)] = &[
    ("a person", "the user, you"),
    ("the person", "the user, you"),
    ("all the same", "anyway"),
    ("anew", "again"),
    ("anybody", "the user, anyone"),
    ("are no", "are not a"),
    ("by itself", "automatically"),
    ("come to its end", "end"),
    ("come to an end", "end"),
    ("comes to an end", "ends"),
    ("comes to its end", "ends"),
    ("for ever", "forever"),
    ("in the way", "blocking"),
    ("in vain", "without success"),
    ("is no", "is not a, invalid"),
    ("is wrong", "invalid"),
    ("let in", "accepted, authenticated"),
    ("nobody", "no worker, no user, nothing"),
    ("somebody", "the user, another process"),
];

/// Longer phrases that may contain a banned one.
const ALLOWED: &[&str] = &[
    "there is no",
    "there are no",
    "is no longer",
    "are no longer",
    "is no more",
    "are no more",
    "is no other",
];

#[test]
fn doc_comments_do_not_open_with_a_question_word() {
    let (mut all, mut odd) = (0, Vec::new());
    for (name, text) in files("src", "rs") {
        for (line, first) in doc_comments(&text) {
            all += 1;
            let word = first.split(|c: char| !c.is_alphanumeric()).next();
            if word.is_some_and(|word| QUESTION_WORDS.contains(&word)) {
                odd.push(format!("{name}:{line}: {first}"));
            }
        }
    }
    assert!(all > 1000, "only {all} doc comments were found");
    assert!(
        odd.is_empty(),
        "{} of {all} doc comments open with a question word:\n{}\n",
        odd.len(),
        odd.join("\n")
    );
}

#[test]
fn sentences_of_doc_comments_begin_with_a_capital() {
    let mut all = Vec::new();
    for (name, text) in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let found = small_openings(&text).into_iter();
        all.extend(found.map(|(line, word)| format!("{name}:{line}: {word}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_sentence_without_a_capital_is_found_with_its_line() {
    let text = "/// Runs it. once\n/// more, e.g. twice. git\n/// ends. 3 are left. `x` is.\n/// It ends.\n/// nothing more\nlet a = 1; // Here. or there\n";
    assert_eq!(
        small_openings(text),
        [(1, "once".to_owned()), (5, "nothing".to_owned())]
    );
}

/// Programs whose names are written small, also at the beginning of a sentence.
const SMALL_NAMES: &[&str] = &["dispatch", "git", "libgit2", "rustup", "tokio"];

/// Returns the words in doc comments that begin a sentence with a small letter, with their lines.
fn small_openings(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_opening = false;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim_start();
        let Some(comment) = text.strip_prefix("///").or(text.strip_prefix("//!")) else {
            is_opening = false;
            continue;
        };
        for word in comment.split_whitespace() {
            let is_small = word.chars().all(|c| c.is_ascii_lowercase() || c == ',');
            if is_opening && is_small && !SMALL_NAMES.contains(&word) {
                found.push((line, word.to_owned()));
            }
            // `e.g.`, and the number of an item in a list.
            let is_other =
                word.matches('.').count() > 1 || word.starts_with(|c: char| c.is_ascii_digit());
            is_opening = word.ends_with('.') && !is_other && word != "etc.";
        }
    }
    found
}

#[test]
fn banned_phrases_do_not_come_back() {
    let mut all = Vec::new();
    for (name, text) in files("src", "rs").into_iter().chain(pages()) {
        let found = banned(&text);
        all.extend(
            found
                .into_iter()
                .map(|(line, what)| format!("{name}:{line}: {what}")),
        );
    }
    assert!(
        all.is_empty(),
        "{} banned phrases:\n{}\n",
        all.len(),
        all.join("\n")
    );
}

#[test]
fn a_banned_phrase_is_found_with_its_line() {
    let text = "It is no plan.\nThere is no plan;\nit is no longer one, /// of a\n/// person's or A PERSON\nisnobody";
    assert_eq!(
        banned(text),
        [
            (1, "\"is no\": write is not a, invalid".to_owned()),
            (3, "\"a person\": write the user, you".to_owned()),
            (4, "\"a person\": write the user, you".to_owned()),
        ]
    );
}

#[test]
fn a_doc_comment_is_read_from_its_first_line() {
    let text = "//! What it is\n//! How\n\n/// A thing\nstruct A; /// Where\n    /// Why\nb";
    let found: Vec<_> = doc_comments(text);
    assert_eq!(found, [(1, "What it is"), (4, "A thing"), (6, "Why")]);
}

/// Returns the first line of each doc comment, with its number.
fn doc_comments(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim_start();
        let comment = text.strip_prefix("///").or(text.strip_prefix("//!"));
        if let (Some(comment), false) = (comment, is_inside) {
            found.push((line, comment.trim()));
        }
        is_inside = comment.is_some();
    }
    found
}

/// Returns the banned phrases of a text with their lines; a phrase may span two lines of a comment.
fn banned(text: &str) -> Vec<(usize, String)> {
    let (words, lines) = words(text);
    let mut found = Vec::new();
    for (phrase, instead) in BANNED {
        let parts: Vec<&str> = phrase.split(' ').collect();
        for at in 0..words.len() {
            if words[at..].starts_with_words(&parts) && !is_allowed(&words, at, phrase) {
                found.push((lines[at], format!("{phrase:?}: write {instead}")));
            }
        }
    }
    found.sort();
    found
}

/// Splits a text into words in lower case, with the line of each.
fn words(text: &str) -> (Vec<String>, Vec<usize>) {
    let mut all = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if !word.is_empty() {
                all.0.push(word.to_lowercase());
                all.1.push(line);
            }
        }
    }
    all
}

fn is_allowed(words: &[String], at: usize, phrase: &str) -> bool {
    ALLOWED.iter().any(|allowed| {
        let offset = match allowed.find(phrase) {
            Some(0) => 0,
            Some(_) => 1,
            None => return false,
        };
        let parts: Vec<&str> = allowed.split(' ').collect();
        at.checked_sub(offset)
            .is_some_and(|from| words[from..].starts_with_words(&parts))
    })
}

trait StartsWithWords {
    fn starts_with_words(&self, parts: &[&str]) -> bool;
}

impl StartsWithWords for [String] {
    fn starts_with_words(&self, parts: &[&str]) -> bool {
        self.len() >= parts.len() && self.iter().zip(parts).all(|(word, part)| word == part)
    }
}

/// Reads the README, the documentation and the help texts.
fn pages() -> Vec<(String, String)> {
    let mut pages = files("docs", "md");
    pages.extend(files("fixtures/help", "txt"));
    for name in ["README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        pages.extend(text.ok().map(|text| (name.to_owned(), text)));
    }
    pages
}

/// Reads the files with this extension under a folder of the project, if there is one.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&top.join(folder), extension, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let name = file.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&file).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
}
