//! Commits made by hand on the branches of passed tasks: noticed, offered and taken.

use std::fs;
use std::path::Path;

use crate::harness::Scene;

const PLAN: &str = "# Later

1. [A] First
   - run: echo a > a.txt
   - check: test ! -e bad.txt || { echo bad.txt is here; false; }
2. [B] Second — blocked by #1
   - run: ls > b.txt
";

/// Runs the plan and commits a file in the worktree of #1.
fn with_commit_by_hand(file: &str) -> Scene {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    commit_in(&scene, &scene.worktree("a"), file);
    scene
}

fn commit_in(scene: &Scene, folder: &Path, file: &str) {
    fs::write(folder.join(file), "by hand\n").unwrap();
    let folder = folder.to_str().unwrap();
    scene.git(&["-C", folder, "add", "-A"]);
    scene.git(&["-C", folder, "commit", "-qm", "By hand"]);
}

#[test]
fn commits_on_the_branch_of_a_passed_task_are_noticed_until_the_run_lands() {
    let scene = with_commit_by_hand("fix.txt");
    let run = scene.run_name();
    let words = format!(
        "#1 [A]: its branch dispatch/{run}/a has 1 commit that is not in its result; `dispatch \
         assemble {run} --take 1` takes it"
    );
    for args in [
        &["status"][..],
        &["assemble", "--dry-run"],
        &["assemble"],
        &["land", "--dry-run"],
        &["land", "--yes"],
    ] {
        let said = scene.dispatch(args).expect(0).err;
        assert!(said.contains(&words), "{args:?}: {said}");
    }
    assert!(!scene.repo.join("fix.txt").exists());
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    assert!(cleaned.contains("has work that is not landed"), "{cleaned}");
}

#[test]
fn json_counts_them_as_documented() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let status = || -> serde_json::Value {
        let out = scene.dispatch(&["status", "--json"]).expect(0).out;
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(status()["tasks"][0].get("newer_commits"), None);
    commit_in(&scene, &scene.worktree("a"), "fix.txt");
    let expected = serde_json::json!({"count": 1, "tip": scene.rev(&scene.branch("a"))});
    let now = status();
    assert_eq!(now["tasks"][0]["newer_commits"], expected);
    assert_eq!(now["tasks"][1].get("newer_commits"), None);
    let docs = include_str!("../../docs/json.md");
    assert!(docs.contains("`newer_commits` (`count` and `tip`"));
}

#[test]
fn taken_commits_are_checked_and_what_was_built_on_the_task_is_done_again() {
    let scene = with_commit_by_hand("fix.txt");
    scene.dispatch(&["assemble", "--take", "A"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("fix.txt"), "by hand\n");
    assert!(
        scene.read("b.txt").contains("fix.txt"),
        "#2 was built on it"
    );
}

#[test]
fn the_result_stays_if_the_checks_of_taken_commits_fail() {
    let scene = with_commit_by_hand("bad.txt");
    let (commit, base) = (scene.rev(&scene.branch("a")), scene.rev(&scene.branch("b")));
    let ended = scene.dispatch(&["assemble", "--take", "1"]).expect(3);
    let words = format!(
        "kept the earlier result of #1, because commit {} was not taken",
        &commit[..7]
    );
    assert!(ended.out.contains(&words), "{}", ended.out);
    assert!(ended.out.contains("bad.txt is here"), "{}", ended.out);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!(scene.rev(&scene.branch("b")), base, "#2 is not done again");
    let board = scene.dispatch(&["status"]).expect(0).out;
    assert!(board.contains("was not taken"), "{board}");
    let integration = scene.branch("integration");
    assert!(!scene.has(&format!("{integration}:bad.txt")));
    assert!(scene.has(&format!("{integration}:a.txt")));
    // The user repairs it.
    let place = scene.worktree("a");
    fs::remove_file(place.join("bad.txt")).unwrap();
    commit_in(&scene, &place, "good.txt");
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert!(scene.has(&format!("{integration}:good.txt")));
    scene.dispatch(&["land", "--yes"]).expect(0);
}

#[test]
fn nothing_is_taken_from_a_worktree_with_other_files_than_its_branch() {
    let scene = with_commit_by_hand("fix.txt");
    let place = scene.worktree("a");
    fs::write(place.join("more.txt"), "more\n").unwrap();
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(refused.contains("has uncommitted changes"), "{refused}");
    fs::remove_file(place.join("more.txt")).unwrap();
    scene.git(&[
        "-C",
        place.to_str().unwrap(),
        "switch",
        "-q",
        "-c",
        "other",
        "HEAD~1",
    ]);
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(
        refused.contains("is not at the tip of its branch"),
        "{refused}"
    );
    let refused = scene.dispatch(&["assemble", "--take", "2"]).expect(1).err;
    assert!(refused.contains("has no commit on its branch"), "{refused}");
}

#[test]
fn a_commit_from_another_worktree_is_taken_once_the_branch_is_free() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let ours = scene.worktree("a").display().to_string();
    scene.git(&["worktree", "remove", "--force", &ours]);
    let mine = scene.root.join("mine");
    let mine_text = mine.to_str().unwrap();
    scene.git(&["worktree", "add", "-q", mine_text, &scene.branch("a")]);
    commit_in(&scene, &mine, "fix.txt");
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(refused.contains("is checked out in"), "{refused}");
    scene.git(&["-C", mine_text, "switch", "-q", "--detach"]);
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert!(scene.has(&format!("{}:fix.txt", scene.branch("integration"))));
}
