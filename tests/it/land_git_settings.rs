//! `dispatch land` against git's settings, locks and hooks: a landing is what it says, or nothing.

use std::fs;

use crate::harness::Scene;
use crate::mount::skipped;

const ONE: &str = "# One\n1. [A] First\n   - run: echo a > a.txt\n";

fn assembled() -> Scene {
    let scene = Scene::new();
    scene.run(ONE, &[]).expect(0);
    scene
}

#[test]
fn settings_of_git_merge_do_not_change_a_landing() {
    for (key, value) in [
        ("branch.main.mergeoptions", "--squash"),
        ("branch.main.mergeoptions", "-s ours"),
        ("branch.main.mergeoptions", "--no-ff --no-commit"),
        ("merge.ff", "false"),
        ("merge.verifySignatures", "true"),
        ("merge.autoStash", "true"),
        ("commit.cleanup", "scissors"),
    ] {
        let scene = assembled();
        scene.git(&["config", key, value]);
        let ended = scene.dispatch(&["land", "--yes"]).expect(0);
        let tip = scene.rev("main");
        assert!(
            ended.out.contains(&tip[..7]),
            "{key} {value}: {}",
            ended.out
        );
        assert_eq!(scene.git(&["show", "main:a.txt"]), "a", "{key} {value}");
        assert_eq!(scene.git(&["status", "--porcelain"]), "", "{key} {value}");
    }
}

#[test]
fn a_hook_that_refuses_to_move_the_branch_leaves_files_and_index() {
    let scene = assembled();
    let before = scene.fingerprint();
    let hook = "#!/bin/sh\n[ \"$1\" != prepared ] || ! grep -q refs/heads/main || { echo main is closed >&2; exit 1; }\n";
    scene.write_program(".git/hooks/reference-transaction", hook);
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(ended.err.contains("cannot move main: "), "{}", ended.err);
    assert!(ended.err.contains("main is closed"), "{}", ended.err);
    assert!(ended.err.contains("reference-transaction"), "{}", ended.err);
    fs::remove_file(scene.repo.join(".git/hooks/reference-transaction")).unwrap();
    before.assert_same(&scene.fingerprint());
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

/// Hooks that settings name, since git 2.54.
#[test]
fn a_hook_that_settings_name_refuses_a_landing_and_runs_at_nothing_else() {
    let mut scene = Scene::new();
    let mark = scene.root.join("mark").display().to_string();
    let hook = |name: &str, event: &str, command: &str| {
        scene.git(&["config", "--add", &format!("hook.{name}.event"), event]);
        scene.git(&["config", &format!("hook.{name}.command"), command]);
    };
    hook("lint", "pre-merge-commit", "echo not linted >&2; exit 1");
    let listed = scene.try_git(&["hook", "list", "pre-merge-commit"]);
    if listed.code != 0 || !listed.out.contains("lint") {
        return skipped("this git has no hooks in settings");
    }
    let seen = format!("echo $0 >> {mark}; exit 1");
    for event in ["post-checkout", "post-index-change", "post-commit"] {
        hook("see it", event, &seen);
    }
    let ours = format!("grep refs/dispatch >> {mark} && exit 1; exit 0");
    hook("reference-transaction", "reference-transaction", &ours);
    for store in ["libgit2", "git"] {
        scene.set_env("DISPATCH_STORE", store);
        scene.run(ONE, &[]).expect(0);
        assert!(!std::path::Path::new(&mark).exists(), "{store}");
    }
    let before = scene.fingerprint();
    let run = scene.run_names()[0].clone();
    let refused = scene.dispatch(&["land", &run, "--yes"]).expect(1);
    assert!(refused.err.contains("not linted"), "{}", refused.err);
    before.assert_same(&scene.fingerprint());
    scene.git(&["config", "hook.lint.enabled", "false"]);
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn a_target_that_is_not_checked_out_is_moved_with_the_users_hook() {
    let scene = assembled();
    scene.git(&["checkout", "-q", "-b", "elsewhere"]);
    let before = scene.rev("main");
    let asked = scene.root.join("asked").display().to_string();
    let hook = format!(
        "#!/bin/sh\n[ \"$1\" != prepared ] || ! grep refs/heads/main >> {asked} || [ -e {asked}.open ] || {{ echo main is closed >&2; exit 1; }}\n"
    );
    scene.write_program(".git/hooks/reference-transaction", &hook);
    for command in ["land", "unland"] {
        let refused = scene.dispatch(&[command, "--yes"]).expect(1).err;
        for words in [
            "cannot move main: ",
            "main is closed",
            "reference-transaction",
        ] {
            assert!(refused.contains(words), "{refused}");
        }
        fs::write(format!("{asked}.open"), "").unwrap();
        scene.dispatch(&[command, "--yes"]).expect(0);
        fs::remove_file(format!("{asked}.open")).unwrap();
        assert_eq!(scene.rev("main") == before, command == "unland");
    }
    assert!(fs::read_to_string(&asked).unwrap().lines().count() >= 4);
    let log = scene.git(&["reflog", "-2", "--format=%gs", "main"]);
    let run = scene.run_name();
    assert_eq!(log, format!("dispatch unland {run}\ndispatch land {run}"));
}

#[test]
fn the_user_gives_the_message() {
    let scene = assembled();
    let hook = "#!/bin/sh\ngrep -q '^feat: ' \"$1\" || { echo 'the subject needs a type:'; echo 'feat, fix or chore'; exit 1; }\n";
    scene.write_program(".git/hooks/commit-msg", hook);
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    let said = "rejected the landing commit:\n  the subject needs a type:\n  feat, fix or chore";
    assert!(ended.err.contains(said), "{}", ended.err);
    let message = ["land", "--yes", "-m", "feat: first", "-m", "Because."];
    scene.dispatch(&message).expect(0);
    let run = scene.run_name();
    let found = scene.git(&["log", "-1", "--format=%B", "main"]);
    assert_eq!(
        found.trim_end(),
        format!("feat: first\n\nBecause.\n\nDispatch-Run: {run}")
    );
}

#[test]
fn the_message_can_be_a_file_and_not_empty() {
    let scene = assembled();
    scene.write("message", "From a file\n");
    scene
        .dispatch(&["land", "--yes", "--squash", "-F", "absent"])
        .expect(1);
    let ended = scene.dispatch(&["land", "--yes", "-m", " "]).expect(2);
    assert!(ended.err.contains("is empty"), "{}", ended.err);
    scene
        .dispatch(&["land", "--yes", "--squash", "-F", "message"])
        .expect(0);
    assert_eq!(
        scene.git(&["log", "-1", "--format=%s", "main"]),
        "From a file"
    );
}

#[test]
fn hooks_see_the_branch_and_stage_files_of_a_folder() {
    let scene = assembled();
    let hook = "#!/bin/sh\ngit symbolic-ref HEAD > branch.txt && git add branch.txt\ncd src && echo g > gen.txt && git add gen.txt\n";
    scene.write_program(".git/hooks/pre-commit", hook);
    scene.dispatch(&["land", "--yes", "--squash"]).expect(0);
    assert_eq!(scene.git(&["show", "main:branch.txt"]), "refs/heads/main");
    assert_eq!(scene.git(&["show", "main:src/gen.txt"]), "g");
}

#[test]
fn a_landing_leaves_the_folder_of_a_submodule_alone() {
    let scene = Scene::new();
    let part = scene.root.join("part").display().to_string();
    scene.git(&["init", "--quiet", "--initial-branch=main", &part]);
    let commit = |text: &str| {
        let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
        let args = [
            "-C",
            &part,
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            text,
        ];
        scene.git(&[&who[..], &args[..]].concat());
        scene.git(&["-C", &part, "rev-parse", "HEAD"])
    };
    let (second, first) = {
        let first = commit("First");
        (commit("Second"), first)
    };
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &part,
        "part",
    ];
    scene.git(&add);
    scene.git(&["-C", "part", "checkout", "--quiet", &first]);
    scene.commit("A part");
    scene.git(&["config", "submodule.recurse", "true"]);
    let plan = format!(
        "1. [A] a\n   - run: git update-index --cacheinfo 160000,{second},part && git commit -qm up\n"
    );
    scene.run(&plan, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.git(&["rev-parse", "main:part"]), second);
    assert_eq!(scene.git(&["-C", "part", "rev-parse", "HEAD"]), first);
}

#[test]
fn a_hook_that_refuses_to_move_the_branch_back_is_obeyed() {
    let scene = assembled();
    scene.dispatch(&["land", "--yes"]).expect(0);
    let before = scene.fingerprint();
    let hook = "#!/bin/sh\n[ \"$1\" != prepared ] || ! grep -q refs/heads/main || { echo main is closed >&2; exit 1; }\n";
    scene.write_program(".git/hooks/reference-transaction", hook);
    let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
    assert!(ended.err.contains("main is closed"), "{}", ended.err);
    fs::remove_file(scene.repo.join(".git/hooks/reference-transaction")).unwrap();
    before.assert_same(&scene.fingerprint());
}

#[test]
fn a_lock_on_the_target_after_a_refused_landing_is_not_removed() {
    let scene = assembled();
    let hook = "#!/bin/sh\n[ \"$1\" != prepared ] || ! grep -q refs/heads/main || exit 1\n";
    scene.write_program(".git/hooks/reference-transaction", hook);
    scene.dispatch(&["land", "--yes"]).expect(1);
    fs::remove_file(scene.repo.join(".git/hooks/reference-transaction")).unwrap();
    if scene.repo.join(".git/reftable").is_dir() {
        return;
    }
    let lock = scene.repo.join(".git/refs/heads/main.lock");
    fs::write(&lock, "").unwrap();
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(ended.err.contains("main.lock"), "{}", ended.err);
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    scene.dispatch(&["land", "--yes"]).expect(0);
}

#[test]
fn hooks_for_the_message_see_a_merge_and_a_message_in_latin_1_is_read() {
    let scene = Scene::new();
    scene
        .run("1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let file = scene.root.join("message");
    fs::write(&file, b"Merge\n\ncaf\xe9\n").unwrap();
    let file = file.to_str().unwrap();
    let land = || scene.dispatch(&["land", "--yes", "-F", file]);
    let refused = land().expect(1).err;
    for words in ["is not in UTF-8 (line 3)", "iconv -f ENCODING -t UTF-8"] {
        assert!(refused.contains(words), "{refused}");
    }
    scene.git(&["config", "i18n.commitEncoding", "ISO-8859-1"]);
    let see = "#!/bin/sh\ngit rev-parse MERGE_HEAD >> \"$1\"\n";
    scene.write_program(".git/hooks/commit-msg", see);
    scene.write_program(
        ".git/hooks/pre-merge-commit",
        "#!/bin/sh\n! git rev-parse -q --verify MERGE_HEAD\n",
    );
    land().expect(0);
    let message = scene.git(&[
        "-c",
        "i18n.logOutputEncoding=UTF-8",
        "log",
        "-1",
        "--format=%B",
    ]);
    assert!(message.contains("café"), "{message}");
    assert!(
        message.trim_end().ends_with(&scene.rev("HEAD^2")),
        "{message}"
    );
}
