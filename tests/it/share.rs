//! `dispatch push` and `dispatch fetch`: a run in another clone.

use std::path::PathBuf;

use crate::harness::{Ended, Gate, Scene, wait};

const PLAN: &str = "# Two\n\n1. [A] a\n   - run: echo said $SHOP_TOKEN; echo a > a.txt\n\
                    2. [B] b\n   - run: echo b > b.txt; exit 1\n";

/// A finished run with a failure, a bare remote, and another clone of it.
struct Clones {
    scene: Scene,
    other: PathBuf,
}

fn clones() -> Clones {
    let clones = clones_without_run();
    clones.scene.run(PLAN, &["-j", "1"]).expect(3);
    clones
}

fn clones_without_run() -> Clones {
    let mut scene = Scene::new();
    scene.set_env("SHOP_TOKEN", "s3cr3t-of-the-shop");
    let (remote, other) = (scene.root.join("remote.git"), scene.root.join("other"));
    let at = |path: &PathBuf| path.to_str().unwrap().to_owned();
    scene.git(&["init", "--quiet", "--bare", &at(&remote)]);
    scene.git(&["remote", "add", "origin", &at(&remote)]);
    scene.git(&["push", "--quiet", "origin", "main"]);
    scene.git(&[
        "clone",
        "--quiet",
        "--branch",
        "main",
        &at(&remote),
        &at(&other),
    ]);
    Clones { scene, other }
}

impl Clones {
    fn there(&self, args: &[&str]) -> Ended {
        self.scene.dispatch_in(&self.other, args)
    }

    fn git_there(&self, args: &[&str]) -> String {
        let args = [&["-C", self.other.to_str().unwrap()], args].concat();
        self.scene.git(&args)
    }
}

#[test]
fn a_colleague_reads_all_of_a_run() {
    let clones = clones();
    let scene = &clones.scene;
    let before = scene.git(&["for-each-ref", "refs/heads"]);
    let pushed = scene.dispatch(&["push"]).expect(0);
    assert_eq!(before, scene.git(&["for-each-ref", "refs/heads"]));
    let run = scene.run_name();
    assert!(
        pushed.err.contains(&format!("pushed {run} to origin")),
        "{}",
        pushed.err
    );
    let again = scene.dispatch(&["push", "origin", &run]).expect(0);
    assert!(again.err.contains("origin has all of"), "{}", again.err);

    let fetched = clones.there(&["fetch"]).expect(0);
    assert!(fetched.err.contains(&format!("{run}: ")), "{}", fetched.err);
    for args in [
        ["status", &run],
        ["log", &run],
        ["report", &run],
        ["board", &run],
    ] {
        let (here, there) = (scene.dispatch(&args).out, clones.there(&args).out);
        assert_eq!(here, there, "{args:?}");
    }
    let log = clones.there(&["logs", &run, "A"]).expect(0).out;
    assert!(log.contains("said ") && !log.contains("s3cr3t"), "{log}");
    let diff = clones.there(&["diff", &run, "B"]).expect(0).out;
    assert!(diff.contains("b.txt"), "{diff}");
    let fetched = clones.there(&["fetch", &run]).expect(0);
    assert!(fetched.err.contains("nothing new"), "{}", fetched.err);
    let references = clones.git_there(&["for-each-ref", "refs/dispatch/fetched"]);
    assert_eq!(references, "");
    // A stranger's run is read only.
    let retry = clones.there(&["retry", &run, "B", "--yes"]);
    assert_ne!(retry.code, 0, "{}", retry.out);
}

#[test]
fn a_run_that_goes_on_is_pushed_and_fetched_again() {
    let clones = clones();
    let scene = &clones.scene;
    scene.dispatch(&["push"]).expect(0);
    clones.there(&["fetch"]).expect(0);
    let run = scene.run_name();
    scene.dispatch(&["skip", "B"]).expect(0);
    scene.dispatch(&["resume"]);
    scene.dispatch(&["push"]).expect(0);
    let kept = clones.git_there(&[
        "for-each-ref",
        "--format=%(objectname)",
        "refs/heads/dispatch",
    ]);
    clones.there(&["fetch"]).expect(0);
    let status = |ended: Ended| ended.expect(0).out;
    assert_eq!(
        status(scene.dispatch(&["status", &run])),
        status(clones.there(&["status", &run]))
    );
    for commit in kept.lines() {
        clones.git_there(&["cat-file", "-e", commit]);
    }
}

#[test]
fn what_only_the_remote_has_is_not_overwritten() {
    let clones = clones();
    let scene = &clones.scene;
    scene.dispatch(&["push"]).expect(0);
    clones.there(&["fetch"]).expect(0);
    let branch = scene.branch("a");
    clones.git_there(&["checkout", "--quiet", &branch]);
    clones.git_there(&["config", "user.name", "Bob"]);
    clones.git_there(&["config", "user.email", "bob@example.com"]);
    clones.git_there(&["commit", "--quiet", "--allow-empty", "-m", "By Bob"]);
    clones.git_there(&["push", "--quiet", "origin", &branch]);
    scene.git(&["update-ref", &format!("refs/heads/{branch}"), "main"]);
    let refused = scene.dispatch(&["push"]).expect(1);
    let what = format!("refs/heads/{branch} on origin has commits that are not in this clone");
    assert!(refused.err.contains(&what), "{}", refused.err);
    scene.git(&["fetch", "--quiet", "origin", &branch]);
    // Bob's branch is checked out, so a fetch leaves it.
    let old = clones.git_there(&["rev-parse", &branch]);
    scene.dispatch(&["push"]).expect(0);
    let kept = clones.there(&["fetch"]).expect(0);
    assert!(kept.err.contains("stays as it is here"), "{}", kept.err);
    assert_eq!(clones.git_there(&["rev-parse", &branch]), old);
}

#[test]
fn a_missing_remote_or_run_is_named() {
    let scene = Scene::new();
    scene
        .run("# One\n\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let none = scene.dispatch(&["push"]).expect(1);
    assert!(
        none.err.contains("the repository has no remote"),
        "{}",
        none.err
    );
    let nowhere = scene.dispatch(&["push", "/nowhere/at/all"]).expect(1);
    assert!(nowhere.err.contains("/nowhere/at/all"), "{}", nowhere.err);
    scene.git(&["remote", "add", "origin", scene.repo.to_str().unwrap()]);
    let no_run = scene.dispatch(&["fetch", "origin", "other"]).expect(1);
    assert!(
        no_run.err.contains("origin has no run other"),
        "{}",
        no_run.err
    );
    scene.dispatch(&["push", "--", "--upload-pack=x"]).expect(1);
}

#[test]
fn a_secret_that_the_pushing_shell_does_not_know_is_masked() {
    let mut clones = clones();
    clones.scene.set_env("SHOP_TOKEN", "another value");
    clones.scene.dispatch(&["push"]).expect(0);
    let logs = clones
        .scene
        .git(&["for-each-ref", "--format=%(refname)", "refs/dispatch/logs"]);
    let log = clones
        .scene
        .git(&["show", &format!("{logs}:1/1/worker.log")]);
    assert!(log.contains("said ") && !log.contains("s3cr3t"), "{log}");
}

#[test]
fn a_journal_that_is_none_or_that_of_another_run_is_not_taken_over() {
    let clones = clones();
    let scene = &clones.scene;
    scene.dispatch(&["push"]).expect(0);
    let run = scene.run_name();
    let remote = scene.root.join("remote.git");
    let on_remote =
        |args: &[&str]| scene.git(&[&["--git-dir", remote.to_str().unwrap()], args].concat());
    let tree = on_remote(&["mktree"]);
    on_remote(&["update-ref", "refs/dispatch/runs/odd-abcd", &tree]);
    let journal = on_remote(&["rev-parse", &format!("refs/dispatch/runs/{run}")]);
    on_remote(&["update-ref", "refs/dispatch/runs/twin-abcd", &journal]);
    let fetched = clones.there(&["fetch"]).expect(1);
    assert!(fetched.err.contains(&format!("{run}: ")), "{}", fetched.err);
    let here = clones.git_there(&["for-each-ref", "--format=%(refname)", "refs/dispatch/runs"]);
    assert_eq!(here, format!("refs/dispatch/runs/{run}"));
    let twin = clones.there(&["fetch", "origin", "twin-abcd"]).expect(1);
    let said = format!("belongs to the run {run}");
    assert!(twin.err.contains(&said), "{}", twin.err);
    // One that came in another way hides no other run.
    let tree = clones.git_there(&["rev-parse", "HEAD^{tree}"]);
    clones.git_there(&["update-ref", "refs/dispatch/runs/odd-abcd", &tree]);
    clones.there(&["log", &run]).expect(0);
    clones.there(&["stats"]).expect(0);
}

#[test]
fn a_run_that_was_fetched_before_its_end_goes_on_elsewhere() {
    let clones = clones_without_run();
    let scene = &clones.scene;
    let mut gate = Gate::new(scene, "one");
    let script = gate.script();
    let run = format!(
        "1. [A] a\n   - run: echo a > list\n2. [B] b\n   - run: echo b > list\n3. [C] c — blocked by #1\n   - run: {script}; echo c > c\n"
    );
    let plan = scene.plan(&run);
    let child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    scene.dispatch(&["push"]).expect(0);
    gate.open();
    wait(child).expect(4);
    clones.there(&["fetch"]).expect(0);
    let run = scene.run_name();
    let hint = format!("`dispatch fetch {run}` brings what happened since");
    let status = clones.there(&["status", &run]).expect(0);
    assert!(
        status.out.contains("under way in another clone"),
        "{}",
        status.out
    );
    assert!(status.err.contains(&hint), "{}", status.err);
    for args in [
        &["logs", "-f", &run, "C"][..],
        &["wait", &run],
        &["watch", "--plain", &run],
    ] {
        let refused = clones.there(args).expect(1);
        assert!(refused.err.contains(&hint), "{args:?}: {}", refused.err);
    }
    // Its results can be compared, although nothing in its journal is executed here.
    let found = clones.there(&["conflicts", &run]).expect(4).out;
    assert!(found.contains("#1") && found.contains("list"), "{found}");
    let explained = clones
        .there(&["conflicts", &run, "--explain", "1:2"])
        .expect(4)
        .out;
    assert!(explained.contains("list"), "{explained}");
}

#[test]
fn an_address_is_shown_without_its_password_and_several_remotes_are_listed() {
    let scene = Scene::new();
    scene
        .run("1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let address = "file://ada:hunter2-hunter2@localhost/nowhere";
    let refused = scene.dispatch(&["fetch", address]).expect(1).err;
    assert!(refused.contains("ada:[masked]@localhost"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    for name in ["one", "two"] {
        scene.git(&["remote", "add", name, "/nowhere"]);
    }
    let refused = scene.dispatch(&["push"]).expect(1).err;
    assert!(
        refused.contains("the repository has 2 remotes, and none is the default: one, two"),
        "{refused}"
    );
}
