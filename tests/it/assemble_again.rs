//! Repeated assembly: nothing is merged or checked if nothing has changed.

use std::fs;

use serde_json::{Value, json};

use crate::harness::Scene;

/// Creates a scene whose check records its runs in a file outside, and runs `script`.
fn checked(script: &str, more: &str) -> Scene {
    let scene = Scene::new();
    let ran = scene.root.join("ran");
    let check = format!("echo run >> {}; {script}", ran.display());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n{more}"));
    scene
}

/// Returns the number of check runs since the last call.
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
    assert_eq!(first["culprits"][0]["task"], 3, "{first}");
    assert_eq!(first["culprits"][0]["with"], json!([1]));
    assert_eq!(first["check_runs"], ran(&scene));
    let run = scene.run_name();
    let tip = scene.rev(&scene.branch("integration"));
    let ended = scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), 0);
    // Only the number of runs disappears from the report.
    assert_eq!(
        scene.rev(&format!("{}~1", scene.branch("integration"))),
        tip
    );
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
    // Without the cached result the merges are repeated, and no check runs.
    let run = scene.run_name();
    let folder = scene.repo.join(".git/dispatch/runs").join(&run);
    fs::remove_file(folder.join("assembled.json")).unwrap();
    scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(ran(&scene), 0);
    assert_eq!(integration(&scene)["culprits"][0]["with"], json!([1]));
    // A set that was tried before is cached, another one is not.
    scene
        .dispatch(&["assemble", &run, "--leave-out", "3"])
        .expect(0);
    assert_eq!(ran(&scene), 0);
    scene
        .dispatch(&["assemble", &run, "--leave-out", "1"])
        .expect(0);
    assert_eq!(ran(&scene), 1);
    // An unreadable file counts as absent.
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
    // A missing branch is recreated from the cache.
    let tip = scene.rev(&format!("{branch}^{{tree}}"));
    scene.git(&["branch", "-D", &branch]);
    scene.dispatch(&["assemble", &run]).expect(0);
    assert_eq!(ran(&scene), 1);
    assert_eq!(scene.rev(&format!("{branch}^{{tree}}")), tip);
    // Another merge driver may merge differently.
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
fn a_check_that_newly_times_out_is_said_to_have_timed_out() {
    let scene = checked(
        "test ! -e b.txt || exec tail -f /dev/null",
        "check_timeout = \"1s\"\n",
    );
    scene.run(PAIR, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["culprits"][0]["task"], 2, "{found}");
    assert_eq!(found["culprits"][0]["timed_out"], true);
    let board = scene.dispatch(&["board"]).expect(0).out;
    assert!(board.contains("times out with it on its own"), "{board}");
    assert!(
        board.contains("newly timing out with #2 on its own"),
        "{board}"
    );
    let status = scene.dispatch(&["status"]).expect(0).out;
    assert!(status.contains("times out with it on its own"), "{status}");
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
        let blamed = found["culprits"].as_array().map_or(0, Vec::len);
        assert_eq!(blamed, guilty, "{found}");
        if guilty == 0 {
            // The set, the base, and the set twice more.
            assert_eq!(found["check_runs"], 4, "{found}");
            assert_eq!(found["checks"][0]["flaky"], true, "{found}");
        }
        assert!(!ended.err.contains("does not act on"), "{}", ended.err);
    }
}

#[test]
fn an_assembly_that_comes_to_nothing_leaves_the_one_before_it_to_land() {
    // git is to sign and cannot; the worktree of the checks cannot be created.
    for (code, why) in [(4, "could not be signed"), (1, "integration")] {
        let scene = checked("true", "");
        scene.run(PAIR, &[]).expect(0);
        let (run, before) = (scene.run_name(), integration(&scene));
        let place = scene.worktree("integration");
        if code == 4 {
            scene.git(&["config", "commit.gpgSign", "true"]);
            scene.git(&["config", "gpg.program", "false"]);
        } else {
            let path = place.to_str().unwrap();
            scene.git(&["worktree", "remove", "--force", "--force", path]);
            fs::write(&place, "in the way").unwrap();
        }
        let again = ["assemble", &run, "--leave-out", "3", "--recheck"];
        let ended = scene.dispatch(&again).expect(code);
        assert!(ended.err.contains(why), "{}", ended.err);
        assert_eq!(integration(&scene), before);
        scene.git(&["config", "commit.gpgSign", "false"]);
        let ended = scene.dispatch(&["land", &run, "--yes"]).expect(0);
        assert!(
            ended.err.contains("changed nothing")
                && ended.err.contains("an earlier assembly is landed"),
            "{}",
            ended.err
        );
        assert_eq!(scene.read("c.txt"), "c\n");
    }
}

#[test]
fn a_dry_run_knows_what_the_checks_have_said() {
    let scene = checked(TOGETHER, "");
    scene.run(PAIR, &[]).expect(4);
    let run = scene.run_name();
    let dry = |more: &[&str]| {
        let args = [&["assemble", &run, "--dry-run"], more].concat();
        scene.dispatch(&args).expect(0).out
    };
    ran(&scene);
    let said = dry(&[]);
    assert!(said.starts_with("2 tasks, in this order:"), "{said}");
    let why = "`echo run >> ";
    assert!(said.contains(&format!("  #3 [C] c\n     {why}")), "{said}");
    assert!(
        said.contains("fails with it together with #1, as found earlier")
            && said.contains("included with another candidate, or in place of #1 (--leave-out 1)"),
        "{said}"
    );
    // In another order it is the other one that comes last.
    let said = dry(&["--order", "3"]);
    assert!(said.contains("in place of #3 (--leave-out 3)"), "{said}");
    let said = dry(&["--leave-out", "1"]);
    assert!(
        said.starts_with("2 tasks, in this order:") && !said.contains("found out"),
        "{said}"
    );
    assert_eq!(ran(&scene), 0);
    for (args, merged) in [
        (vec!["--order", "3"], [3, 2]),
        (vec!["--leave-out", "1"], [2, 3]),
    ] {
        let args = [vec!["assemble", run.as_str()], args].concat();
        scene.dispatch(&args);
        assert_eq!(integration(&scene)["merged"], json!(merged));
    }
}

#[test]
fn settings_of_the_assembly_hold_as_they_are_when_it_is_asked_for() {
    let mut scene = checked("true", "");
    scene.run(PAIR, &[]).expect(0);
    let run = scene.run_name();
    let tip = format!("{}~0", scene.branch("integration"));
    let parents = |scene: &Scene| {
        let merges = [
            "log",
            "--first-parent",
            "--grep=^Merge",
            "--format=%P",
            &tip,
        ];
        let line = scene.git(&merges).lines().next().unwrap().to_owned();
        line.split(' ').count()
    };
    assert_eq!(parents(&scene), 2);
    scene.set_env("DISPATCH_ASSEMBLE_HISTORY", "squash");
    scene.dispatch(&["assemble", &run]).expect(0);
    assert_eq!(parents(&scene), 1);
    // The settings stay for the run.
    scene.unset_env("DISPATCH_ASSEMBLE_HISTORY");
    scene
        .dispatch(&["assemble", &run, "--leave-out", "3"])
        .expect(0);
    assert_eq!(parents(&scene), 1);
    scene.set_env("DISPATCH_ASSEMBLE_HISTORY", "upside-down");
    scene.dispatch(&["assemble", &run]).expect(1);
    scene.unset_env("DISPATCH_ASSEMBLE_HISTORY");
    // A file that is edited counts when it is named.
    let text = scene.read(".dispatch.toml").replace("true", "false");
    scene.write(".dispatch.toml", &text);
    scene.dispatch(&["assemble", &run]).expect(0);
    let named = ["assemble", &run, "--config", ".dispatch.toml"];
    scene.dispatch(&named).expect(4);
    assert_eq!(
        integration(&scene)["checks"][0]["against_base"],
        "already-failing"
    );
    scene.dispatch(&["assemble", &run]).expect(4);
    scene.dispatch(&["land", &run, "--yes"]).expect(4);
}

#[test]
fn with_nothing_changed_not_even_a_board_is_committed() {
    let scene = checked("true", "");
    scene.run(PAIR, &[]).expect(0);
    let (run, branch) = (scene.run_name(), scene.branch("integration"));
    let tip = scene.rev(&branch);
    for _ in 0..2 {
        scene.dispatch(&["assemble", &run]).expect(0);
        assert_eq!(scene.rev(&branch), tip);
    }
    assert_eq!(scene.dispatch(&["board"]).expect(0).out, scene.board());
    scene
        .dispatch(&["assemble", &run, "--leave-out", "3"])
        .expect(0);
    assert_eq!(scene.dispatch(&["board"]).expect(0).out, scene.board());
    let board = scene.board();
    assert!(
        board.contains("left out by the user") && !board.contains("in review"),
        "{board}"
    );
    // Nothing is merged, so nothing can land.
    scene
        .dispatch(&["assemble", &run, "--leave-out", "1,2,3"])
        .expect(0);
    assert!(
        !scene.board().contains("dispatch land"),
        "{}",
        scene.board()
    );
}
