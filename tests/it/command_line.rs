//! The command line itself: help, completions, manual pages, and what works outside a repository.

use std::fs;

use crate::docs::{Ended, Place};

/// Returns the shell's completions of the last of these words.
fn complete(place: &Place, folder: &str, words: &[&str]) -> Ended {
    let index = (words.len() - 1).to_string();
    let env = [
        ("DISPATCH_COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", index.as_str()),
        ("_CLAP_IFS", "\n"),
    ];
    let args = [&["--"], words].concat();
    place.run_with(folder, "dispatch", &args, &env)
}

/// Creates a repository with the run of the demo.
fn garden() -> Place {
    let place = Place::new();
    place.succeed(".", "dispatch", &["demo", "--fast", "garden"]);
    place
}

#[track_caller]
fn assert_completes(place: &Place, words: &[&str], wanted: &[&str]) {
    let ended = complete(place, "garden", words);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}");
    let offered: Vec<&str> = ended.out.lines().collect();
    for name in wanted {
        assert!(offered.contains(name), "{words:?}: {offered:?}");
    }
}

#[test]
fn runs_tasks_workers_branches_and_plans_are_completed() {
    let place = garden();
    assert_completes(&place, &["dispatch", "la"], &["land"]);
    assert_completes(&place, &["dispatch", "status", "gar"], &["garden-vrhy"]);
    assert_completes(
        &place,
        &["dispatch", "logs", ""],
        &["POLITE", "garden-vrhy"],
    );
    assert_completes(&place, &["dispatch", "logs", "garden-vrhy", "L"], &["LOUD"]);
    assert_completes(&place, &["dispatch", "cancel", ""], &["garden-vrhy"]);
    assert_completes(
        &place,
        &["dispatch", "assemble", "--leave-out", "L"],
        &["LOUD"],
    );
    assert_completes(
        &place,
        &["dispatch", "retry", "LOUD", "--worker", "c"],
        &["claude", "codex"],
    );
    assert_completes(&place, &["dispatch", "land", "--into", "m"], &["main"]);
    assert_completes(&place, &["dispatch", "run", "P"], &["PLAN.md"]);
    assert_completes(
        &place,
        &["dispatch", "conflicts", "dispatch/"],
        &["dispatch/garden-vrhy/polite"],
    );
    assert_completes(
        &place,
        &["dispatch", "help", "con"],
        &["conflicts", "configuration"],
    );
}

#[test]
fn completions_outside_a_repository_are_empty_and_silent() {
    let place = Place::new();
    for words in [
        &["dispatch", "status", ""][..],
        &["dispatch", "logs", "x"],
        &["dispatch", "land", "--into", "x"],
    ] {
        let ended = complete(&place, ".", words);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}");
        let values = ended.out.lines().filter(|line| !line.starts_with('-'));
        assert_eq!(values.count(), 0, "{words:?}: {}", ended.out);
    }
}

#[test]
fn every_shell_gets_a_script_that_calls_dispatch() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.succeed(".", "dispatch", &["completions", shell]);
        assert!(script.contains("DISPATCH_COMPLETE"), "{shell}: {script}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let place = Place::new();
    let ended = place.run(".", "dispatch", &["man", "--dir", "out/man1"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let page = fs::read_to_string(place.path("out/man1/dispatch-plan-check.1")).unwrap();
    assert!(page.contains("dispatch plan check plan.md"), "{page}");
    let git_page = fs::read_to_string(place.path("out/man1/git-dispatch.1")).unwrap();
    assert_eq!(git_page, ".so man1/dispatch.1\n");
}

#[test]
fn help_workers_and_a_first_configuration_need_no_repository() {
    let place = Place::new();
    let help = place.succeed(".", "dispatch", &["help", "plans"]);
    assert!(help.starts_with("Plans\n\nA plan lists tasks"), "{help}");
    let workers = place.succeed(".", "dispatch", &["workers"]);
    assert!(workers.contains("shell (default)"), "{workers}");
    let printed = place.succeed(".", "dispatch", &["init", "--print"]);
    assert!(printed.contains("[run]\n"), "{printed}");
    let written = place.run(".", "dispatch", &["init"]);
    assert_eq!(written.code, 1, "{}", written.err);
    assert!(
        written.err.contains("not inside a git repository"),
        "{}",
        written.err
    );
}

#[test]
fn an_unknown_command_or_chapter_gets_a_suggestion() {
    let place = Place::new();
    let ended = place.run(".", "dispatch", &["rnu", "plan.md"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("'run'"), "{}", ended.err);
    let ended = place.run(".", "dispatch", &["help", "palns"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("`dispatch help plans`"), "{}", ended.err);
}

#[test]
fn every_invalid_number_exits_alike() {
    let place = garden();
    for value in ["0", "abc", "-1"] {
        for args in [
            vec!["run", "PLAN.md", "--dry-run", "-j", value],
            vec!["logs", "POLITE", "--attempt", value],
            vec!["prompt", "POLITE", "--attempt", value],
        ] {
            let ended = place.run("garden", "dispatch", &args);
            assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
        }
    }
}
