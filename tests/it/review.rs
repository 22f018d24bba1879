//! `dispatch review`: its output and the user's answers.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::Scene;

/// #1 reports, #2 meets it, #3 adds a binary file and takes one away.
const THREE: &str = "# Shop
1. [A] First
   - check: test -e a.txt
   - run: echo a > a.txt; sed -i s/two/2/ src/app.ts; printf '{\"summary\":\"did a\",\"decisions\":[\"chose a\"],\"issues\":[\"no test\"]}' > $DISPATCH_RESULT_FILE
2. [B] Second
   - run: sed -i s/two/zwei/ src/app.ts
3. [C] Third
   - run: printf 'a\\000b' > c.bin; git rm -q README.md
";

fn reviewed() -> Scene {
    let scene = Scene::new();
    scene.run(THREE, &[]).expect(4);
    scene
}

#[test]
fn away_from_a_terminal_everything_is_shown_and_nothing_asked() {
    let scene = reviewed();
    let journal = scene.rev(&format!("refs/dispatch/runs/{}", scene.run_name()));
    let ended = scene.dispatch(&["review"]).expect(0);
    insta::assert_snapshot!(ended.out, @r#"
    #1 [A] First (1 of 3)
      2 files, +2 −1
        +1 −0  a.txt
        +1 −1  src/app.ts
      summary: did a
      decision: chose a
      issue: no test
      check: passed test -e a.txt
      conflict: with #2 (content)

    #2 [B] Second (2 of 3)
      1 file, +1 −1
        +1 −1  src/app.ts
      conflict: with #1 (content)
      left out: content conflict with #1 in src/app.ts

    #3 [C] Third (3 of 3)
      2 files, +0 −1
         +0 −1  README.md
        binary  c.bin
    "#);
    assert!(
        ended.err.contains("not a terminal: nothing was changed"),
        "{}",
        ended.err
    );
    assert_eq!(
        scene.rev(&format!("refs/dispatch/runs/{}", scene.run_name())),
        journal
    );
}

#[test]
fn programs_get_the_same_as_values_that_fit_the_schema() {
    let scene = reviewed();
    let ended = scene.dispatch(&["review", "--json"]).expect(0);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["version"], 1);
    let tasks = found["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 3);
    assert_eq!(
        tasks[0]["files"],
        json!([{"path": "a.txt", "added": 1, "removed": 0}, {"path": "src/app.ts", "added": 1, "removed": 1}])
    );
    assert_eq!(tasks[0]["decisions"], json!(["chose a"]));
    assert_eq!(
        tasks[0]["checks"],
        json!([{"command": "test -e a.txt", "result": "passed"}])
    );
    assert_eq!(tasks[0]["conflicts"][0]["with"], 2);
    assert_eq!(
        tasks[2]["files"][1],
        json!({"path": "c.bin", "added": null, "removed": null})
    );
    let merged = tasks.iter().map(|task| task["merged"] == true);
    assert_eq!(merged.filter(|merged| *merged).count(), 2);
    assert!(tasks.iter().any(|task| {
        task["left_out"]
            .as_str()
            .is_some_and(|why| why.contains("content conflict"))
    }));
    let schema: Value =
        serde_json::from_str(&scene.dispatch(&["review", "--schema"]).expect(0).out).unwrap();
    let fields = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(&schema["properties"]), fields(&found));
    let task = &schema["$defs"]["Task"]["properties"];
    assert_eq!(fields(task), fields(&tasks[0]));
}

/// Runs `dispatch review` on a terminal of its own and types these lines.
fn on_a_terminal(scene: &Scene, typed: &str) -> Option<String> {
    let typescript = scene.root.join("typescript");
    let command = format!(
        "{} review {}",
        env!("CARGO_BIN_EXE_dispatch"),
        scene.run_name()
    );
    let mut child = scene
        .command("script")
        .args(["-q", "-e", "-c", &command])
        .arg(&typescript)
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&ended.stdout).into_owned())
}

#[test]
fn before_a_conflicting_result_is_accepted_its_fate_is_shown() {
    let scene = reviewed();
    let Some(said) = on_a_terminal(&scene, "a\na\na\n") else {
        return;
    };
    let hint = "if accepted, #2 stays left out until its conflict with #1 is resolved";
    assert_eq!(said.matches("if accepted, ").count(), 1, "{said}");
    assert!(said.contains(hint), "{said}");
}

#[test]
fn a_task_that_is_sent_back_is_tried_again_with_the_comment_in_its_prompt() {
    let scene = Scene::new();
    let plan = "# Two
1. [A] First
   - run: echo $DISPATCH_ATTEMPT > a.txt
2. [B] Second
   - run: echo b > b.txt
";
    scene.run(plan, &[]).expect(0);
    let Some(said) = on_a_terminal(&scene, "s\nuse a better name\nl\n") else {
        return;
    };
    assert!(said.contains("#1 sent back, #2 left out"), "{said}");
    let tip = scene.branch("integration");
    assert_eq!(scene.git(&["show", &format!("{tip}:a.txt")]), "2");
    assert!(!scene.has(&format!("{tip}:b.txt")));
    let folder = scene.repo.join(".git/dispatch/runs").join(scene.run_name());
    let prompt = fs::read_to_string(folder.join("attempts/1-2/prompt.md")).unwrap();
    assert!(
        prompt.contains("The user reviewed the last attempt and sent it back: use a better name"),
        "{prompt}"
    );
    let json = scene.json();
    assert_eq!(json["tasks"][0]["attempts"], 2);
    assert_eq!(json["integration"]["left_out"][0]["reason"], "by-user");
    // Taken back in, and an empty comment sends nothing back.
    let said = on_a_terminal(&scene, "s\n\na\na\n").unwrap();
    assert!(said.contains("#2 accepted; assembling again"), "{said}");
    assert!(scene.has(&format!("{tip}:b.txt")));
    // Quitting leaves the rest unchanged.
    let said = on_a_terminal(&scene, "q\n").unwrap();
    assert!(said.contains("lands what is assembled"), "{said}");
}

#[test]
fn the_pager_of_the_users_git_shows_the_change() {
    let mut scene = reviewed();
    let seen = scene.root.join("seen");
    scene.write_program(
        ".git/page",
        &format!("#!/bin/sh\ncat > {}\n", seen.display()),
    );
    let pager = scene.repo.join(".git/page").display().to_string();
    set_for_user(&mut scene, "pager.diff", &pager);
    let Some(_) = on_a_terminal(&scene, "d\nq\n") else {
        return;
    };
    let text = fs::read_to_string(&seen).unwrap();
    assert!(text.contains("a.txt"), "{text}");
}

/// Writes a key of the user's own git configuration.
fn set_for_user(scene: &mut Scene, key: &str, value: &str) {
    let file = scene.root.join("gitconfig").display().to_string();
    scene.git(&["config", "--file", &file, key, value]);
    scene.set_env("GIT_CONFIG_GLOBAL", &file);
}

#[test]
fn a_pager_that_a_worker_may_have_configured_is_not_started() {
    let scene = reviewed();
    let seen = scene.root.join("seen");
    let pager = format!("touch {}", seen.display());
    scene.git(&["config", "pager.diff", &pager]);
    scene.git(&["config", "core.pager", &pager]);
    if on_a_terminal(&scene, "d\nq\n").is_some() {
        assert!(!seen.exists());
    }
}

#[test]
fn delta_shows_the_change_where_the_users_git_is_configured_for_it() {
    let mut scene = reviewed();
    let seen = scene.root.join("seen");
    let pagers = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pagers");
    let path = std::env::var("PATH").unwrap();
    scene.set_env("PATH", &format!("{pagers}:{path}"));
    scene.set_env("DELTA_SAW", seen.to_str().unwrap());
    set_for_user(&mut scene, "core.pager", "delta");
    let Some(_) = on_a_terminal(&scene, "d\nq\n") else {
        return;
    };
    let text = fs::read_to_string(&seen).unwrap();
    assert!(text.contains("a.txt"), "{text}");
}

#[test]
fn what_was_built_on_a_task_that_is_sent_back_is_named_before_it_is_done_again() {
    let scene = Scene::new();
    let plan = "# Chain
1. [A] First
   - run: echo $DISPATCH_ATTEMPT > a.txt
2. [B] Second — blocked by #1
   - run: cat a.txt > b.txt
3. [C] Third — blocked by #2
   - run: cat b.txt > c.txt
4. [D] Free
   - run: echo d > d.txt
";
    scene.run(plan, &[]).expect(0);
    let Some(said) = on_a_terminal(&scene, "s\nmore of it\na\na\na\n") else {
        return;
    };
    let before = said.find("#2 and #3, which were built on #1, would be done again, too");
    let question = said.find("Message for the worker:");
    assert!(before.is_some() && before < question, "{said}");
    assert!(
        said.contains("#2 and #3, which were built on #1, are done again, too"),
        "{said}"
    );
    let attempts = |task: usize| scene.json()["tasks"][task]["attempts"].clone();
    assert_eq!([0, 1, 2, 3].map(attempts), [2, 2, 2, 1]);
    let tip = scene.branch("integration");
    assert_eq!(scene.git(&["show", &format!("{tip}:c.txt")]), "2");
}
