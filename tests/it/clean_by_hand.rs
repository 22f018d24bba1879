//! `dispatch clean` and checks after the user did something to the worktrees of a run.

use std::fs;

use crate::harness::Scene;

const PLAN: &str = "1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: echo b > b.txt\n";

#[test]
fn a_commit_in_a_worktree_whose_folder_is_gone_is_kept_and_a_locked_one_stays() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let (a, b) = (scene.worktree("a"), scene.worktree("b"));
    let in_a = |args: &[&str]| scene.git(&[&["-C", a.to_str().unwrap()], args].concat());
    in_a(&["checkout", "-q", "--detach"]);
    fs::write(a.join("mine.txt"), "mine\n").unwrap();
    in_a(&["add", "-A"]);
    in_a(&["commit", "-qm", "By hand"]);
    fs::remove_dir_all(&a).unwrap();
    scene.git(&[
        "worktree",
        "lock",
        "--reason",
        "on a stick",
        b.to_str().unwrap(),
    ]);
    let cleaned = scene.dispatch(&["clean", "--force", "2"]).expect(0).err;
    let reference = format!("refs/dispatch/attempts/{}/a.left", scene.run_name());
    let words = format!("/a with 1 commit that was made and left there; kept below {reference}");
    assert!(cleaned.contains(&words), "{cleaned}");
    assert_eq!(
        scene.git(&["show", &format!("{reference}:mine.txt")]),
        "mine"
    );
    let words = format!(
        "/b: is locked (on a stick): `git worktree unlock {}`",
        b.display()
    );
    assert!(cleaned.contains(&words), "{cleaned}");
    assert!(b.join("b.txt").exists());
    scene.git(&["worktree", "unlock", b.to_str().unwrap()]);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!b.exists());
}

#[test]
fn repositories_that_the_user_makes_in_the_worktree_of_the_checks_are_moved_away() {
    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"test ! -e mine\"]\n");
    scene.run(PLAN, &[]).expect(0);
    let place = scene.worktree("integration");
    let git = |args: &[&str]| scene.git(&[&["-C", place.to_str().unwrap()], args].concat());
    git(&["init", "-q", "mine/empty"]);
    git(&["worktree", "add", "-q", "--detach", "mine/linked"]);
    fs::write(place.join("mine/linked/n.txt"), "n\n").unwrap();
    fs::write(place.join("mine/notes.txt"), "notes\n").unwrap();
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    let kept = place.with_file_name("integration.kept-1/mine");
    for name in ["empty", "linked"] {
        let words = format!(
            "the repository mine/{name}, which was made by hand; moved to {}",
            kept.join(name).display()
        );
        assert!(planned.contains(&words), "{planned}");
    }
    scene.dispatch(&["assemble", "--recheck"]).expect(0);
    assert!(!place.join("mine").exists());
    let status = [
        "-C",
        kept.join("linked").to_str().unwrap(),
        "status",
        "--porcelain",
    ]
    .map(str::to_owned);
    let status: Vec<&str> = status.iter().map(String::as_str).collect();
    assert_eq!(scene.git(&status), "?? n.txt");
    assert!(kept.join("empty/.git").exists());
    let notes = format!(
        "refs/dispatch/attempts/{}/integration.left:mine/notes.txt",
        scene.run_name()
    );
    assert_eq!(scene.git(&["show", &notes]), "notes");
    scene.dispatch(&["clean"]).expect(0);
    assert!(!place.exists() && kept.join("empty/.git").exists());
}
