//! Checks that an attempt reads nothing of which there is more when there are more tasks: a list of all
//! worktrees, branches or attempts.

use std::fs;
use std::path::{Path, PathBuf};

/// Calls that read or go over something of every task.
const LISTS: [&str; 10] = [
    ".worktrees()",
    ".worktrees_changed_since(",
    ".worktrees_on(",
    ".checkouts()",
    ".checkouts_of(",
    ".references(",
    "\"for-each-ref\"",
    "plan.tasks()",
    "state.tasks",
    "subfolders(&run",
];

/// Lines that may do so, and why.
const ALLOWED: [(&str, &str, &str); 13] = [
    (
        "attempt/accept.rs",
        "plan.tasks()",
        "only for a commit that claims to be another task's",
    ),
    (
        "attempt/elsewhere/nested.rs",
        "worktrees",
        "only after `git worktree` of the worker's own",
    ),
    (
        "attempt/elsewhere/mod.rs",
        "for-each-ref",
        "only for a commit that was left somewhere",
    ),
    (
        "attempt/elsewhere/stash_entries.rs",
        "plan.tasks()",
        "only for a stash entry of another branch",
    ),
    (
        "attempt/elsewhere/stash_entries.rs",
        "checkouts_of(",
        "only for a stash entry of another branch",
    ),
    (
        "attempt/stash_uses.rs",
        "subfolders(&run",
        "only after `git stash` of the worker's own",
    ),
    (
        "worktree/prepare.rs",
        "checkouts_of(",
        "only for a retry, whose branch exists",
    ),
    (
        "worktree/prepare.rs",
        "worktrees_on(",
        "only for a retry, whose branch exists",
    ),
    (
        "worktree/prepare.rs",
        "plan.tasks()",
        "only for a retry, whose branch exists",
    ),
    (
        "worktree/edits_by_hand.rs",
        ".worktrees()",
        "only for a repository that was made by hand in the worktree of the assembly",
    ),
    (
        "worktree/remove.rs",
        "repo.worktrees()",
        "only for a worktree that goes to make room, which a list of all was searched for",
    ),
    (
        "worktree/remove.rs",
        "state.tasks",
        "only for a commit that the attempts there do not know",
    ),
    (
        "worktree/remove.rs",
        "for-each-ref",
        "only for a commit that no attempt knows",
    ),
];

#[test]
fn no_attempt_reads_a_list_that_grows_with_the_tasks() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let mut files = Vec::new();
    for room in ["attempt", "worktree", "spec"] {
        list(&engine.join(room), &mut files);
    }
    assert!(files.len() > 40, "only {} files were found", files.len());
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let texts: Vec<String> = texts.collect();
    let found: Vec<String> = files
        .iter()
        .zip(&texts)
        .flat_map(|(file, text)| unexplained(file, text))
        .collect();
    assert!(
        found.is_empty(),
        "lists of everything:\n{}\n",
        found.join("\n")
    );
    for (place, part, why) in ALLOWED {
        assert!(!why.is_empty());
        let mut all = files.iter().zip(&texts);
        let is_used = all.any(|(file, text)| {
            file.ends_with(place) && lists(text).any(|(_, line)| line.contains(part))
        });
        assert!(is_used, "nothing in {place} needs to be allowed: {part:?}");
    }
}

#[test]
fn a_list_of_everything_is_found() {
    let text = "fn a() {\n    let all = repo.worktrees();\n}\n";
    assert_eq!(
        unexplained(Path::new("src/engine/attempt/new.rs"), text).len(),
        1
    );
}

fn unexplained(file: &Path, text: &str) -> Vec<String> {
    let is_allowed = |line: &str| {
        let mut allowed = ALLOWED.iter();
        allowed.any(|(place, part, _)| file.ends_with(place) && line.contains(part))
    };
    let found = lists(text).filter(|(_, line)| !is_allowed(line));
    let shown = found.map(|(number, line)| {
        let file = file.display();
        format!("{file}:{}: {}", number + 1, line.trim())
    });
    shown.collect()
}

/// Lists the lines of a text with such calls, those of its tests aside, each with its place.
fn lists(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let own = text.split("\nmod tests {").next().unwrap_or_default();
    own.lines().enumerate().filter(|(_, line)| {
        let has = LISTS.iter().any(|call| line.contains(call));
        has && !line.trim_start().starts_with("//")
    })
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => list(&path, files),
            false => files.push(path),
        }
    }
}
