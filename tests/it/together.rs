//! Several dispatch processes in one repository.

use crate::harness::{Gate, Scene, wait};

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let scene = Scene::new();
    let (mut first, mut second) = (Gate::new(&scene, "first"), Gate::new(&scene, "second"));
    let plan = |gate: &Gate, name: &str| {
        let text = format!(
            "# {name}\n1. [A] a\n   - run: {}; echo {name} > {name}.txt\n2. [B] b — blocked by #1\n   - run: ls > list-{name}.txt\n",
            gate.script()
        );
        scene.plan_named(&format!("{name}.md"), &text)
    };
    let before = scene.fingerprint();
    let (one, two) = (plan(&first, "one"), plan(&second, "two"));
    let one = scene.start(&["run", &one, "--yes"]);
    let two = scene.start(&["run", &two, "--yes"]);
    first.wait_until_reached();
    second.wait_until_reached();
    let history = scene.dispatch(&["history"]).expect(0).out;
    assert_eq!(history.matches(" running ").count(), 2, "{history}");
    second.open();
    first.open();
    wait(one).expect(0);
    wait(two).expect(0);
    before.assert_same(&scene.fingerprint());
    for (run, name) in scene.run_names().iter().zip(["one", "two"]) {
        let file = format!("dispatch/{run}/integration:{name}.txt");
        assert_eq!(scene.git(&["show", &file]), name);
    }
    scene.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn a_run_that_is_driven_is_held_and_can_be_looked_at() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "1. [A] a\n   - run: echo hello; {}; echo a > a.txt\n2. [B] b\n   - run: echo b > b.txt\n",
        gate.script()
    );
    let child = scene.start(&["run", &scene.plan(&plan), "--yes", "-j", "1"]);
    let holder = format!("(process {} on ", child.id());
    gate.wait_until_reached();
    let run = scene.run_name();
    let held: [&[&str]; 7] = [
        &["resume", &run],
        &["retry", &run, "1"],
        &["skip", &run, "2"],
        &["assemble", &run],
        &["land", &run, "--yes"],
        &["clean", &run],
        &["clean", &run, "--dry-run"],
    ];
    for args in held {
        let ended = scene.dispatch(args).expect(5);
        assert!(
            ended
                .err
                .contains(&format!("another dispatch drives {run} {holder}")),
            "{}",
            ended.err
        );
        assert!(
            ended.err.contains("since 2026-11-22T09:14:00Z"),
            "{}",
            ended.err
        );
        let hint = format!("`dispatch status {run}` shows its progress");
        assert!(ended.err.contains(&hint), "{}", ended.err);
    }
    assert_eq!(scene.statuses(), "1 IN PROGRESS · 2 QUEUED");
    for args in [
        &["status"][..],
        &["board"],
        &["show", "1"],
        &["history"],
        &["conflicts"],
    ] {
        scene.dispatch(args).expect(0);
    }
    assert!(
        scene
            .dispatch(&["logs", "1"])
            .expect(0)
            .out
            .contains("hello")
    );
    let ended = scene.dispatch(&["report"]).expect(1);
    assert!(ended.err.contains("has not ended"), "{}", ended.err);
    gate.open();
    wait(child).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
}

/// A worker that commits a few times while it is told how far the others are.
const BUSY: &str =
    "for n in 1 2 3 4 5 6; do echo $n >> FILE; git add FILE; git commit -q -m \"$n\"; done";

#[test]
fn the_users_own_git_goes_on_during_a_run() {
    let scene = Scene::new();
    scene.git(&["clone", "--quiet", "--bare", ".", "../origin.git"]);
    scene.git(&["remote", "add", "origin", "../origin.git"]);
    let mut gate = Gate::new(&scene, "gate");
    let task = |number: u32| {
        let busy = BUSY.replace("FILE", &format!("{number}.txt"));
        format!(
            "{number}. [T{number}] t\n   - run: {busy}; {}; {busy}\n",
            gate.script()
        )
    };
    let plan = scene.plan(&(1..=3).map(task).collect::<String>());
    let run = scene.start(&["run", &plan, "--yes", "-j", "3"]);
    for _ in 0..3 {
        gate.wait_until_reached();
    }
    // Workers stand in the middle of their work: commits that are only theirs, entries, indexes.
    let mine: [&[&str]; 12] = [
        &["status"],
        &["switch", "--quiet", "--create", "mine"],
        &["commit", "--quiet", "--allow-empty", "--message", "Mine"],
        &["branch", "other"],
        &["switch", "--quiet", "main"],
        &["merge", "--quiet", "--no-edit", "mine"],
        &["fetch", "--quiet", "origin"],
        &["worktree", "prune", "--expire", "now"],
        &["gc", "--quiet"],
        &["gc", "--quiet", "--prune=now"],
        &["repack", "-a", "-d", "--quiet"],
        &["pack-refs", "--all", "--prune"],
    ];
    for args in mine {
        scene.git(args);
    }
    for _ in 0..3 {
        gate.open();
    }
    wait(run).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    for number in 1..=3 {
        let file = format!("{}:{number}.txt", scene.branch("integration"));
        assert_eq!(scene.git(&["show", &file]).lines().count(), 12);
    }
    scene.git(&["fsck", "--strict", "--no-dangling"]);
}
