//! Consent to the settings that a repository brings.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::Scene;

const SETTINGS: &str =
    "[worktree]\nsetup = [\"touch ../../../set-up\"]\n\n[assemble]\ncheck = \"true\"\n";

const PLAN: &str = "# P\n1. [A] One\n   - run: echo a > a.txt\n";

/// A repository of somebody else, with a settings file that runs something.
fn stranger(settings: &str) -> Scene {
    let mut scene = Scene::new();
    scene.unset_env("DISPATCH_TRUST_FOLDERS");
    scene.set_env("DISPATCH_TRUST_FOLDERS", "");
    scene.write(".dispatch.toml", settings);
    scene.commit("Settings");
    // A clone has no log of the commits that were made elsewhere.
    scene.git(&["reflog", "expire", "--expire=now", "--all"]);
    scene.write("plan.md", PLAN);
    scene
}

#[test]
fn settings_that_the_user_committed_here_before_the_first_run_need_no_question() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_TRUST_FOLDERS", "");
    scene.write(".dispatch.toml", SETTINGS);
    scene.commit("Settings");
    scene.write("plan.md", PLAN);
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    assert!(scene.root.join("set-up").exists());
    // A worker of the first run could have made the next commit.
    scene.write(".dispatch.toml", &SETTINGS.replace("touch", "curl"));
    scene.commit("Other settings");
    let refused = scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    assert!(
        refused.err.contains("changes that you have not agreed to"),
        "{}",
        refused.err
    );
}

#[test]
fn places_and_permissions_need_consent_even_if_the_user_committed_them() {
    for settings in [
        "[board]\nfile = \".gitattributes\"\n",
        "[worktree]\npath = \"../elsewhere/{run}/{task}\"\n",
        "[run]\nmax_depth = 1\n",
    ] {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_TRUST_FOLDERS", "");
        scene.write(".dispatch.toml", settings);
        scene.commit("Settings");
        scene.write("plan.md", PLAN);
        scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    }
}

#[test]
fn settings_that_a_worker_commits_need_consent() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_TRUST_FOLDERS", "");
    scene.write("plan.md", PLAN);
    scene.commit("A plan");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    scene.write(".dispatch.toml", SETTINGS);
    scene.commit("Settings");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
}

#[test]
fn settings_that_came_by_a_merge_or_below_an_own_commit_need_consent() {
    for how in [
        &["merge", "--no-edit", "theirs"][..],
        &["reset", "--hard", "theirs"],
    ] {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_TRUST_FOLDERS", "");
        scene.write("a.txt", "a\n");
        scene.commit("Base");
        scene.git(&["clone", "--quiet", ".", "../other"]);
        let other = scene.root.join("other");
        std::fs::write(other.join(".dispatch.toml"), SETTINGS).unwrap();
        let there = |args: &[&str]| {
            let place = other.display().to_string();
            let as_somebody = ["-c", "user.name=Eve", "-c", "user.email=eve@example.com"];
            scene.git(&[&["-C", &place], &as_somebody[..], args].concat());
        };
        there(&["add", "-A"]);
        there(&["commit", "--quiet", "-m", "Settings"]);
        scene.git(&["fetch", "--quiet", "../other", "HEAD:theirs"]);
        scene.git(how);
        scene.write("b.txt", "b\n");
        scene.commit("An own commit");
        scene.write("plan.md", PLAN);
        scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    }
}

#[test]
fn settings_run_nothing_before_the_user_has_agreed() {
    let scene = stranger(SETTINGS);
    let shown = scene.dispatch(&["run", "plan.md", "--dry-run"]).expect(0);
    let (shown, _) = shown.out.rsplit_once("\n\n").unwrap();
    insta::assert_snapshot!(shown, @r"
    P

    #1 [A] One
       run: echo a > a.txt

    Settings of this repository (.dispatch.toml), not agreed to yet
       assemble.check: true
       worktree.setup: touch ../../../set-up
    ");
    let refused = scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    insta::assert_snapshot!(refused.err, @r"
    warning: the checkout has uncommitted changes; they are NOT part of the base and stay untouched
    error: .dispatch.toml has settings that you have not agreed to
    hint: `dispatch trust` shows what they run, and asks; `--config FILE` is consent to one file
    ");
    let asked = scene.dispatch(&["trust"]).expect(2);
    insta::assert_snapshot!(format!("{}{}", asked.out, asked.err), @r#"
    Settings of this repository (.dispatch.toml), not agreed to yet
       assemble.check: true
       worktree.setup: touch ../../../set-up
    error: cannot ask for confirmation: not a terminal
    hint: add `--yes` to answer "Trust these settings?" with yes
    "#);
    assert!(!scene.root.join("set-up").exists());
    assert_eq!(scene.git(&["for-each-ref", "refs/dispatch"]), "");

    scene.dispatch(&["trust", "--yes"]).expect(0);
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    let common = scene.repo.join(".git").display().to_string();
    assert_eq!(
        scene.dispatch(&["trust", "--list"]).out,
        format!("{common}\n")
    );
    scene.dispatch(&["trust", "--revoke"]).expect(0);
    assert_eq!(scene.dispatch(&["trust", "--list"]).out, "");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
}

/// Runs dispatch on a terminal and types this; `None` without the program `script`.
fn typed(scene: &Scene, args: &str, typed: &str) -> Option<String> {
    let command = format!("{} {args}", env!("CARGO_BIN_EXE_dispatch"));
    let mut child = scene
        .command("script")
        .args(["-q", "-e", "-c", &command])
        .arg(scene.root.join("typescript"))
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    drop(keyboard);
    let ended = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&ended.stdout).into_owned())
}

#[test]
fn the_question_before_a_run_shows_the_settings_and_records_the_answer() {
    let scene = stranger(SETTINGS);
    let Some(said) = typed(&scene, "run plan.md", "n\n") else {
        return;
    };
    assert!(
        said.contains("worktree.setup: touch ../../../set-up"),
        "{said}"
    );
    assert!(said.contains("not agreed to yet"), "{said}");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    let said = typed(&scene, "run plan.md", "y\n").unwrap();
    assert!(scene.root.join("set-up").exists(), "{said}");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
}

#[test]
fn an_edit_asks_again_and_shows_the_difference() {
    let scene = stranger(SETTINGS);
    scene.dispatch(&["trust", "--yes"]).expect(0);
    scene.write(".dispatch.toml", &SETTINGS.replace("touch", "curl"));
    let refused = scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
    insta::assert_snapshot!(refused.err, @r"
    warning: the checkout has uncommitted changes; they are NOT part of the base and stay untouched
    error: .dispatch.toml has changes that you have not agreed to
    hint: `dispatch trust` shows what they run, and asks; `--config FILE` is consent to one file
    ");
    let shown = scene.dispatch(&["trust", "--yes"]).expect(0);
    insta::assert_snapshot!(shown.out, @r#"
    Settings of this repository (.dispatch.toml), changed since you agreed to them
       assemble.check: true
       worktree.setup: curl ../../../set-up

    The change
         [worktree]
       - setup = ["touch ../../../set-up"]
       + setup = ["curl ../../../set-up"]
    "#);
}

#[test]
fn a_file_named_on_the_command_line_is_consented_to() {
    let scene = stranger("[assemble]\ncheck = \"true\"\n");
    let named = ["run", "plan.md", "--yes", "--config", ".dispatch.toml"];
    scene.dispatch(&named).expect(0);
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(2);
}

#[test]
fn settings_that_only_choose_need_no_consent() {
    let scene = stranger("[run]\nmax_parallel = 1\n");
    scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    let said = scene.dispatch(&["trust"]).expect(0);
    assert_eq!(said.err, "nothing in .dispatch.toml needs your consent\n");
}

#[test]
fn consent_holds_for_one_path_and_its_linked_worktrees() {
    let scene = stranger("[assemble]\ncheck = \"true\"\n");
    scene.dispatch(&["trust", "--yes"]).expect(0);
    let (copy, linked) = (scene.root.join("copy"), scene.root.join("linked"));
    let (copy, linked) = (copy.display().to_string(), linked.display().to_string());
    scene.git(&["clone", "-q", ".", &copy]);
    scene.git(&["worktree", "add", "-q", &linked]);
    let plan = scene.repo.join("plan.md").display().to_string();
    let run = |folder: &str| {
        let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
        let command = command.current_dir(folder).args(["run", &plan, "--yes"]);
        command.output().unwrap().status.code()
    };
    assert_eq!(run(&copy), Some(2));
    assert_eq!(run(&linked), Some(0));
}

#[test]
fn a_program_of_the_repository_is_never_asked_for_its_version() {
    let mut scene = stranger("[workers.claude]\ncommand = [\"bin/claude\"]\n");
    let program = "#!/bin/sh\ntouch \"${0%/*}/../../asked\"\necho 1.2.3\n";
    scene.write_program("bin/claude", program);
    scene.write_program("bin/codex", program);
    let path = std::env::var("PATH").unwrap();
    scene.set_env("PATH", &format!("{}/bin:bin:{path}", scene.repo.display()));
    for _ in 0..2 {
        scene.dispatch(&["workers"]).expect(0);
        scene.dispatch(&["doctor"]).expect(0);
        assert!(!scene.root.join("asked").exists());
        scene.dispatch(&["trust", "--yes"]).expect(0);
    }
}
