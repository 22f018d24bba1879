//! Prints which of the given branches conflict, and how.
//!
//! ```console
//! $ cargo run --example conflicts -- main feature/x feature/y
//! feature/x and feature/y conflict: content, severity 3
//!   src/app.ts (content)
//! 3 branches, 3 pairs: 1 conflicts
//! ```
//!
//! It exits with 1 if there is a conflict, and with 2 on an error.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use git_dispatch::conflicts::{Branch, Detection, Options, PairVerdict, Repo, detect};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::FAILURE,
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(&*error));
            ExitCode::from(2)
        }
    }
}

/// Compares the branches in the arguments; returns `true` if some conflict.
fn run() -> Result<bool, Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.len() < 2 {
        return Err("two or more branches are required, for example `main feature/x`".into());
    }
    let repo = Repo::discover(Path::new("."))?;
    let branches: Result<Vec<Branch>, _> = names
        .iter()
        .map(|name| Branch::resolve(&repo, name))
        .collect();
    let detection = detect(&repo, &branches?, &Options::default())?;
    let conflicts: Vec<&PairVerdict> = detection.conflicts().collect();
    for pair in &conflicts {
        print_pair(&detection, pair);
    }
    println!(
        "{} branches, {} pairs: {} conflicts",
        names.len(),
        detection.pairs_total,
        conflicts.len()
    );
    Ok(!conflicts.is_empty())
}

fn print_pair(detection: &Detection, pair: &PairVerdict) {
    let name = |branch: usize| &detection.branches[branch].name;
    let (a, b) = (name(pair.a), name(pair.b));
    println!(
        "{a} and {b} conflict: {}, severity {}",
        pair.class, pair.severity
    );
    if let Some(message) = &pair.failure {
        println!("  {message}");
    }
    for unit in &pair.units {
        for path in &unit.paths {
            println!("  {path} ({})", unit.class);
        }
    }
}

/// Renders an error with its causes, separated by colons.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
