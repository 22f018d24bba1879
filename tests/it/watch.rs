//! The terminal board on a real terminal, and the lines in its place.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;

use crate::harness::{Gate, Scene, wait};
use crate::terminal::OnTerminal;

/// The sequence with which a program gives the screen back.
const GIVES_BACK: &str = "\u{1b}[?1049l";

/// Starts a run in the background that waits at a gate.
fn waiting_run(scene: &Scene) -> Gate {
    let mut gate = Gate::new(scene, "one");
    let plan = format!(
        "1. [ONE] one\n   - run: {}; echo a > a.txt\n",
        gate.script()
    );
    let plan = scene.plan(&plan);
    scene
        .dispatch(&["run", &plan, "--yes", "--detach"])
        .expect(0);
    gate.wait_until_reached();
    gate
}

#[test]
fn leaving_the_board_leaves_the_run_alone() {
    let scene = Scene::new();
    let mut gate = waiting_run(&scene);
    let mut board = OnTerminal::start(&scene, &["watch"]);
    board.wait_for("IN PROGRESS");
    board.type_in("q");
    let (status, text) = board.end();
    assert_eq!(status.code(), Some(0), "{text}");
    let after = text.rsplit(GIVES_BACK).next().unwrap();
    assert!(after.contains("goes on in the background"), "{after}");
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
}

#[test]
fn a_killed_board_gives_the_terminal_back() {
    let scene = Scene::new();
    let mut gate = waiting_run(&scene);
    for signal in [Signal::TERM, Signal::HUP] {
        let mut board = OnTerminal::start(&scene, &["watch"]);
        board.wait_for("IN PROGRESS");
        board.signal(signal);
        let (status, text) = board.end();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{text}");
        assert!(text.contains(GIVES_BACK), "{text}");
    }
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
}

#[test]
fn a_closed_terminal_ends_the_board_and_not_the_run() {
    let scene = Scene::new();
    let mut gate = waiting_run(&scene);
    let mut board = OnTerminal::start(&scene, &["watch"]);
    board.wait_for("IN PROGRESS");
    // It notices the signal, or before that that it reads nothing more.
    let status = board.close();
    let is_hung_up = status.signal() == Some(Signal::HUP.as_raw());
    assert!(is_hung_up || status.code() == Some(1), "{status:?}");
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
}

#[test]
fn a_run_on_a_terminal_opens_the_board_and_ends_with_the_report() {
    let scene = Scene::new();
    let plan = scene.plan("1. [ONE] one\n   - run: echo a > a.txt\n");
    let mut board = OnTerminal::start(&scene, &["run", &plan, "--yes"]);
    board.wait_for("Dispatch Complete");
    board.type_in("q");
    let (status, text) = board.end();
    assert_eq!(status.code(), Some(0), "{text}");
    let after = text.rsplit(GIVES_BACK).next().unwrap();
    assert!(after.contains("1 of 1 done"), "{after}");
    assert!(!scene.run_name().is_empty());
}

#[test]
fn the_board_stops_a_run_only_when_it_is_told_to() {
    let scene = Scene::new();
    let _gate = waiting_run(&scene);
    let mut board = OnTerminal::start(&scene, &["watch"]);
    board.wait_for("IN PROGRESS");
    board.type_in("\u{3}");
    board.wait_for("Stop the run?");
    board.type_in("s");
    board.wait_for("interrupted");
    board.type_in("q");
    let (status, text) = board.end();
    assert_eq!(status.code(), Some(130), "{text}");
}

#[test]
fn without_a_terminal_the_run_is_followed_by_lines() {
    let scene = Scene::new();
    let mut gate = waiting_run(&scene);
    let mut child = scene.start(&["watch"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("IN PROGRESS") {
        assert!(lines.read_line(&mut text).unwrap() > 0, "{text}");
    }
    gate.open();
    lines.read_to_string(&mut text).unwrap();
    let ended = wait(child).expect(0);
    assert_eq!(ended.out, "");
    assert!(text.contains("DONE"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    // A run that has ended is followed at once.
    let again = scene.dispatch(&["watch", "--plain"]).expect(0);
    assert!(again.err.contains("finished: 1 of 1 done"), "{}", again.err);
}

#[test]
fn a_repository_without_runs_has_nothing_to_show() {
    let scene = Scene::new();
    scene.dispatch(&["watch"]).expect(1);
}
