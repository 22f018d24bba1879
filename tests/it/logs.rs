//! `dispatch logs --follow` of workers that have not started.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::harness::{Gate, Scene, wait};

/// Reads the next line that a process writes to standard error.
fn line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut errors = BufReader::with_capacity(1, child.stderr.as_mut().unwrap());
    errors.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_queued_task_is_waited_for_and_then_followed() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "first");
    let plan = format!(
        "1. [FIRST] First\n   - run: {}; echo one > one\n2. [SECOND] Second — blocked by #1\n   - run: echo second; echo two > two\n",
        gate.script()
    );
    let plan = scene.plan(&plan);
    let run = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let mut logs = scene.start(&["logs", "2", "-f"]);
    assert_eq!(
        line(&mut logs),
        "waiting for #2 to start: the task is BLOCKED (by #1)\n"
    );
    gate.open();
    let logs = wait(logs).expect(0);
    assert_eq!(logs.out, "second\n");
    wait(run).expect(0);
}

#[test]
fn an_attempt_whose_worktree_is_being_prepared_is_waited_for() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "setup");
    let script = scene.root.join("setup.sh");
    std::fs::write(&script, gate.script()).unwrap();
    let setup = format!("sh {}", script.display());
    scene.configure(&format!("[worktree]\nsetup = [{setup:?}]\n"));
    let plan = scene.plan("1. [ONE] One\n   - run: echo worked; echo one > one\n");
    let run = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let mut logs = scene.start(&["logs", "1", "-f"]);
    assert_eq!(
        line(&mut logs),
        "waiting for #1: its worktree is being prepared\n"
    );
    gate.open();
    let logs = wait(logs).expect(0);
    assert_eq!(logs.out, "worked\n");
    wait(run).expect(0);
}

#[test]
fn a_worker_that_never_starts_is_an_error() {
    let scene = Scene::new();
    let plan = "1. [ONE] One\n   - run: exit 1\n2. [TWO] Two — blocked by #1\n   - run: true\n";
    scene.run(plan, &[]).expect(3);
    let logs = scene.dispatch(&["logs", "2", "-f"]).expect(1);
    assert!(
        logs.err
            .contains("never started: the task is BLOCKED (by #1)"),
        "{}",
        logs.err
    );
    let logs = scene.dispatch(&["logs", "2"]).expect(1);
    assert!(
        logs.err.contains("`dispatch logs -f` waits"),
        "{}",
        logs.err
    );
}
