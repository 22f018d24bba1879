//! What a new worktree gets before its worker: copies, links, set-up; and teardown at its end.

use crate::harness::Scene;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", ".env\ncache/\nsecret/\n");
    scene.write("app.txt", "one\n");
    scene.commit("a project");
    scene
}

fn plan(command: &str) -> String {
    format!("# Furnished\n\n1. [WORK] Look around\n   - run: {command}\n")
}

#[test]
fn ignored_files_are_copied_by_pattern_and_never_committed() {
    let scene = scene();
    scene.write(".worktreeinclude", "secret/\n");
    scene.configure("[worktree]\ncopy = [\".env\", \"notes.txt\"]\n");
    scene.write(".env", "KEY=1\n");
    scene.write("secret/key", "s\n");
    scene.write("notes.txt", "untracked, but not ignored\n");
    let plan = plan("ls -A > seen.txt; cat .env secret/key >> seen.txt");
    scene.run(&plan, &[]).expect(0);
    let work = scene.branch("work");
    let seen = scene.git(&["show", &format!("{work}:seen.txt")]);
    assert!(seen.contains("KEY=1\ns"), "{seen}");
    assert!(
        !seen.contains("notes.txt"),
        "only ignored files are copied: {seen}"
    );
    let files = scene.git(&["diff", "--name-only", "main", &work]);
    assert_eq!(files, "seen.txt");
}

#[test]
fn linked_paths_are_links_and_no_part_of_the_candidate() {
    let scene = scene();
    scene.write("cache/big", "b\n");
    scene.configure("[worktree]\nlink = [\"cache\", \"absent\"]\n");
    let plan = plan("test -L cache && cp cache/big got.txt");
    scene.run(&plan, &[]).expect(0);
    let files = scene.git(&["diff", "--name-only", "main", &scene.branch("work")]);
    assert_eq!(files, "got.txt");
}

#[test]
fn a_set_up_that_fails_is_a_blocker_and_the_worker_never_runs() {
    let scene = scene();
    scene.configure("[worktree]\nsetup = [\"touch ready\", \"echo no compiler; exit 3\"]\n");
    let plan = plan("touch ran");
    scene.run(&plan, &[]).expect(3);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["class"], "blocker");
    let note = board["tasks"][0]["note"].as_str().unwrap().to_owned();
    assert!(
        note.contains("echo no compiler; exit 3") && note.contains("no compiler"),
        "{note}"
    );
    assert!(scene.worktree("work").join("ready").exists());
    assert!(!scene.worktree("work").join("ran").exists());
}

#[test]
fn set_up_comes_before_the_worker_and_teardown_before_removal() {
    let scene = scene();
    scene.configure(
        "[worktree]\nsetup = [\"mkdir -p cache && echo warm > cache/state\"]\n\
         teardown = [\"cat cache/state >> ../torn-down\"]\n",
    );
    let plan = plan("cp cache/state state.txt");
    scene.run(&plan, &[]).expect(0);
    let place = scene.worktree("work");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!place.exists());
    let torn_down = place.parent().unwrap().join("torn-down");
    assert_eq!(std::fs::read_to_string(torn_down).unwrap(), "warm\n");
}
