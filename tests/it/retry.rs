//! The user's decisions about a task that did not pass: retry with another prompt or worker,
//! continue in place, skip, undo a skip; and flaky tasks.

use std::fs;

use crate::harness::{FAST_RETRIES, Scene};

/// A worker that copies what it is told, and one that fails.
const WORKERS: &str = "\
[workers.copy]
command = [\"sh\", \"-c\", \"cp \\\"$DISPATCH_PROMPT_FILE\\\" told.md\"]
[workers.fail]
command = [\"sh\", \"-c\", \"echo draft > draft.txt; echo no schema; exit 1\"]
";

const PLAN: &str = "\
# Asked

1. [A] First
   - worker: fail

   Do the first thing.
2. [B] Second — blocked by #1
   - run: test -e told.md && touch b.txt
3. [C] Third — blocked by #2
   - run: touch c.txt
";

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.configure(WORKERS);
    let editor = "#!/bin/sh\ncp \"$1\" ../shown.md\nsed -i 's/first thing/second thing/' \"$1\"\n";
    let path = scene.root.join("editor");
    fs::write(&path, editor).unwrap();
    scene.set_env("GIT_EDITOR", &format!("sh {}", path.display()));
    scene
}

#[test]
fn a_retry_takes_another_worker_and_a_prompt_from_the_editor() {
    let scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    assert_eq!(
        scene.statuses(),
        "1 FAILED · 2 BLOCKED by #1 · 3 BLOCKED by #2"
    );
    scene
        .dispatch(&["retry", "1", "--edit", "--worker", "copy"])
        .expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    let told = scene.git(&["show", &format!("{}:told.md", scene.branch("a"))]);
    assert!(
        told.contains("\nTask:\nDo the second thing.\nOutput:\n"),
        "{told}"
    );
    let shown = fs::read_to_string(scene.root.join("shown.md")).unwrap();
    assert!(shown.starts_with("Do the first thing.\n\n---"), "{shown}");
    assert!(
        shown.ends_with("#1 [A] First\nworker: fail\nfailed: no schema\n"),
        "{shown}"
    );
    assert_eq!(scene.json()["tasks"][0]["worker"], "copy");
    let draft = format!("refs/dispatch/attempts/{run}/a/1:draft.txt");
    assert_eq!(scene.git(&["show", &draft]), "draft");
}

#[test]
fn what_cannot_be_asked_for_changes_nothing() {
    let mut scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    let before = scene.rev(&format!("refs/dispatch/runs/{run}"));
    let said = |scene: &Scene, args: &[&str]| {
        let args = [&["retry", run.as_str(), "1"], args].concat();
        scene.dispatch(&args).expect(1).err
    };
    assert!(said(&scene, &["--worker", "copier"]).contains("has no worker \"copier\""));
    assert!(said(&scene, &["--worker", "shell"]).contains("has no `run` command"));
    for (editor, expected) in [
        ("false", "ended with exit status: 1"),
        ("truncate -s 0", "the prompt is empty"),
    ] {
        scene.unset_env("GIT_EDITOR");
        scene.set_env("GIT_EDITOR", editor);
        let err = said(&scene, &["--edit"]);
        assert!(err.contains(expected), "{err}");
    }
    assert_eq!(scene.rev(&format!("refs/dispatch/runs/{run}")), before);
}

#[test]
fn a_prompt_that_the_editor_left_unchanged_is_asked_about() {
    let mut scene = scene();
    scene.unset_env("GIT_EDITOR");
    scene.set_env("GIT_EDITOR", "true");
    scene.run(PLAN, &[]).expect(3);
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let before = scene.rev(&journal);
    let asked = scene.dispatch(&["retry", "1", "--edit"]).expect(2);
    let question = "The prompt of #1 is unchanged. Retry with it?";
    assert!(asked.err.contains(question), "{}", asked.err);
    assert_eq!(scene.rev(&journal), before);
    scene
        .dispatch(&["retry", "1", "--edit", "--worker", "copy", "--yes"])
        .expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
}

#[test]
fn a_retry_may_go_on_in_the_worktree_of_the_attempt_before() {
    let scene = Scene::new();
    let script = "\
if [ $DISPATCH_ATTEMPT = 1 ]; then
  echo one > one.txt; git add one.txt; git commit -qm one; echo two > two.txt; echo warm > cache.log; exit 1
fi
cp $DISPATCH_PROMPT_FILE told.md
git status --porcelain two.txt > status.txt
cat one.txt two.txt cache.log > all.txt
";
    fs::write(scene.root.join("work.sh"), script).unwrap();
    let command = scene.root.join("work.sh");
    scene.configure(&format!(
        "[workers.steady]\ncommand = [\"sh\", \"{}\"]\nretry_in_place = true\n",
        command.display()
    ));
    let plan = "# P\n\n1. [A] Work\n   - worker: steady\n";
    scene.run(plan, &[]).expect(3);
    let run = scene.run_name();
    let next = scene.dispatch(&["prompt", "1", "--next"]).expect(0).out;
    scene.dispatch(&["retry", "1"]).expect(0);
    let branch = scene.branch("a");
    assert_eq!(
        scene.git(&["show", &format!("{branch}:all.txt")]),
        "one\ntwo\nwarm"
    );
    assert_eq!(
        scene.git(&["show", &format!("{branch}:status.txt")]),
        "A  two.txt"
    );
    let told = scene.git(&["show", &format!("{branch}:told.md")]);
    assert_eq!(told, next.trim_end());
    assert!(
        told.contains("are still in your working directory: continue from there"),
        "{told}"
    );
    let subjects = scene.git(&["log", "--format=%s", &format!("main..{branch}")]);
    assert_eq!(subjects, "one\none");
    let kept = format!("refs/dispatch/attempts/{run}/a/1");
    assert_eq!(
        scene.git(&["log", "-1", "--format=%s", &kept]),
        "Uncommitted work of attempt 1 at #1"
    );
    assert!(!scene.worktree("a-2").exists());
    assert_eq!(
        scene.json()["tasks"][0]["worktree"],
        format!("../shop.dispatch/{run}/a")
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("a").exists());
    assert!(!scene.has(&branch));
}

#[test]
fn a_clean_tree_is_taken_where_going_on_would_start_from_other_results() {
    let scene = Scene::new();
    scene.configure(
        "[workers.steady]\ncommand = [\"sh\", \"-c\", \"test -e ready.txt || { touch draft.log; exit 1; }; touch done.txt\"]\nretry_in_place = true\n",
    );
    let plan = "# P\n\n1. [A] Base\n   - run: test $DISPATCH_ATTEMPT = 1 || touch ready.txt; touch a.txt\n\
                2. [B] Work — blocked by #1\n   - worker: steady\n";
    scene.run(plan, &[]).expect(3);
    scene.dispatch(&["retry", "1"]).expect(0);
    assert!(scene.worktree("b").join("draft.log").exists());
    assert!(!scene.worktree("b-2").join("draft.log").exists());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
}

#[test]
fn a_task_that_passes_with_what_it_failed_with_is_flaky_and_said_to_be() {
    let scene = Scene::new();
    let works = scene.root.join("works");
    let plan = format!(
        "# P\n\n1. [A] Work\n   - run: echo a > a.txt\n   - check: test -e {}\n\
         2. [B] Broken\n   - run: echo b > b$DISPATCH_ATTEMPT.txt; exit 1\n",
        works.display()
    );
    scene.run(&plan, &[]).expect(3);
    fs::write(&works, "").unwrap();
    scene.dispatch(&["retry", "1"]).expect(3);
    let failure = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    assert!(failure.contains("| 1 | Work | DONE (flaky) |"), "{failure}");
    let task = &scene.json()["tasks"][0];
    assert_eq!(task["flaky"], true);
    assert_eq!(
        task["note"],
        "(flaky: attempt 1 failed with the same files)"
    );
    let complete = scene.dispatch(&["skip", "2"]).expect(0).out;
    let said = "• Dispatch on #1: flaky: attempt 1 failed with the same files, attempt 2 passed";
    assert!(complete.contains(said), "{complete}");
    assert!(scene.board().contains("flaky"), "{}", scene.board());
}

#[test]
fn what_was_skipped_together_comes_back_together() {
    let scene = Scene::new();
    scene.write(".dispatch.toml", FAST_RETRIES);
    let plan = "# P\n\n1. [A] a\n   - run: exit 1\n2. [B] b\n   - run: exit 1\n\
                3. [C] c — blocked by #1, #2\n   - run: touch c\n4. [D] d — blocked by #1\n   - run: touch d\n";
    scene.run(plan, &[]).expect(3);
    scene.dispatch(&["skip", "1", "--cascade"]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 SKIPPED · 2 FAILED · 3 SKIPPED · 4 SKIPPED"
    );
    scene.dispatch(&["retry", "2"]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 SKIPPED · 2 FAILED · 3 SKIPPED · 4 SKIPPED"
    );
    scene.dispatch(&["skip", "1", "--no-cascade"]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 SKIPPED · 2 FAILED · 3 BLOCKED by #2 · 4 DONE"
    );
    scene.dispatch(&["skip", "2", "--no-cascade"]).expect(0);
    assert_eq!(scene.statuses(), "1 SKIPPED · 2 SKIPPED · 3 DONE · 4 DONE");
}

#[test]
fn a_retry_brings_no_task_back_that_was_never_chosen() {
    let scene = Scene::new();
    let plan = "# P\n\n1. [A] a\n   - run: test $DISPATCH_ATTEMPT = 2 && touch a\n2. [B] b — blocked by #1\n   - run: touch b\n";
    scene.run(plan, &["--only", "1"]).expect(3);
    scene.dispatch(&["retry", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 SKIPPED");
}

#[test]
fn an_editor_that_needs_a_terminal_is_not_opened_without_one() {
    let scene = Scene::new();
    scene.run("1. [A] a\n   - run: exit 1\n", &[]).expect(3);
    let ended = scene.dispatch(&["retry", "A", "--edit"]).expect(1);
    let said = "cannot open an editor: not a terminal";
    assert!(ended.err.contains(said), "{}", ended.err);
    let usage = scene.dispatch(&["tell", "A"]).expect(2);
    assert!(
        usage.err.contains("tell needs a task and a text"),
        "{}",
        usage.err
    );
}
