//! `dispatch unland`: the target moves back, or nothing changes.

use crate::harness::Scene;

const TWO: &str = "# Two
1. [A] First
   - run: echo a > a.txt
2. [B] Second
   - run: sed -i s/two/TWO/ src/app.ts && git rm -q README.md
";

fn landed(flags: &[&str]) -> Scene {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    scene
        .dispatch(&[&["land", "--yes"], flags].concat())
        .expect(0);
    scene
}

#[test]
fn a_landing_of_any_shape_is_taken_back_with_its_files_and_can_land_again() {
    for flags in [&[][..], &["--ff"], &["--squash"], &["--no-board"]] {
        let scene = Scene::new();
        scene.run(TWO, &[]).expect(0);
        let (old, index) = (scene.rev("main"), scene.git(&["ls-files", "--stage"]));
        let land = [&["land", "--yes"], flags].concat();
        scene.dispatch(&land).expect(0);
        let new = scene.rev("main");
        let ended = scene.dispatch(&["unland", "--yes"]).expect(0);
        assert_eq!(scene.rev("main"), old, "{flags:?}");
        assert_eq!(scene.git(&["ls-files", "--stage"]), index);
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
        assert_eq!(scene.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
        assert_eq!(scene.read("README.md"), "# Shop\n");
        assert!(!scene.repo.join("a.txt").exists());
        let run = scene.run_name();
        let backup = format!("refs/dispatch/backups/{run}/unlanding-1");
        assert_eq!(scene.rev(&backup), new);
        assert!(ended.err.contains(&backup), "{}", ended.err);
        let json = scene.json();
        assert_eq!(json["landed"], serde_json::Value::Null);
        assert_eq!(json["undone_landing"]["to"], new.as_str());
        assert!(
            scene.board().contains("the landing on main was undone"),
            "{}",
            scene.board()
        );
        let board = scene.dispatch(&["status", &run]).expect(0).out;
        assert!(board.contains("Undone landing on main"), "{board}");
        // An undone landing does not count as landed for `clean`.
        scene.dispatch(&["clean"]).expect(0);
        assert!(scene.has(&scene.branch("a")));
        scene.dispatch(&land).expect(0);
        assert_eq!(scene.read("a.txt"), "a\n");
        assert_eq!(scene.json()["undone_landing"], serde_json::Value::Null);
    }
}

#[test]
fn even_after_cleaning_up_a_landing_can_be_taken_back_and_land_again() {
    let scene = landed(&[]);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.has(&scene.branch("integration")));
    scene.dispatch(&["unland", "--yes"]).expect(0);
    scene.git(&["reflog", "expire", "--expire=now", "--all"]);
    scene.git(&["gc", "--quiet", "--prune=now"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn local_changes_stay_or_stop_it_before_anything_moves() {
    let scene = landed(&[]);
    scene.write("staged.txt", "staged\n");
    scene.git(&["add", "staged.txt"]);
    scene.write("staged.txt", "and edited\n");
    scene.write("untracked.txt", "untracked\n");
    let status = scene.git(&["status", "--porcelain"]);
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert_eq!(scene.git(&["status", "--porcelain"]), status);
    assert_eq!(scene.git(&["show", ":staged.txt"]), "staged");

    type Change = fn(&Scene);
    let in_the_way: [(&str, Change); 4] = [
        ("src/app.ts", |scene| scene.write("src/app.ts", "mine\n")),
        ("a.txt", |scene| {
            scene.write("a.txt", "mine\n");
            scene.git(&["add", "a.txt"]);
        }),
        ("README.md", |scene| {
            scene.write("README.md", "untracked, mine\n")
        }),
        ("README.md", |scene| {
            scene.write(".git/info/exclude", "README.md\n");
            scene.write("README.md", "ignored, mine\n");
        }),
    ];
    for (path, make) in in_the_way {
        let scene = landed(&[]);
        make(&scene);
        let before = scene.fingerprint();
        let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
        assert!(ended.err.contains(path), "{}", ended.err);
        before.assert_same(&scene.fingerprint());
        assert!(scene.json()["landed"].is_object());
    }
}

#[test]
fn only_what_nothing_came_after_is_taken_back() {
    let scene = landed(&[]);
    scene.write("later.txt", "later\n");
    let later = scene.commit("Later");
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
    assert!(
        ended
            .err
            .contains("main has 1 commit on top of the landing")
            && ended.err.contains("git revert -m 1"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    assert_eq!(scene.rev("main"), later);
    // Elsewhere by hand.
    scene.git(&["checkout", "--quiet", "--orphan", "other"]);
    scene.git(&["commit", "--quiet", "-m", "Other"]);
    scene.git(&["branch", "--force", "main", "other"]);
    let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
    assert!(
        ended.err.contains("no longer contains the landing"),
        "{}",
        ended.err
    );
    scene.git(&["branch", "-D", "main"]);
    let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
    assert!(
        ended.err.contains("\"main\" does not exist"),
        "{}",
        ended.err
    );
}

#[test]
fn what_is_back_by_hand_is_recorded_and_what_never_landed_is_refused() {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    let ended = scene.dispatch(&["unland", "--yes"]).expect(1);
    assert!(ended.err.contains("has not landed"), "{}", ended.err);
    let old = scene.rev("main");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["unland"]).expect(2);
    let ended = scene.dispatch(&["unland", "--dry-run"]).expect(0);
    assert!(ended.out.contains("moves with it"), "{}", ended.out);
    assert!(scene.json()["landed"].is_object());
    scene.git(&["reset", "--quiet", "--hard", &old]);
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert_eq!(scene.json()["landed"], serde_json::Value::Null);
    scene.dispatch(&["land", "--yes"]).expect(0);
}

#[test]
fn a_target_that_is_not_checked_out_or_checked_out_elsewhere_moves_back_there() {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    let old = scene.rev("main");
    scene.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let before = scene.git(&["status", "--porcelain"]);
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert_eq!(scene.rev("main"), old);
    assert_eq!(scene.git(&["status", "--porcelain"]), before);
    scene.git(&["worktree", "add", "--quiet", "../linked", "main"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let linked = scene.root.join("linked");
    assert!(linked.join("a.txt").exists());
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert!(!linked.join("a.txt").exists());
    let status = scene.git(&["-C", linked.to_str().unwrap(), "status", "--porcelain"]);
    assert_eq!(status, "");
}
