//! Ctrl-C: the first asks workers to stop, the second kills them, the third exits; then `dispatch
//! resume` completes the run as if undisturbed.

use std::fs;

use rustix::process::Signal;

use crate::harness::{Gate, Scene};
use crate::process::{Background, is_alive, pid_in};

/// Two tasks that stop at a gate, and one behind them. A worker's note of its start stands in
/// `<root>/<task>.started`, one line for every time.
fn gated(scene: &Scene, gate: &Gate) -> String {
    let task = |name: &str| {
        let started = scene.root.join(format!("{name}.started"));
        let script = gate.script();
        format!(
            "echo $$ >> {}; {script}; echo {name} > {name}.txt",
            started.display()
        )
    };
    format!(
        "1. [ONE] First\n   - run: {}\n2. [TWO] Second\n   - run: {}\n\
         3. [SUM] Both — blocked by #1, #2\n   - run: cat one.txt two.txt > sum.txt\n",
        task("one"),
        task("two"),
    )
}

/// The assembled branch holds what an undisturbed run makes of [`gated`].
#[track_caller]
fn assert_whole(scene: &Scene) {
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    let integration = scene.branch("integration");
    let names = scene.git(&["ls-tree", "--name-only", &integration]);
    assert!(names.contains("sum.txt"), "{names}");
    let sum = scene.git(&["show", &format!("{integration}:sum.txt")]);
    assert_eq!(sum, "one\ntwo");
}

fn state(scene: &Scene) -> String {
    scene.json()["state"].as_str().unwrap().to_owned()
}

/// Releases every worker at once, from now on.
fn open_for_all(gate: &mut Gate) {
    gate.open();
    gate.open();
}

#[test]
fn after_the_first_ctrl_c_the_run_can_be_resumed_to_the_same_end() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new();
        let mut gate = Gate::new(&scene, "gate");
        let mut dispatch = Background::run(&scene, &gated(&scene, &gate), &["-j", "1"]);
        gate.wait_until_reached();
        dispatch.signal(signal);
        assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
        let hint = format!(
            "hint: nothing is lost; continue with `dispatch resume {}`",
            scene.run_name()
        );
        assert!(dispatch.said().contains(&hint), "{}", dispatch.said());
        assert!(
            !scene.root.join("two.started").exists(),
            "nothing new starts"
        );
        assert!(!is_alive(pid_in(&scene.root.join("one.started"))));
        assert_eq!(state(&scene), "interrupted");

        open_for_all(&mut gate);
        scene.dispatch(&["resume"]).expect(0);
        assert_whole(&scene);
        let board = scene.json();
        assert_eq!(board["tasks"][0]["status"], "DONE");
        // An interruption is not a failure: there is no retry.
        assert!(!scene.board().contains("Retry"), "{}", scene.board());
    }
}

#[test]
fn the_second_ctrl_c_kills_a_worker_that_ignores_the_first() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "1. [ONE] First\n   - run: trap 'echo again' INT TERM; echo $$ > {}; {}; {}\n",
        scene.root.join("pid").display(),
        gate.script(),
        "while :; do sleep 0.01; done",
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    gate.open();
    let worker = pid_in(&scene.root.join("pid"));
    dispatch.signal(Signal::INT);
    dispatch.wait_until_said("again to kill");
    assert!(is_alive(worker));
    dispatch.signal(Signal::INT);
    assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
    assert!(!is_alive(worker));
    assert_eq!(state(&scene), "interrupted");
}

#[test]
fn the_third_ctrl_c_leaves_at_once_while_a_worker_hangs() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = gated(&scene, &gate);
    let mut dispatch = Background::run(&scene, &plan, &["-j", "1"]);
    gate.wait_until_reached();
    // A shim that is gone while something holds its lock hangs regardless of signals.
    let attempt = ".git/dispatch/runs/RUN/attempts/1-1/worker/proc.json";
    let attempt = attempt.replace("RUN", &scene.run_name());
    let mut record = serde_json::Value::Null;
    // The shim writes down its worker when that has begun already.
    crate::process::until("the worker is written down", || {
        record = serde_json::from_str(&scene.read(&attempt)).unwrap();
        record["worker"]["pid"].is_i64()
    });
    let shim = record["shim"]["pid"].as_i64().unwrap() as i32;
    let lock = crate::process::copy_of_stdin(shim);
    crate::process::send(shim, Signal::KILL);
    dispatch.signal(Signal::INT);
    dispatch.wait_until_said("again to kill");
    dispatch.signal(Signal::INT);
    dispatch.wait_until_said("once more to leave at once");
    dispatch.signal(Signal::INT);
    assert_eq!(dispatch.wait(), 130);
    assert_eq!(state(&scene), "interrupted");
    drop(lock);
    // It must not take the signal that is meant for the next attempt.
    let worker = record["worker"]["pid"].as_i64().unwrap() as i32;
    crate::process::send(worker, Signal::KILL);
    crate::process::until("the worker is gone", || !is_alive(worker));
    open_for_all(&mut gate);
    scene.dispatch(&["resume"]).expect(0);
    assert_whole(&scene);
}

#[test]
fn ctrl_c_on_a_terminal_does_not_tear_gits_own_work_apart() {
    // On a terminal every process of the foreground group gets the signal. git sits in a filter
    // here, first while a worktree is filled, then while a worker's result is taken in.
    for moment in ["smudge", "clean"] {
        let scene = Scene::new();
        let mut gate = Gate::new(&scene, "gate");
        // The clean filter is for what the worker makes, not for what `git status` looks at.
        let file = if moment == "smudge" { "old" } else { "one" };
        scene.write(".gitattributes", &format!("{file}.txt filter=slow\n"));
        scene.write("old.txt", "old\n");
        scene.commit("A filter");
        let script = format!("cat; {}", gate.script());
        let program = scene.root.join("filter");
        scene.write_program("../filter", &format!("#!/bin/sh\n{script}\n"));
        let setting = format!("filter.slow.{moment}");
        scene.git(&["config", &setting, program.to_str().unwrap()]);
        let plan = "1. [ONE] First\n   - run: echo one > one.txt\n";
        let mut dispatch = Background::run_in_own_group(&scene, plan);
        gate.wait_until_reached();
        dispatch.signal_group(Signal::INT);
        dispatch.wait_until_said("again to kill");
        gate.open();
        let code = dispatch.wait();
        let said = dispatch.said();
        assert!(!said.contains("FAILED"), "{moment}: {said}");
        assert_eq!(code, 130, "{moment}: {said}");
        scene.git(&["config", &setting, "cat"]);
        scene.dispatch(&["resume"]).expect(0);
        assert_eq!(scene.statuses(), "1 DONE");
    }
}

#[test]
fn ctrl_c_during_the_check_of_the_assembled_branch_leaves_it_to_be_done_again() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let ran = scene.root.join("ran");
    let check = format!("{}; echo done >> {}", gate.script(), ran.display());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    let plan = "1. [ONE] First\n   - run: echo one > one.txt\n";
    let mut dispatch = Background::run(&scene, plan, &[]);
    gate.wait_until_reached();
    dispatch.signal(Signal::INT);
    assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
    assert!(!ran.exists());
    assert_eq!(state(&scene), "interrupted");
    gate.open();
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(fs::read_to_string(&ran).unwrap(), "done\n");
    assert_eq!(state(&scene), "finished");
    let checks = &scene.json()["integration"]["checks"];
    assert_eq!(checks[0]["result"], "passed", "{checks}");
}

#[test]
fn ctrl_c_while_branches_are_compared_leaves_nothing_behind() {
    for whole_group in [true, false] {
        let scene = Scene::new();
        let gate = Gate::new(&scene, "gate");
        scene.write(".gitattributes", "app.txt merge=slow\n");
        scene.commit("a driver");
        let driver = format!("{}; exit 1", gate.script());
        scene.git(&["config", "merge.slow.driver", &driver]);
        for branch in ["one", "two"] {
            scene.git(&["checkout", "-q", "-b", branch, "main"]);
            scene.write("app.txt", branch);
            scene.commit(branch);
        }
        scene.git(&["checkout", "-q", "main"]);
        let before = scene.fingerprint();
        let objects = || scene.git(&["count-objects", "-v"]);
        let had = objects();
        let mut dispatch = Background::start_in_own_group(&scene, &["conflicts", "one", "two"]);
        let mut gate = gate;
        gate.wait_until_reached();
        match whole_group {
            true => dispatch.signal_group(Signal::INT),
            false => dispatch.signal(Signal::TERM),
        }
        assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
        assert_eq!(dispatch.said(), "");
        let left = scene.root.join("shop/.git/dispatch/tmp");
        assert_eq!(fs::read_dir(left).unwrap().count(), 0);
        assert_eq!(objects(), had);
        before.assert_same(&scene.fingerprint());
        if !whole_group {
            gate.open();
        }
    }
}
