//! Changes outside the `files` that a task declares: `[conflicts] scope`.

use crate::harness::Scene;

const PLAN: &str = "\
1. [AUTH] Auth module
   - files: src/auth/**
   - run: mkdir -p src/auth && echo a > src/auth/a.ts && echo b > src/b.ts && echo c > c.txt
2. [DOCS] Docs
   - files: docs
   - run: mkdir docs && echo d > docs/d.md
3. [FREE] Anything
   - run: echo free > free.txt
";

#[test]
fn a_task_that_leaves_its_files_is_remarked_on() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let rows: Vec<String> = scene.board().lines().map(str::to_owned).collect();
    let row = |number: &str| {
        let start = format!("| {number} |");
        rows.iter()
            .find(|row| row.starts_with(&start))
            .unwrap()
            .clone()
    };
    assert!(
        row("1").contains("DONE") && row("1").contains("2 paths outside its files"),
        "{}",
        row("1")
    );
    assert!(!row("2").contains("outside") && !row("3").contains("outside"));
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let sentence = "changed paths outside its `files`: c.txt, +1 more";
    assert!(shown.contains(sentence), "{shown}");
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(report.contains(sentence), "{report}");
}

#[test]
fn nothing_is_said_where_it_is_to_be_ignored() {
    let scene = Scene::new();
    scene.configure("[conflicts]\nscope = \"ignore\"\n");
    scene.run(PLAN, &[]).expect(0);
    assert!(!scene.board().contains("outside"), "{}", scene.board());
}

#[test]
fn leaving_the_files_fails_the_attempt_where_that_is_asked_for() {
    let scene = Scene::new();
    scene.configure("[conflicts]\nscope = \"fail\"\n");
    scene.run(PLAN, &[]).expect(3);
    let board = scene.json();
    let tasks = board["tasks"].as_array().unwrap();
    let status = |place: usize| tasks[place]["status"].as_str().unwrap();
    assert_eq!(
        [status(0), status(1), status(2)],
        ["FAILED", "DONE", "DONE"]
    );
    assert_eq!(tasks[0]["class"], "logic");
    assert_eq!(tasks[0]["attempts"], 1, "it is not tried again by itself");
    let note = tasks[0]["note"].as_str().unwrap();
    assert!(
        note.starts_with("changed paths outside its `files`: c.txt, +1 more"),
        "{note}"
    );
    // Nothing of it is lost.
    let kept = format!("refs/dispatch/attempts/{}/auth/1", scene.run_name());
    assert_eq!(scene.git(&["show", &format!("{kept}:src/b.ts")]), "b");
}
