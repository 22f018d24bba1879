//! Assembling a second time: with nothing changed nothing is merged and nothing checked.

use std::fs;

use serde_json::{Value, json};

use crate::harness::Scene;

/// A scene whose check says in a file outside that it ran, and runs `script`.
fn checked(script: &str, more: &str) -> Scene {
    let scene = Scene::new();
    let ran = scene.root.join("ran");
    let check = format!("echo run >> {}; {script}", ran.display());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n{more}"));
    scene
}

/// How often the check ran since this was asked last.
fn ran(scene: &Scene) -> usize {
    let file = scene.root.join("ran");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(file);
    text.lines().count()
}

fn integration(scene: &Scene) -> Value {
    scene.json()["integration"].clone()
}

/// #1 and #3 break the check together.
const PAIR: &str = "# Pair
1. [A] a
   - run: echo a > a.txt
2. [B] b
   - run: echo b > b.txt
3. [C] c
   - run: echo c > c.txt
";

const TOGETHER: &str = "! { test -e a.txt && test -e c.txt; }";

#[test]
fn with_nothing_changed_no_check_runs_and_the_branch_does_not_move() {
    let scene = checked(TOGETHER, "");
    scene.run(PAIR, &[]).expect(4);
    let first = integration(&scene);
    assert_eq!(first["guilty"][0]["task"], 3, "{first}");
    assert_eq!(first["guilty"][0]["with"], json!([1]));
    assert_eq!(first["check_runs"], ran(&scene));
    let run = scene.run_name();
    let ended = scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), 0);
    assert!(ended.err.contains("no check ran"), "{}", ended.err);
    let mut second = integration(&scene);
    assert_eq!(second["check_runs"], 0);
    second["check_runs"] = first["check_runs"].clone();
    assert_eq!(first, second);
}

#[test]
fn what_was_found_out_on_the_way_is_not_found_out_twice() {
    let scene = checked(TOGETHER, "");
    scene.run(PAIR, &[]).expect(4);
    let first = ran(&scene);
    assert!(first > 3);
    // Without what the first assembly came to, its merges are done again, and no check runs.
    let run = scene.run_name();
    let folder = scene.repo.join(".git/dispatch/runs").join(&run);
    fs::remove_file(folder.join("assembled.json")).unwrap();
    scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), 0);
    assert_eq!(integration(&scene)["guilty"][0]["with"], json!([1]));
    // A set that was tried on the way is known, another one is not.
    scene
        .dispatch(&["assemble", &run, "--leave-out", "3"])
        .expect(0);
    assert_eq!(ran(&scene), 0);
    scene
        .dispatch(&["assemble", &run, "--leave-out", "1"])
        .expect(0);
    assert_eq!(ran(&scene), 1);
    // A file that cannot be read is none.
    fs::write(folder.join("checks.json"), "{").unwrap();
    fs::write(folder.join("assembled.json"), "[]").unwrap();
    scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), first);
}

#[test]
fn a_person_can_have_everything_checked_again() {
    let scene = checked("test -e ../../fixed", "");
    scene.run(PAIR, &[]).expect(4);
    let run = scene.run_name();
    fs::write(scene.root.join("fixed"), "").unwrap();
    ran(&scene);
    scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), 0);
    fs::create_dir_all(scene.root.join("shop.dispatch")).unwrap();
    fs::write(scene.root.join("shop.dispatch/fixed"), "").unwrap();
    scene.dispatch(&["assemble", &run, "--recheck"]).expect(0);
    assert_eq!(ran(&scene), 1);
    assert_eq!(integration(&scene)["checks"][0]["result"], "passed");
}

#[test]
fn what_an_assembly_rests_on_is_looked_at() {
    let scene = checked("true", "");
    scene.run(PAIR, &[]).expect(0);
    let run = scene.run_name();
    let branch = scene.branch("integration");
    // A branch that is gone is made again, from what is known.
    let tip = scene.rev(&format!("{branch}^{{tree}}"));
    scene.git(&["branch", "-D", &branch]);
    scene.dispatch(&["assemble", &run]).expect(0);
    assert_eq!(ran(&scene), 1);
    assert_eq!(scene.rev(&format!("{branch}^{{tree}}")), tip);
    // Another merge driver may merge otherwise.
    scene.git(&["config", "merge.renames", "false"]);
    scene.dispatch(&["assemble", &run]).expect(0);
    assert_eq!(ran(&scene), 0, "but the tree is the one that was checked");
}

#[test]
fn a_check_that_timed_out_says_nothing_about_the_tree() {
    let scene = checked(
        "read -r word < /dev/tty; sleep 600",
        "check_timeout = \"1s\"\n",
    );
    scene
        .run("# P\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(4);
    assert!(ran(&scene) > 0);
}

#[test]
fn flaky_checks_are_run_again_as_often_as_the_settings_say() {
    // On the base it passes; with the change it fails the first two times.
    let script = "test ! -e a.txt || test $(grep -c . $RAN) -gt 3";
    for (reruns, code, guilty) in [(0, 4, 1), (1, 4, 1), (2, 0, 0)] {
        let mut scene = checked(script, &format!("flaky_reruns = {reruns}\n"));
        let file = scene.root.join("ran");
        scene.set_env("RAN", file.to_str().unwrap());
        let ended = scene
            .run("# P\n1. [A] a\n   - run: echo a > a.txt\n", &[])
            .expect(code);
        let found = integration(&scene);
        let blamed = found["guilty"].as_array().map_or(0, Vec::len);
        assert_eq!(blamed, guilty, "{found}");
        if guilty == 0 {
            // The set, the base, and the set twice more.
            assert_eq!(found["check_runs"], 4, "{found}");
            assert_eq!(found["checks"][0]["flaky"], true, "{found}");
        }
        assert!(!ended.err.contains("does not act on"), "{}", ended.err);
    }
}
