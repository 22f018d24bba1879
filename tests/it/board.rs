//! When boards are committed, beside the assembly that moves the same branch.

use crate::harness::Scene;

#[test]
fn the_board_is_committed_before_the_assembly_and_not_while_it_goes_on() {
    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"sleep 1.5\"]\n");
    let plan = "# Quick\n1. [A] First\n   - run: echo a > a.txt\n2. [B] Second\n   - run: echo b > b.txt\n";
    scene.run(plan, &[]).expect(0);
    let branch = scene.branch("integration");
    let log = ["log", "--first-parent", "--format=%s", &branch];
    let subjects = scene.git(&log);
    let kinds: Vec<&str> = subjects
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let first = kinds.iter().rposition(|kind| *kind == "Merge").unwrap();
    assert_eq!(kinds[..=first], ["board:", "Merge", "Merge"], "{subjects}");

    // The tasks were over long before a second had passed, and yet the board says so.
    let below = format!("{branch}~{}:DISPATCH.md", first + 1);
    let board = scene.git(&["show", &below]);
    assert_eq!(board.matches("| DONE |").count(), 2, "{board}");
}
