//! Background tasks and the commands that talk to a run: detach, wait, output, pause, cancel.

use std::fs;
use std::io::{BufRead, BufReader};

use rustix::process::Signal;

use crate::harness::{Gate, Scene, wait};
use crate::process::{Background, until};

#[test]
fn a_detached_run_goes_on_by_itself_and_wait_gives_its_exit_code() {
    let scene = Scene::new();
    let plan = scene.plan("1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: exit 9\n");
    scene
        .dispatch(&["run", &plan, "--yes", "--detach"])
        .expect(0);
    let waited = scene.dispatch(&["wait"]).expect(3);
    let result = "needs attention: 1 of 2 done, 1 failed\n";
    assert!(waited.err.ends_with(result), "{}", waited.err);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
    scene.dispatch(&["wait", &scene.run_name(), "A"]).expect(0);
    scene.dispatch(&["wait", &scene.run_name(), "2"]).expect(3);
}

#[test]
fn a_run_comes_back_once_only_background_tasks_are_left() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "slow");
    let plan = scene.plan(&format!(
        "1. [QUICK] q\n   - run: echo q > q.txt\n\
         2. [SLOW] s\n   - strategy: task\n   - run: {}; echo s > s.txt\n",
        gate.script()
    ));
    let ended = scene.dispatch(&["run", &plan, "--yes"]).expect(0);
    assert!(ended.err.contains("1 background task"), "{}", ended.err);
    assert_eq!(scene.statuses(), "1 DONE · 2 IN PROGRESS");
    let late = scene.dispatch(&["wait", "--timeout", "1ms"]).expect(1);
    assert!(late.err.contains("has not ended yet"), "{}", late.err);
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    let merged = scene.git(&["ls-tree", "--name-only", &scene.branch("integration")]);
    assert!(
        merged.contains("q.txt") && merged.contains("s.txt"),
        "{merged}"
    );
}

#[test]
fn a_task_is_cancelled_while_its_worker_runs_and_the_others_go_on() {
    let scene = Scene::new();
    let mut stuck = Gate::new(&scene, "stuck");
    let mut other = Gate::new(&scene, "other");
    let plan = scene.plan(&format!(
        "1. [STUCK] s\n   - run: {}\n2. [AFTER] a — blocked by #1\n   - run: echo a > a\n\
         3. [OTHER] o\n   - run: {}; echo o > o.txt\n",
        stuck.script(),
        other.script()
    ));
    let run = scene.start(&["run", &plan, "--yes"]);
    stuck.wait_until_reached();
    other.wait_until_reached();
    scene.dispatch(&["cancel", "STUCK"]).expect(0);
    let again = scene
        .dispatch(&["cancel", &scene.run_name(), "9"])
        .expect(1);
    assert!(again.err.contains("no task"), "{}", again.err);
    other.open();
    wait(run).expect(3);
    assert_eq!(scene.statuses(), "1 CANCELLED · 2 BLOCKED by #1 · 3 DONE");
}

#[test]
fn a_paused_run_starts_nothing_until_it_is_resumed() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "first");
    let plan = scene.plan(&format!(
        "1. [FIRST] f\n   - run: {}; echo f > f.txt\n\
         2. [SECOND] s — blocked by #1\n   - run: echo s > s.txt\n",
        gate.script()
    ));
    let run = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    scene.dispatch(&["pause"]).expect(0);
    let twice = scene.dispatch(&["pause"]).expect(1);
    assert!(twice.err.contains("not running"), "{}", twice.err);
    gate.open();
    scene.dispatch(&["wait", "FIRST"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 QUEUED");
    assert_eq!(scene.json()["state"], "paused");
    let mut waiting = scene.start(&["wait"]);
    let mut said = String::new();
    let mut errors = BufReader::new(waiting.stderr.take().unwrap());
    while !said.contains("is paused; `dispatch resume") {
        assert!(errors.read_line(&mut said).unwrap() > 0, "{said}");
    }
    std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
    let resumed = scene.dispatch(&["resume"]).expect(0);
    assert!(resumed.err.contains("resumed"), "{}", resumed.err);
    wait(run).expect(0);
    wait(waiting).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
}

#[test]
fn without_a_process_that_drives_it_a_run_is_cancelled_in_the_journal() {
    let scene = Scene::new();
    scene
        .run(
            "1. [A] a\n   - run: exit 1\n2. [B] b — blocked by #1\n   - run: true\n",
            &[],
        )
        .expect(3);
    scene.dispatch(&["cancel", &scene.run_name()]).expect(0);
    assert_eq!(scene.statuses(), "1 FAILED · 2 CANCELLED");
    let over = scene
        .dispatch(&["cancel", &scene.run_name(), "1"])
        .expect(1);
    assert!(over.err.contains("#1 has ended: FAILED"), "{}", over.err);
}

#[test]
fn output_is_what_a_task_reported() {
    let scene = Scene::new();
    scene
        .run(
            "1. [COUNT] c\n   - produces: info\n   - run: echo forty-two\n\
             2. [BAD] b\n   - run: exit 1\n3. [MUTE] m\n   - run: echo m > m.txt\n",
            &[],
        )
        .expect(3);
    let ended = scene.dispatch(&["output", "COUNT"]).expect(0);
    assert_eq!(ended.out, "forty-two\n");
    scene.dispatch(&["output", "BAD"]).expect(1);
    scene.dispatch(&["output", "MUTE"]).expect(1);
}

#[test]
fn a_terminal_that_is_closed_takes_no_background_task_with_it() {
    let scene = Scene::new();
    let (mut near, mut far) = (Gate::new(&scene, "near"), Gate::new(&scene, "far"));
    let ran = scene.root.join("ran");
    let ran = ran.display();
    let plan = format!(
        "1. [NEAR] n\n   - run: echo near >> {ran}; {}; echo n > n.txt\n\
         2. [FAR] f\n   - strategy: task\n   - run: echo far >> {ran}; {}; echo f > f.txt\n",
        near.script(),
        far.script()
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    near.wait_until_reached();
    far.wait_until_reached();
    dispatch.signal(Signal::HUP);
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    far.open();
    near.open();
    scene.dispatch(&["wait"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    let ran = std::fs::read_to_string(scene.root.join("ran")).unwrap();
    assert_eq!(ran.lines().count(), 2, "each worker ran once: {ran}");
}

#[test]
fn waiting_for_a_task_ends_when_it_has_failed_while_the_run_goes_on() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "1. [BAD] b\n   - run: exit 64\n2. [SLOW] s\n   - run: {}; touch s\n",
        gate.script()
    ));
    scene
        .dispatch(&["run", &plan, "--yes", "--detach"])
        .expect(0);
    gate.wait_until_reached();
    let run = scene.run_name();
    let ended = scene
        .dispatch(&["wait", &run, "BAD", "--timeout", "60s"])
        .expect(3);
    assert!(
        ended.err.contains("#1 of ") && ended.err.contains("FAILED"),
        "{}",
        ended.err
    );
    gate.open();
    scene.dispatch(&["wait", &run]).expect(3);
}

#[test]
fn ctrl_z_stops_the_runner_and_no_worker_and_fg_goes_on() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "1. [ONE] o\n   - run: {}; touch o; touch {}\n2. [TWO] t — blocked by #1\n   - run: touch t\n",
        gate.script(),
        scene.root.join("worked").display()
    ));
    let mut dispatch = Background::start_in_own_group(&scene, &["run", &plan, "--yes"]);
    gate.wait_until_reached();
    dispatch.signal_group(Signal::TSTP);
    let stat = format!("/proc/{}/stat", dispatch.pid());
    let is_stopped = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
    until("the runner is stopped", is_stopped);
    gate.open();
    // The worker runs until it ends, and its shim keeps the result.
    let end = format!(
        ".git/dispatch/runs/{}/attempts/1-1/worker/exit.json",
        scene.run_name()
    );
    until("the worker has ended", || scene.repo.join(&end).exists());
    assert!(scene.root.join("worked").exists() && is_stopped());
    assert_eq!(scene.statuses(), "1 IN PROGRESS · 2 BLOCKED by #1");
    dispatch.signal_group(Signal::CONT);
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
}
