//! The folder of the worktree that has the target checked out is missing.

use std::fs;

use crate::harness::Scene;

const PLAN: &str = "# One\n1. [A] First\n   - run: echo a > a.txt\n";

/// Creates a run for a branch whose checkout is removed without git's knowledge.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.git(&["worktree", "add", "--quiet", "-b", "dev", "../dev"]);
    scene.run(PLAN, &["--into", "dev"]).expect(0);
    fs::remove_dir_all(scene.root.join("dev")).unwrap();
    scene
}

/// Checks that every command names the missing worktree and this way out, and that nothing moves.
#[track_caller]
fn refused(scene: &Scene, advice: &str) {
    let place = scene.root.join("dev").display().to_string();
    let before = scene.rev("dev");
    let said = [
        scene.dispatch(&["land", "--yes"]).expect(1).err,
        scene.dispatch(&["status"]).expect(0).err,
        scene.dispatch(&["doctor"]).expect(4).out,
        scene.run(PLAN, &["--into", "dev"]).expect(0).err,
    ];
    for said in said {
        let what = format!("dev is checked out in the worktree {place}, which is missing");
        let whole = said.replace("\n      ", " ");
        assert!(whole.contains(&what), "{said}");
        assert!(whole.replace(&place, "PLACE").contains(advice), "{said}");
    }
    assert_eq!(scene.rev("dev"), before);
}

#[test]
fn it_is_named_and_after_a_prune_the_run_lands() {
    let scene = scene();
    refused(&scene, "`git worktree prune`");
    scene.git(&["worktree", "prune"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.git(&["show", "dev:a.txt"]), "a");
    scene.dispatch(&["doctor"]).expect(0);
}

#[test]
fn a_locked_one_must_be_unlocked_first() {
    let scene = scene();
    scene.git(&["worktree", "lock", "--reason", "on a disk", "../dev"]);
    refused(
        &scene,
        "`git worktree unlock PLACE`, then `git worktree prune`",
    );
    let said = scene.dispatch(&["land", "--yes"]).expect(1).err;
    assert!(said.contains("missing and locked (on a disk)"), "{said}");
    scene.git(&["worktree", "unlock", "../dev"]);
    scene.git(&["worktree", "prune"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
}
