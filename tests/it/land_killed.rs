//! A dispatch that is killed while git moves the target for it: git continues, and the next call
//! waits for its end and finishes the landing.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::harness::{Gate, Scene, wait};

const ONE: &str = "# One\n1. [A] First\n   - run: echo a > a.txt\n";

/// A scene whose run is over, with a `git` on PATH that stops at a gate before it moves the files of
/// a checkout, once `armed`.
fn scene() -> (Scene, Gate) {
    let mut scene = Scene::new();
    scene.run(ONE, &[]).expect(0);
    let gate = Gate::new(&scene, "git");
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *' read-tree -m -u '*) [ ! -e '{}' ] || {{ {}; }}; esac\nexec git \"$@\"\n",
        scene.root.join("armed").display(),
        gate.script()
    );
    scene.write_program("../bin/git", &script);
    let bin = scene.root.join("bin");
    scene.set_env("PATH", &format!("{}:{path}", bin.display()));
    (scene, gate)
}

fn arm(scene: &Scene) {
    scene.write("../armed", "");
}

fn disarm(scene: &Scene) {
    std::fs::remove_file(scene.root.join("armed")).unwrap();
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts it and comes back when it waits for the git that was left behind.
fn start_and_see_it_wait(scene: &Scene, args: &[&str]) -> Child {
    let mut child = scene.start(args);
    let mut said = String::new();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    while !said.contains("still running") {
        assert!(errors.read_line(&mut said).unwrap() > 0, "{said}");
    }
    std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
    child
}

#[test]
fn a_landing_whose_git_outlives_it_is_recorded_by_the_next_and_can_be_taken_back() {
    let (scene, mut gate) = scene();
    let old = scene.rev("main");
    arm(&scene);
    let first = scene.start(&["land", "--yes"]);
    gate.wait_until_reached();
    kill(first);
    assert_eq!(scene.rev("main"), old);
    let second = start_and_see_it_wait(&scene, &["land", "--yes"]);
    gate.open();
    // The files have moved and the branch has not, so its own git looks at them once more.
    gate.wait_until_reached();
    disarm(&scene);
    gate.open();
    let ended = wait(second).expect(0);
    let new = scene.rev("main");
    assert!(ended.out.contains(&new[..7]), "{}", ended.out);
    assert_ne!(new, old);
    assert_eq!(scene.json()["landed"]["to"], new.as_str());
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert_eq!(scene.rev("main"), old);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn taking_back_goes_on_after_the_git_that_outlived_it() {
    let (scene, mut gate) = scene();
    let old = scene.rev("main");
    scene.dispatch(&["land", "--yes"]).expect(0);
    arm(&scene);
    let first = scene.start(&["unland", "--yes"]);
    gate.wait_until_reached();
    kill(first);
    let second = start_and_see_it_wait(&scene, &["unland", "--yes"]);
    gate.open();
    // The files have moved and the branch has not, so its own git looks at them once more.
    gate.wait_until_reached();
    gate.open();
    wait(second).expect(0);
    assert_eq!(scene.rev("main"), old);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    assert!(!scene.repo.join("a.txt").exists());
}

#[test]
fn a_hook_that_outlives_its_dispatch_does_not_meet_the_next_one() {
    let mut scene = Scene::new();
    scene.run(ONE, &[]).expect(0);
    let mut gate = Gate::new(&scene, "hook");
    scene.set_env("GATE", "closed");
    let hook = format!(
        "#!/bin/sh\n[ \"$GATE\" != closed ] || {{ {}; }}\n",
        gate.script()
    );
    scene.write_program(".git/hooks/commit-msg", &hook);
    let first = scene.start(&["land", "--yes"]);
    gate.wait_until_reached();
    kill(first);
    scene.unset_env("GATE");
    let second = start_and_see_it_wait(&scene, &["land", "--yes"]);
    gate.open();
    wait(second).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
    assert!(!scene.worktree("landing").exists());
}
