//! Fault points of submodules and of set-up: a worker commits in a submodule and in one inside it,
//! and both commits outlive the worktree wherever the program is killed.

use std::fs;

use crate::faults::{Scenario, at_each, crash_at, full_at, undisturbed};
use crate::harness::Scene;
use crate::submodules;

/// A clone without the submodules of its origin, so that the module store has to be created; set-up
/// writes and commits a file, and copies bring another one.
const SUBMODULES: Scenario = Scenario {
    scene: || {
        let mut scene = submodules::relative_scene();
        let (from, clone) = (scene.repo.clone(), scene.root.join("clone"));
        let [from, to] = [&from, &clone].map(|path| path.to_str().unwrap());
        scene.git(&["clone", "--quiet", from, to]);
        scene.repo = clone;
        scene.write(".gitignore", "secret\n");
        scene.configure(
            "[worktree]\nsubmodules = true\ncopy = [\"secret\"]\n\
             setup = [\"echo s > set-up.txt && git add set-up.txt && git commit -qm set-up\"]\n\
             [assemble]\ncheck = [\"test -e sub/w.txt && test -e sub/deep/part/w.txt\"]\n",
        );
        scene.write("secret", "s\n");
        scene
    },
    plan: |scene| {
        let said = |name: &str| {
            let root = scene.root.display();
            format!(
                "exec 9> {root}/alive-{name}; flock -n 9 || echo {name} >> {root}/twice; echo {name} >> {root}/ran"
            )
        };
        let commit = "echo w > w.txt && git add -A && git commit -qm inner";
        format!(
            "# Submodules\n\n\
             1. [A] Commit in submodules\n   - run: {}; cd sub/deep/part && {commit} && cd ../.. && {commit}\n\
             2. [B] b\n   - run: {}; echo b > b.txt\n\
             3. [C] c — blocked by #1, #2\n   - check: test -e sub/w.txt\n   - run: {}; cat sub/deep/part/w.txt b.txt > c.txt\n\
             4. [D] d\n   - run: {}; echo d > d.txt\n\
             5. [E] e\n   - produces: info\n   - run: {}; echo five\n",
            said("a"),
            said("b"),
            said("c"),
            said("d"),
            said("e"),
        )
    },
    move_target: |scene| {
        scene.write("later.txt", "later\n");
        scene.commit("Later");
    },
    files: &["b.txt", "c.txt", "d.txt"],
    accepted: 5,
    missing,
};

/// Checks the landed submodules out without the repositories they came from: the module store has
/// every commit, and a reference of it reaches each.
fn missing(scene: &Scene) -> Option<String> {
    if scene.git(&["ls-files", "set-up.txt"]) != "" {
        return Some("set-up has landed".to_owned());
    }
    for name in ["part.origin", "sub.origin"] {
        fs::remove_dir_all(scene.root.join(name)).unwrap();
    }
    let update = ["submodule", "update", "--init", "--recursive", "--quiet"];
    let updated = scene.try_git(&update);
    if updated.code != 0 {
        return Some(updated.err);
    }
    for folder in ["sub", "sub/deep/part"] {
        if !scene.repo.join(folder).join("w.txt").is_file() {
            return Some(format!("w.txt in {folder}"));
        }
        let kept = "--format=%(refname)";
        let kept = ["-C", folder, "for-each-ref", "--contains=HEAD", kept];
        if !scene.git(&kept).contains("refs/dispatch/attempts/") {
            return Some(format!("a reference to the commit of {folder}"));
        }
    }
    None
}

/// The points of an undisturbed run of which this scenario is the only one to tell.
fn special(points: Vec<String>) -> Vec<String> {
    let is_special = |point: &String| {
        let effects = ["submodule ", "set-up ", "module store:"];
        effects.iter().any(|effect| point.starts_with(effect))
    };
    points.into_iter().filter(is_special).collect()
}

#[test]
#[allow(clippy::print_stdout)] // The number of points is part of what this test says.
fn commits_in_submodules_outlive_a_kill_at_every_step_that_keeps_them() {
    let (expected, points) = undisturbed(&SUBMODULES);
    let points = special(points);
    for point in [
        "submodule before its commits are carried@1",
        "submodule carried@1",
        "submodule with its store staged@1",
        "submodule checked out@1",
        "set-up ended@1",
        "set-up recorded@1",
    ] {
        assert!(
            points.iter().any(|found| found == point),
            "{point}: {points:?}"
        );
    }
    let (wrong, missed) = at_each(&points, |point| crash_at(&SUBMODULES, point, &expected));
    println!("{points:?}, not reached this time: {missed:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(missed.len() * 5 < points.len(), "{missed:?}");
}

#[test]
fn a_full_disk_where_a_module_store_is_made_costs_no_attempt() {
    let (expected, _) = undisturbed(&SUBMODULES);
    let points = ["module store:enospc@1", "module store:enospc@2"].map(str::to_owned);
    let (wrong, missed) = at_each(&points, |point| full_at(&SUBMODULES, point, &expected));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(missed.is_empty(), "{missed:?}");
}
