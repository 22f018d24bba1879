//! Prints which of the given branches conflict, and how.
//!
//! ```console
//! $ cargo run --example conflicts -- main feature/x feature/y
//! feature/x and feature/y conflict: content, severity 3
//!   src/app.ts (content)
//! 3 branches, 3 pairs, 1 in conflict
//! ```
//!
//! It exits with 1 if there is a conflict, and with 2 on an error.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use git_dispatch::conflicts::{Branch, Detection, Options, PairVerdict, Repo, detect};

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match compare(Path::new("."), &names) {
        Ok((text, has_conflicts)) => {
            print!("{text}");
            ExitCode::from(u8::from(has_conflicts))
        }
        Err(error) => {
            eprintln!("error: {}", with_causes(&*error));
            ExitCode::from(2)
        }
    }
}

/// Compares branches of the repository that this folder belongs to. Returns a report, and `true`
/// if some conflict.
fn compare(folder: &Path, names: &[String]) -> Result<(String, bool), Box<dyn Error>> {
    if names.len() < 2 {
        return Err("two or more branches are required, for example `main feature/x`".into());
    }
    let repo = Repo::discover(folder)?;
    let branches = names.iter().map(|name| Branch::resolve(&repo, name));
    let branches = branches.collect::<Result<Vec<Branch>, _>>()?;
    let detection = detect(&repo, &branches, &Options::default())?;
    let mut text = String::new();
    for pair in detection.conflicts() {
        write_pair(&mut text, &detection, pair)?;
    }
    let count = detection.conflicts().count();
    let pairs = detection.pairs_total;
    writeln!(
        text,
        "{} branches, {pairs} pairs, {count} in conflict",
        names.len()
    )?;
    Ok((text, count > 0))
}

fn write_pair(to: &mut String, detection: &Detection, pair: &PairVerdict) -> std::fmt::Result {
    let name = |branch: usize| &detection.branches[branch].name;
    let (a, b) = (name(pair.a), name(pair.b));
    let PairVerdict {
        class, severity, ..
    } = pair;
    writeln!(to, "{a} and {b} conflict: {class}, severity {severity}")?;
    if let Some(message) = &pair.failure {
        writeln!(to, "  {message}")?;
    }
    for unit in &pair.units {
        for path in &unit.paths {
            writeln!(to, "  {path} ({})", unit.class)?;
        }
    }
    Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
        let mut git = Command::new("git");
        let status = git.args(who).args(args).current_dir(folder).status();
        assert!(status.unwrap().success(), "git {args:?}");
    }

    fn commit(folder: &Path, text: &str) {
        std::fs::write(folder.join("greeting.txt"), text).unwrap();
        git(folder, &["add", "greeting.txt"]);
        git(folder, &["commit", "--quiet", "--message", "greet"]);
    }

    #[test]
    fn conflicts_are_printed_with_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        git(top, &["init", "--quiet", "--initial-branch=main"]);
        commit(top, "Hello\n");
        for (branch, text) in [("polite", "Good morning\n"), ("short", "Hi\n")] {
            git(top, &["switch", "--quiet", "--create", branch, "main"]);
            commit(top, text);
        }
        let compare = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            compare(top, &names)
        };
        let (text, has_conflicts) = compare(&["main", "polite", "short"]).unwrap();
        assert!(has_conflicts);
        assert_eq!(
            text,
            "polite and short conflict: content, severity 3\n  greeting.txt (content)\n\
             3 branches, 3 pairs, 1 in conflict\n"
        );
        assert!(!compare(&["main", "polite"]).unwrap().1);
        let error = compare(&["main", "unknown"]).unwrap_err();
        assert_eq!(with_causes(&*error), "no commit named \"unknown\"");
    }
}
