//! Feeds the fuzz targets with the kept corpus and with changes of it, a fixed number of each.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET` looks for more; an input that fails is kept in
//! the corpus with its fix.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[allow(unreachable_pub)]
#[path = "../fuzz/targets.rs"]
mod targets;

/// The changed inputs for each file of the corpus.
const CHANGES: usize = 40;

/// Pieces that parsers of plans, JSON and git's output care about.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\r\n",
    b"\t",
    b"```",
    b"\"\"\"",
    b"{{",
    b"../",
    b"-1",
    b"1e309",
    b"18446744073709551615",
    b"null",
    b"[]",
    b"{}",
    b"true",
    b"[[task]]",
    b"- run: x",
    b"blocked by #1",
    b"1. [A] t\n",
    b"\n\n",
    b"    ",
    b"|",
    b"<b>",
];

#[test]
fn no_input_of_the_corpus_makes_a_target_fail() {
    for (name, target) in targets::TARGETS {
        for (file, seed) in corpus(name) {
            assert_holds(name, &file, *target, &seed);
        }
    }
}

#[test]
fn no_change_of_the_corpus_makes_a_target_fail() {
    let mut random = fastrand::Rng::with_seed(15);
    for (name, target) in targets::TARGETS {
        let corpus = corpus(name);
        // What libFuzzer found is fed as it is.
        let seeds = corpus
            .iter()
            .filter(|(file, _)| !file.starts_with("found-"));
        for (file, seed) in seeds {
            for _ in 0..CHANGES {
                let mut input = seed.clone();
                for _ in 0..random.usize(1..6) {
                    change(&mut input, &mut random);
                }
                assert_holds(name, file, *target, &input);
            }
        }
    }
}

#[track_caller]
fn assert_holds(name: &str, file: &str, target: fn(&[u8]), input: &[u8]) {
    let input = input.to_vec();
    if catch_unwind(|| target(&input)).is_err() {
        let kept = std::env::temp_dir().join(format!("dispatch-fuzz-{name}"));
        let _ = fs::write(&kept, &input);
        panic!(
            "{name} fails on a change of {file}, kept in {}",
            kept.display()
        );
    }
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    assert!(!files.is_empty(), "{} has no files", folder.display());
    files.sort();
    files
}

fn change(input: &mut Vec<u8>, random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let end = (at + random.choice([1, 1, 3, 10, 60]).unwrap_or(1)).min(input.len());
    match random.u8(..7) {
        0 => drop(input.drain(at..end)),
        1 => insert(input, at, random.choice(WORDS).unwrap()),
        2 => {
            let part = input[at..end].repeat(random.choice([1, 2, 20]).unwrap());
            insert(input, at, &part);
        }
        3 => {
            input.drain(at..end);
            insert(input, at, random.choice(WORDS).unwrap());
        }
        4 if !input.is_empty() => input[at.min(end.saturating_sub(1))] = random.u8(..),
        5 => input.truncate(at),
        _ => {
            let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
            random.shuffle(&mut lines);
            *input = lines.join(&b'\n');
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}
