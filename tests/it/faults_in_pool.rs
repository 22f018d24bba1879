//! Fault points of worktrees that one task after another uses.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::Scene;

/// One after the other: the second takes the worktree of the first over, the third on another base.
const PLAN: &str = "# Pool\n\n\
    1. [A] First\n   - run: test ! -e out && mkdir -p target out && echo a > target/a && echo a > a.txt\n\
    2. [B] Second\n   - run: test ! -e out && test ! -e a.txt && mkdir -p out && echo b > b.txt\n\
    3. [C] Third — blocked by #1\n   - run: test ! -e out && test ! -e b.txt && test -e a.txt && echo c > c.txt\n";

/// The second is prepared and set up while the first runs, which waits for that, but not forever.
const AHEAD: &str = "# Pool\n\n\
    1. [A] First\n   - run: n=0; until test $(ls $RECORDS/*/set-up 2>/dev/null | wc -l) = 2 -o $n = 500; do n=$((n+1)); done; echo a > a.txt\n\
    2. [B] Second\n   - run: test -e set-up/x && test ! -e a.txt && echo b > b.txt\n\
    3. [C] Third — blocked by #1\n   - run: test -e set-up/x && test ! -e b.txt && test -e a.txt && echo c > c.txt\n";

/// The same with one more worktree.
const AHEAD_OF_COPY: &str = "# Pool\n\n\
    1. [A] First\n   - run: n=0; until test $(ls $RECORDS/*/set-up 2>/dev/null | wc -l) = 3 -o $n = 500; do n=$((n+1)); done; echo a > a.txt\n\
    2. [B] Second\n   - run: test -e set-up/x && test ! -e a.txt && echo b > b.txt\n\
    3. [C] Third — blocked by #1\n   - run: test -e set-up/x && test ! -e b.txt && test -e a.txt && echo c > c.txt\n";

/// A project, with its plan.
struct Case {
    scene: fn() -> Scene,
    plan: &'static str,
    /// A point that must be reached.
    reaches: &'static str,
}

const USED_AGAIN: Case = Case {
    scene,
    plan: PLAN,
    reaches: "pool given back@",
};

const PREPARED: Case = Case {
    scene: scene_with_set_up,
    plan: AHEAD,
    reaches: "pool ahead after its set-up@",
};

/// The second has a copy of a template, which is set up while the first runs.
const COPIED: Case = Case {
    scene: scene_with_template,
    plan: AHEAD_OF_COPY,
    reaches: "pool with a copy@",
};

fn scene_with_template() -> Scene {
    scene_set_up_with("pool_template = \"always\"\n")
}

fn scene_with_set_up() -> Scene {
    scene_set_up_with("pool_template = \"never\"\n")
}

fn scene_set_up_with(more: &str) -> Scene {
    let mut scene = Scene::new();
    scene.write(".gitignore", "set-up/\n");
    scene.write("lock", "1\n");
    scene.configure(&format!(
        "[worktree]\npool = \"auto\"\nkeep = [\"set-up\"]\nsetup_when = [\"lock\"]\n\
         setup = [\"mkdir -p set-up && echo x > set-up/x\"]\n{more}"
    ));
    let records = scene.root.join("shop/.git/dispatch/pool");
    scene.set_env("RECORDS", records.to_str().unwrap());
    scene
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "target/\nout/\n");
    scene.configure("[worktree]\npool = \"auto\"\nkeep = [\"target\"]\n");
    scene
}

fn result(scene: &Scene) -> String {
    let tree = scene.git(&["ls-tree", "-r", "--name-only", &scene.branch("integration")]);
    tree.replace('\n', " ")
}

/// Every point of the pool, the last time that it is reached.
fn points(list: &std::path::Path) -> Vec<String> {
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let (name, time) = line.rsplit_once('@').unwrap();
        if name.starts_with("pool ") {
            times.insert(name.to_owned(), time.parse().unwrap());
        }
    }
    times
        .into_iter()
        .map(|(name, time)| format!("{name}@{time}"))
        .collect()
}

fn crash_at(case: &Case, point: &str, expected: &str) -> Result<bool, String> {
    let mut scene = (case.scene)();
    let done = scene.root.join("done");
    scene.set_env("DISPATCH_FAULT", point);
    scene.set_env("DISPATCH_FAULT_DONE", done.to_str().unwrap());
    let before = scene.fingerprint();
    let all = |scene: &Scene| -> Result<(), String> {
        let first = scene.run(case.plan, &["--max-parallel", "1"]);
        if first.code != 0 {
            let resumed = scene.dispatch(&["resume"]);
            if resumed.code != 0 && !resumed.err.contains("has ended") {
                return Err(format!("{}{}{}", resumed.code, resumed.out, resumed.err));
            }
        }
        Ok(())
    };
    all(&scene)?;
    let found = (scene.statuses(), result(&scene));
    if found != ("1 DONE · 2 DONE · 3 DONE".to_owned(), expected.to_owned()) {
        return Err(format!("{found:?}"));
    }
    before.assert_same(&scene.fingerprint());
    // The worktrees go back, and a further run works in what is left of them.
    // Both runs start at one time, so that neither is the latest.
    scene.dispatch(&["land", "pool", "--yes"]).expect(0);
    if scene.dispatch(&["clean", "pool"]).code != 0 {
        scene.dispatch(&["clean", "pool"]).expect(0);
    }
    let next = "# Next\n\n1. [D] One more\n   - run: test ! -e out && echo d > d.txt\n";
    let again = scene.run(next, &[]);
    if again.code != 0 {
        return Err(format!("the next run: {}{}", again.out, again.err));
    }
    scene.dispatch(&["land", "next", "--yes"]).expect(0);
    scene.dispatch(&["clean", "next"]).expect(0);
    let examined = scene.dispatch(&["doctor", "--pool"]);
    if examined.code != 0 {
        return Err(examined.out);
    }
    scene.dispatch(&["clean", "--pool"]).expect(0);
    let left = || scene.git(&["worktree", "list"]).lines().count() - 1;
    // A worktree may be reset in the background at any of these points.
    if left() == 1 {
        // Nothing tells what the reset wrote from what a user changes in such a worktree: it stays with the
        // task that had it, is named, and goes when the user says so.
        let named = scene.dispatch(&["clean", "pool"]).err;
        let task = named.split_once("--force ");
        let task = task.and_then(|(_, rest)| rest.split(['`', ' ']).next());
        let (true, Some(task)) = (named.contains("has uncommitted changes"), task) else {
            return Err(named);
        };
        scene
            .dispatch(&["clean", "pool", "--force", task])
            .expect(0);
        scene.dispatch(&["clean", "--pool"]).expect(0);
    }
    if left() > 0 {
        return Err(scene.git(&["worktree", "list"]));
    }
    let fsck = scene.try_git(&["fsck", "--no-dangling"]);
    match fsck.code {
        0 => Ok(done.exists()),
        _ => Err(fsck.err),
    }
}

#[test]
fn a_run_in_a_pool_survives_them_too() {
    survives(&USED_AGAIN);
}

#[test]
fn so_does_a_run_for_which_worktrees_are_prepared() {
    survives(&PREPARED);
}

#[test]
fn so_does_a_run_with_a_template() {
    survives(&COPIED);
}

#[allow(clippy::print_stdout)] // The number of points is part of what these tests say.
fn survives(case: &Case) {
    let mut scene = (case.scene)();
    let list = scene.root.join("points");
    scene.set_env("DISPATCH_FAULT_LIST", list.to_str().unwrap());
    scene.run(case.plan, &["--max-parallel", "1"]).expect(0);
    let expected = result(&scene);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    let points = points(&list);
    assert!(
        points.iter().any(|point| point.starts_with(case.reaches)),
        "{points:?}"
    );
    let next = AtomicUsize::new(0);
    let (wrong, missed) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match crash_at(case, point, &expected) {
                        Ok(true) => {}
                        Ok(false) => drop(missed.fetch_add(1, Ordering::SeqCst)),
                        Err(what) => wrong.lock().unwrap().push(format!("{point}: {what}")),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner();
    println!(
        "{} fault points, {missed} not reached this time",
        points.len()
    );
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        missed * 4 <= points.len(),
        "{missed} of {} were not reached",
        points.len()
    );
}
