//! The example file, generated from the keys.

use std::collections::BTreeSet;
use std::path::Path;

use super::{settings, sources};
use crate::config::worker_keys::WORKER_KEYS;
use crate::config::*;

/// Uncomments `#key = …` with its further lines; `# text` stays a comment.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with("  ") || !rest.starts_with([' ', '#']) => {
            format!("{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_is_generated_from_the_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".dispatch.toml.example");
    if std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, reference::example()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == reference::example(),
        "the example is out of date; run again with DISPATCH_BLESS=1"
    );
}

#[test]
fn the_example_sets_nothing_until_it_is_uncommented() {
    let example = reference::example();
    assert_eq!(settings(&example), Settings::default());
    assert_ne!(uncommented(&example), example);
}

#[test]
fn the_example_uncommented_is_the_defaults() {
    let named = Sources {
        is_explicit: true,
        ..sources(&uncommented(&reference::example()))
    };
    assert_eq!(resolve(&named).unwrap(), Settings::default());
}

#[test]
fn the_example_has_a_line_for_every_key_and_every_worker() {
    let parsed: toml::Table = uncommented(&reference::example()).parse().unwrap();
    for key in Settings::KEYS {
        assert!(parsed[key.table].get(key.name).is_some(), "{key:?}");
    }
    let workers = parsed["workers"].as_table().unwrap();
    for key in WORKER_KEYS {
        assert!(workers["claude"].get(key.name).is_some(), "{key:?}");
    }
    let names: BTreeSet<_> = workers.keys().cloned().collect();
    assert_eq!(names, builtin::workers().into_keys().collect());
}

#[test]
fn every_key_has_a_meaning_that_reads_as_sentences() {
    for meaning in Settings::KEYS
        .iter()
        .map(|key| (key.name, key.meaning()))
        .chain(WORKER_KEYS.iter().map(|key| (key.name, key.meaning())))
    {
        assert!(meaning.1.ends_with('.'), "{meaning:?}");
        assert!(meaning.1.len() <= 300, "{meaning:?}");
    }
}
