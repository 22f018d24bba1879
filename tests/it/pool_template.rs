//! Worktrees of the pool that are copies of one that is set up.

use std::fs;

use crate::harness::{Gate, Scene};
use crate::pool::{has_no_pool, noted, place, slot};
use crate::process::{Background, until};

/// A project whose set-up counts its runs.
fn scene(template: &str, set_up: &str) -> Scene {
    let scene = Scene::new();
    let root = scene.root.display();
    scene.write(".gitignore", "set-up/\n");
    scene.write("lock", "1\n");
    scene.write("deep/er/file", "text\n");
    scene.configure(&format!(
        "[worktree]\npool = \"auto\"\npool_template = \"{template}\"\nkeep = [\"set-up\"]\nsetup_when = [\"lock\"]\n\
         setup = ['echo x >> {root}/set-ups; mkdir -p set-up/bin; ln -s nowhere set-up/link; {set_up}']\n"
    ));
    scene
}

/// Two tasks, of which the first waits; the second is in a prepared worktree.
fn plan(scene: &Scene, gate: &Gate) -> String {
    let root = scene.root.display();
    format!(
        "1. [A] First\n   - run: {}; echo a > a.txt\n\
         2. [B] Second\n   - run: pwd -P > {root}/pwd-B; test -z \"$(git status --porcelain)\" && test -L set-up/link && test ! -e a.txt && echo b > deep/er/file\n",
        gate.script()
    )
}

/// Counts the records that have a file of this name.
fn count(scene: &Scene, name: &str) -> usize {
    let records = fs::read_dir(scene.root.join("shop/.git/dispatch/pool"));
    let records = records.into_iter().flatten().flatten();
    records
        .filter(|record| record.path().join(name).exists())
        .count()
}

/// Waits until so many worktrees are set up, and a task can have one of them.
fn wait_for_a_spare(scene: &Scene, of: usize) {
    let shown = || scene.dispatch(&["doctor", "--pool", "--json"]).out;
    until("a worktree is prepared", || {
        count(scene, "set-up") == of && shown().contains("\"state\": \"free\"")
    });
}

fn set_ups(scene: &Scene) -> usize {
    let text = fs::read_to_string(scene.root.join("set-ups"));
    text.unwrap_or_default().lines().count()
}

#[test]
fn set_up_does_not_run_again_for_copies_of_the_template() {
    if has_no_pool() {
        return;
    }
    let scene = scene("always", "pwd > set-up/bin/path");
    let mut gate = Gate::new(&scene, "gate");
    let before = scene.fingerprint();
    let mut run = Background::run(&scene, &plan(&scene, &gate), &["-j", "1"]);
    gate.wait_until_reached();
    wait_for_a_spare(&scene, 3);
    gate.open();
    assert_eq!(run.wait(), 0, "{}", run.said());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    before.assert_same(&scene.fingerprint());
    assert_eq!(set_ups(&scene), 2, "for the first task and the template");
    assert_eq!(place(&scene, "B"), slot(&scene, 3));
    let path = fs::read_to_string(slot(&scene, 3).join("set-up/bin/path")).unwrap();
    assert_eq!(
        path.trim(),
        slot(&scene, 2).to_str().unwrap(),
        "as the user says"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    // The file that the second task changed is landed: copies are moved to another commit.
    let tasks: Vec<String> = (1..=4)
        .map(|n| format!("{n}. [T{n}] Task\n   - run: test -e set-up/bin/path && grep -q b deep/er/file && test -z \"$(git status --porcelain)\" && echo x > t{n}.txt\n"))
        .collect();
    let shown = scene.run(&format!("# Next\n\n{}", tasks.concat()), &["-j", "4"]);
    shown.expect(0);
    assert_eq!(set_ups(&scene), 2, "two are free, and two are copies");
    let again = scene.plan_named("again.md", &format!("# Again\n\n{}", tasks[0]));
    let shown = scene.dispatch(&["run", &again, "--dry-run"]).expect(0).out;
    assert!(
        shown.contains("worktrees: those of the pool; further ones are "),
        "{shown}"
    );
    assert!(shown.contains("which is faster: a copy took"), "{shown}");
    scene.dispatch(&["land", "next", "--yes"]).expect(0);
    scene.dispatch(&["clean", "next"]).expect(0);
    let examined = scene.dispatch(&["doctor", "--pool"]).expect(0).out;
    assert!(
        examined.contains("pool/2: the template, of which further ones are copies\n"),
        "{examined}"
    );
    scene.dispatch(&["clean", "--pool"]).expect(0);
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn what_has_the_path_of_its_worktree_in_it_is_not_copied() {
    if has_no_pool() {
        return;
    }
    let scene = scene("auto", "pwd > set-up/bin/path");
    let mut gate = Gate::new(&scene, "gate");
    let text = plan(&scene, &gate);
    let mut run = Background::run(&scene, &text, &["-j", "1"]);
    gate.wait_until_reached();
    wait_for_a_spare(&scene, 2);
    gate.open();
    assert_eq!(run.wait(), 0, "{}", run.said());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!(place(&scene, "B"), slot(&scene, 2));
    assert_eq!(
        noted(&scene, "pwd", "B"),
        slot(&scene, 2).display().to_string()
    );
    let plan = scene.plan_named("again.md", "# Again\n\n1. [C] Third\n   - run: true\n");
    let shown = scene.dispatch(&["run", &plan, "--dry-run"]).expect(0).out;
    let reasons = [
        "cannot share their blocks (no reflinks)",
        "set-up/bin/path has the path of its worktree in it",
    ];
    assert!(
        reasons.iter().any(|reason| shown.contains(reason)),
        "{shown}"
    );
}
