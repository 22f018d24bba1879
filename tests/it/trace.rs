//! `DISPATCH_LOG`: spans and events on standard error.

use crate::harness::Scene;

const PLAN: &str = "# Two\n\n1. [A] First\n   - run: echo a > a\n2. [B] Second\n   - depends_on: A\n   - run: echo b > b\n";

#[test]
fn a_trace_shows_runs_attempts_git_calls_and_their_times() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_LOG", "debug");
    let ended = scene.run(PLAN, &[]).expect(0);
    let has = |parts: &[&str]| {
        let is_there = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(ended.err.lines().any(is_there), "{parts:?}\n{}", ended.err);
    };
    has(&["run{id=", "close", "time.busy="]);
    has(&[
        "task{number=#1}:attempt{number=1 worker=shell}",
        "close",
        "time.busy=",
    ]);
    has(&[
        "run{id=",
        "attempt{number=1",
        "git{call=",
        "close",
        "time.busy=",
    ]);
    has(&["journal", "#2 attempt 1 passed"]);
    assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
}

#[test]
fn a_trace_of_one_module_has_nothing_else() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_LOG", "journal=debug");
    let ended = scene.run(PLAN, &[]).expect(0);
    assert!(ended.err.contains("run started"), "{}", ended.err);
    assert!(!ended.err.contains("git{"), "{}", ended.err);
}

#[test]
fn an_invalid_filter_is_a_warning() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_LOG", "loud");
    let ended = scene.run(PLAN, &["--dry-run"]).expect(0);
    let warning = "warning: invalid DISPATCH_LOG \"loud\"; write it like debug, or info,git=debug";
    assert!(ended.err.contains(warning), "{}", ended.err);
}
