//! Maintenance of the repository during a run: nothing is lost, and no task fails because of it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::Scene;

/// The commands of a user, or of a timer, that run again and again.
const COMMANDS: [&[&str]; 8] = [
    &["gc", "--quiet"],
    &["pack-refs", "--all", "--prune"],
    &["repack", "-adq"],
    &["worktree", "prune", "--expire=now"],
    &["maintenance", "run", "--quiet"],
    &["prune-packed", "--quiet"],
    &["fsck", "--no-dangling", "--no-progress"],
    &["fetch", "--quiet", "origin"],
];

/// The references of work that is on no branch.
const KEPT: &str = "refs/dispatch/attempts";

/// A repository with thirty files.
fn project() -> Scene {
    let scene = Scene::new();
    for number in 0..30 {
        scene.write(&format!("file{number}"), "content\n");
    }
    scene.commit("a project");
    scene
}

/// Runs this many tasks beside all commands.
fn run_beside_maintenance(tasks: usize) {
    let scene = project();
    scene.git(&["clone", "--quiet", ".", "../other"]);
    scene.git(&["remote", "add", "origin", "../other"]);
    let task = |number: usize| {
        let run = format!(
            "echo a > t{number}; git add t{number}; git commit -qm t{number}; echo b >> t{number}"
        );
        format!("{number}. [T{number}] Write {number}\n     - run: {run}\n")
    };
    let plan: String = (1..=tasks).map(task).collect();
    let (over, mut rounds) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let ended = scene.run(&format!("# P\n\n{plan}"), &[]);
            over.store(true, Ordering::SeqCst);
            ended
        });
        while !over.load(Ordering::SeqCst) {
            COMMANDS
                .iter()
                .for_each(|command| drop(scene.try_git(command)));
            rounds += 1;
        }
        run.join().unwrap().expect(0);
    });
    assert!(rounds > 0);
    // A commit graph names commits also after their reference has gone and `repack -ad` has removed
    // them, in any repository; so the graph is not what is tested here.
    let no_graph = ["-c", "core.commitGraph=false"];
    scene.git(
        &[
            &no_graph[..],
            &["rev-list", "--all", "--objects", "--quiet"],
        ]
        .concat(),
    );
    scene.git(
        &[
            &no_graph[..],
            &["fsck", "--full", "--no-dangling", "--no-progress"],
        ]
        .concat(),
    );
    let board = scene.json();
    let attempts = |task: &serde_json::Value| task["attempt"].as_u64();
    let tries: Vec<_> = board["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(attempts)
        .collect();
    assert!(
        tries.iter().all(|tries| *tries == 1),
        "no task was tried again: {tries:?}"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    for number in 1..=tasks {
        assert_eq!(scene.read(&format!("t{number}")), "a\nb\n");
    }
    scene.dispatch(&["doctor"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
}

/// Runs this many tasks beside commands that remove every object that no reference leads to, also one
/// that was written a moment ago, and checks that nothing of dispatch's own is lost.
fn run_beside_pruning(tasks: usize, commands: &[&[&str]]) {
    run_this_beside_pruning(tasks, commands, "");
}

/// Does the same with workers that first run `script`, with `@` for their number.
fn run_this_beside_pruning(tasks: usize, commands: &[&[&str]], script: &str) -> Scene {
    let scene = project();
    let task = |number: usize| {
        let script = script.replace('@', &number.to_string());
        format!("{number}. [T{number}] Write\n     - run: {script}echo a > t{number}\n")
    };
    let plan: String = (1..=tasks).map(task).collect();
    let (over, mut rounds) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let ended = scene.run(&format!("# P\n\n{plan}"), &[]);
            over.store(true, Ordering::SeqCst);
            ended
        });
        while !over.load(Ordering::SeqCst) {
            commands
                .iter()
                .for_each(|command| drop(scene.try_git(command)));
            rounds += 1;
        }
        run.join().unwrap().expect(0);
    });
    assert!(rounds > 0);
    scene.dispatch(&["doctor"]).expect(0);
    let no_graph = ["-c", "core.commitGraph=false"];
    let fsck = ["fsck", "--full", "--no-dangling", "--no-progress"];
    scene.git(&[&no_graph[..], &fsck].concat());
    scene.dispatch(&["land", "--yes"]).expect(0);
    for number in 1..=tasks {
        assert_eq!(scene.read(&format!("t{number}")), "a\n");
    }
    scene.dispatch(&["doctor"]).expect(0);
    scene
}

#[test]
fn a_run_beside_a_gc_that_prunes_everything_loses_nothing() {
    run_beside_pruning(12, &[&["gc", "--quiet", "--prune=now"]]);
}

#[test]
fn a_run_beside_prune_loses_nothing() {
    run_beside_pruning(12, &[&["prune", "--expire=now"]]);
}

#[test]
fn work_that_is_elsewhere_survives_a_gc_that_prunes_everything() {
    let script = "git checkout -q --detach; echo d@ > d; git add d; git commit -qm D@; \
                  git checkout -q -; echo s@ >> file1; git stash -q; \
                  git checkout -q -b side@; echo e@ > e; git add e; git commit -qm E@; \
                  git checkout -q -; ";
    let commands: [&[&str]; 2] = [&["gc", "--quiet", "--prune=now"], &["repack", "-adq"]];
    let scene = run_this_beside_pruning(12, &commands, script);
    let kept = scene.git(&["for-each-ref", "--format=%(contents:subject)", KEPT]);
    for number in 1..=12 {
        for subject in [format!("D{number}"), format!("E{number}")] {
            assert!(
                kept.lines().any(|line| *line == subject),
                "{subject}: {kept}"
            );
        }
    }
    let stashes = kept.lines().filter(|line| line.starts_with("WIP on"));
    assert_eq!(stashes.count(), 12, "{kept}");
    scene.git(&["rev-list", "--objects", "--quiet", "--glob", KEPT]);
}

#[test]
#[ignore = "takes a minute: cargo test --test it maintenance -- --ignored"]
fn two_hundred_tasks_beside_a_gc_that_prunes_everything_lose_nothing() {
    run_beside_pruning(200, &[&["gc", "--quiet", "--prune=now"]]);
}

#[test]
fn a_run_beside_gc_repack_pack_refs_prune_and_fetch_loses_nothing() {
    run_beside_maintenance(12);
}

#[test]
#[ignore = "takes a minute: cargo test --test it maintenance -- --ignored"]
fn two_hundred_tasks_beside_maintenance_lose_nothing() {
    run_beside_maintenance(200);
}
