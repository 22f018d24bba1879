//! `dispatch blame`: the task of a line, whatever became of its commit.

use serde_json::Value;

use crate::harness::{Ended, Scene};

/// Two tasks that edit one file in different places, and each a file of its own.
fn scene() -> Scene {
    let scene = Scene::new();
    let lines: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    scene.write("list.txt", &lines);
    scene.commit("A list");
    let plan = "# Lists\n\n1. [ONE] The first\n   - run: sed -i '2s/.*/from one/' list.txt; echo a > a.txt; \
                git add .; git commit -qm half; sed -i '3s/.*/also one/' list.txt\n\
                2. [TWO] The second\n   - run: sed -i '38s/.*/from two/' list.txt; echo b > b.txt\n";
    scene.run(plan, &[]).expect(0);
    scene
}

/// Returns task and link of a line: `1 own-commit`.
fn credit(scene: &Scene, place: &str) -> String {
    let shown = scene.dispatch(&["blame", place, "--json"]).expect(0);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let lines = shown["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "{shown}");
    match &lines[0]["by"] {
        Value::Null => "nobody".to_owned(),
        by => format!("{} {}", by["task"], by["link"].as_str().unwrap()),
    }
}

fn credits(scene: &Scene, link: &str) {
    assert_eq!(credit(scene, "list.txt:2"), format!("1 {link}"));
    assert_eq!(credit(scene, "list.txt:3"), format!("1 {link}"));
    assert_eq!(credit(scene, "list.txt:38"), format!("2 {link}"));
    assert_eq!(credit(scene, "list.txt:20"), "nobody");
}

/// Commits something on top of the list, so that a rebase changes lines and commits.
fn move_target(scene: &Scene) {
    let text = scene.read("list.txt");
    scene.write("list.txt", &format!("{text}the last\n"));
    scene.commit("One more line");
}

#[test]
fn a_line_is_credited_after_a_landing() {
    let scene = scene();
    scene.dispatch(&["land", "--yes"]).expect(0);
    credits(&scene, "own-commit");
    let shown = scene.dispatch(&["blame", "list.txt:38"]).expect(0);
    let run = scene.run_name();
    assert!(shown.out.contains("#2 TWO: The second"), "{}", shown.out);
    assert!(
        shown.out.contains(&format!("{run}, Lists")),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("1 by shell"), "{}", shown.out);
    let whole = scene.dispatch(&["blame", "list.txt"]).expect(0).out;
    assert_eq!(whole.lines().count(), 40);
    let second = whole.lines().nth(1).unwrap();
    assert!(
        second.contains("#1 ONE") && second.ends_with("from one"),
        "{second}"
    );
}

#[test]
fn a_line_is_credited_after_a_squash() {
    let scene = scene();
    move_target(&scene);
    scene.dispatch(&["land", "--squash", "--yes"]).expect(0);
    let found = credit(&scene, "list.txt:2");
    assert!(found.starts_with("1 "), "{found}");
    assert!(credit(&scene, "list.txt:38").starts_with("2 "));
}

#[test]
fn a_line_is_credited_after_a_rebase_by_hand() {
    let scene = scene();
    move_target(&scene);
    for slug in ["one", "two"] {
        let range = format!("main~1..{}", scene.branch(slug));
        scene.git(&["cherry-pick", &range]);
    }
    credits(&scene, "same-change");
}

#[test]
fn a_line_is_credited_after_the_whole_run_was_squashed_by_hand() {
    let scene = scene();
    move_target(&scene);
    scene.git(&["merge", "--squash", &scene.branch("integration")]);
    scene.commit("All of it");
    credits(&scene, "whole-run");
    assert_eq!(credit(&scene, "a.txt:1"), "1 whole-run");
}

#[test]
fn trailers_credit_nothing_and_uncommitted_lines_are_told_apart() {
    let scene = scene();
    let run = scene.run_name();
    let text = scene.read("list.txt").replace("line 9\n", "forged\n");
    scene.write("list.txt", &text);
    scene.commit(&format!("Forged\n\nDispatch-Run: {run}\nDispatch-Task: 1"));
    assert_eq!(credit(&scene, "list.txt:9"), "nobody");
    scene.dispatch(&["land", "--yes"]).expect(0);
    let text = scene.read("list.txt");
    scene.write("list.txt", &format!("new at the top\n{text}"));
    assert_eq!(credit(&scene, "list.txt:3"), "1 own-commit");
    let new = scene.dispatch(&["blame", "list.txt:1"]).expect(0).out;
    assert!(new.contains("the line is not committed"), "{new}");
}

#[test]
fn what_is_not_there_is_named() {
    let scene = scene();
    let fails = |args: &[&str]| -> Ended { scene.dispatch(args).expect(1) };
    let missing = fails(&["blame", "nothing.txt:3"]);
    assert!(
        missing
            .err
            .contains("nothing.txt:3 names no committed file"),
        "{}",
        missing.err
    );
    let beyond = fails(&["blame", "list.txt:41"]);
    assert!(
        beyond.err.contains("list.txt has no line 41; it has 40"),
        "{}",
        beyond.err
    );
    assert!(
        fails(&["blame", "list.txt", "--rev", "v9"])
            .err
            .contains("v9 names no commit")
    );
    let shown = scene.dispatch_in(
        &scene.repo.join("src"),
        &["blame", "../list.txt:20", "--json"],
    );
    assert_eq!(shown.code, 0, "{}", shown.err);
}

#[test]
fn the_file_is_that_of_the_checkout_in_which_it_is_asked_for() {
    let scene = scene();
    let other = scene.root.join("other");
    scene.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "side",
        other.to_str().unwrap(),
    ]);
    std::fs::write(other.join("only-there.txt"), "one\n").unwrap();
    let at = |args: &[&str]| scene.git(&[&["-C", other.to_str().unwrap()], args].concat());
    at(&["add", "."]);
    at(&["commit", "--quiet", "-m", "side"]);
    let shown = scene.dispatch_in(&other, &["blame", "only-there.txt", "--json"]);
    let shown: Value = serde_json::from_str(&shown.expect(0).out).unwrap();
    let commit = at(&["rev-parse", "HEAD"]);
    assert_eq!(shown["lines"][0]["commit"], commit.as_str());
}

#[test]
fn a_file_without_a_committed_line_is_not_shown_as_the_committed_one() {
    let scene = scene();
    scene.write("list.txt", "all new\n");
    let shown = scene.dispatch(&["blame", "list.txt"]).expect(0).out;
    assert!(
        shown.contains("not committed") && shown.contains("all new"),
        "{shown}"
    );
    std::fs::remove_file(scene.repo.join("list.txt")).unwrap();
    let refused = scene.dispatch(&["blame", "list.txt"]).expect(1);
    assert!(refused.err.contains("--rev HEAD"), "{}", refused.err);
}

#[test]
fn a_line_of_a_board_and_the_end_of_a_shallow_history_are_no_task() {
    let scene = Scene::new();
    scene.configure("[assemble]\nhistory = \"linear\"\n");
    let plan = "# Two\n\n1. [ONE] One\n   - run: echo one > one.txt\n2. [TWO] Two\n   - run: echo two > two.txt\n";
    scene.run(plan, &[]).expect(0);
    let branch = scene.branch("integration");
    let origin = |args: &[&str]| -> Vec<Value> {
        let shown = scene
            .dispatch(&[&["blame", "--json"][..], args].concat())
            .expect(0);
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        shown["lines"].as_array().unwrap().clone()
    };
    let board = origin(&["DISPATCH.md", "--rev", &branch]);
    assert!(board.len() > 3);
    for line in &board {
        assert_eq!(
            (&line["origin"], &line["by"]),
            (&"board".into(), &Value::Null),
            "{line}"
        );
    }
    assert_eq!(origin(&["one.txt", "--rev", &branch])[0]["by"]["task"], 1);
    let shown = scene
        .dispatch(&["blame", "DISPATCH.md:1", "--rev", &branch])
        .expect(0)
        .out;
    let run = scene.run_name();
    assert!(
        shown.contains(&format!("a board of {run} that dispatch committed")),
        "{shown}"
    );
    // In a clone whose history ends at the task's commit, older lines are credited to it by git.
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.git(&["commit", "--quiet", "--allow-empty", "-m", "On top"]);
    let tip = scene.git(&["rev-parse", "HEAD~1"]);
    scene.write(".git/shallow", &format!("{}\n", tip.trim()));
    for place in ["one.txt:1", "two.txt:1"] {
        let line = &origin(&[place])[0];
        assert_eq!(
            (&line["origin"], &line["by"]),
            (&"shallow".into(), &Value::Null),
            "{line}"
        );
    }
    let shown = scene.dispatch(&["blame", "one.txt:1"]).expect(0).out;
    assert!(
        shown.contains("or an older one: the history of this shallow clone ends there")
            && shown.contains("git fetch --unshallow"),
        "{shown}"
    );
}
