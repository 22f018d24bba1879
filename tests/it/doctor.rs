//! `dispatch doctor`: leftovers of killed processes and lost folders are found, explained and repaired,
//! and no work is lost.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Ended, Gate, Scene, has_reftable};
use crate::mount::skipped;
use crate::process::{Background, is_alive, send, until};

const TWO: &str = "1. [ONE] First\n   - run: echo one > one.txt\n\
                   2. [TWO] Second\n   - run: echo two > two.txt\n";

/// Creates a run of two tasks that has passed.
fn done() -> Scene {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    scene
}

/// Creates a run whose only worker was killed with its supervisor while `half.txt` was uncommitted.
fn killed() -> (Scene, Gate) {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "1. [ONE] First\n   - run: {}; echo one > one.txt\n",
        gate.script()
    );
    let dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    fs::write(scene.worktree("one").join("half.txt"), "half\n").unwrap();
    let file = run_folder(&scene).join("attempts/1-1/worker/proc.json");
    let record = || -> serde_json::Value {
        let text = fs::read(&file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    };
    // The worker may be faster than its record.
    until("the worker is recorded", || {
        record()["worker"]["pid"].is_i64()
    });
    let record = record();
    dispatch.crash();
    for who in ["shim", "worker"] {
        let pid = record[who]["pid"].as_i64().unwrap() as i32;
        send(pid, Signal::KILL);
        until("it is gone", || !is_alive(pid));
    }
    // The next worker is not to wait.
    gate.open();
    (scene, gate)
}

fn run_folder(scene: &Scene) -> PathBuf {
    scene.repo.join(".git/dispatch/runs").join(scene.run_name())
}

fn admin(scene: &Scene, slug: &str) -> PathBuf {
    let link = fs::read_to_string(scene.worktree(slug).join(".git")).unwrap();
    PathBuf::from(link.trim_end().strip_prefix("gitdir: ").unwrap())
}

/// Renders the output, without parts that differ from place to place.
fn said(scene: &Scene, ended: &Ended) -> String {
    let run = scene.run_name();
    scene.normal(&ended.out).replace(&run, "RUN")
}

/// Removes the file of an object.
fn remove(scene: &Scene, oid: &str) {
    let objects = scene.repo.join(".git/objects");
    fs::remove_file(objects.join(&oid[..2]).join(&oid[2..])).unwrap();
}

/// Removes an object with its copies.
fn lose(scene: &Scene, oid: &str) {
    remove(scene, oid);
    fs::remove_dir_all(scene.repo.join(".git/dispatch/objects")).unwrap();
}

/// Checks that a problem is found, repaired, and then no longer found.
#[track_caller]
fn repaired(scene: &Scene) -> String {
    let before = scene.fingerprint();
    let found = scene.dispatch(&["doctor"]).expect(4);
    assert!(found.err.contains("--fix"), "{}{}", found.out, found.err);
    let fixed = scene.dispatch(&["doctor", "--fix"]);
    before.assert_same(&scene.fingerprint());
    let again = scene.dispatch(&["doctor"]);
    assert!(!again.out.contains("--fix"), "{}", again.out);
    assert_eq!(fixed.code, again.code, "{}{}", fixed.out, again.out);
    said(scene, &fixed)
}

#[test]
fn a_run_that_went_well_leaves_nothing_to_repair() {
    let scene = done();
    let ended = scene.dispatch(&["doctor"]).expect(0);
    assert_eq!(ended.out, "no problems found in 1 run\n");
    assert!(ended.err.contains("git 2."), "{}", ended.err);
    let json = scene.dispatch(&["doctor", "--json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    scene.dispatch(&["doctor"]).expect(0);
}

#[test]
fn leftovers_of_killed_processes_are_explained_and_removed() {
    if has_reftable() {
        skipped("references have no lock files of their own");
        return;
    }
    let scene = done();
    let admin = admin(&scene, "one");
    fs::write(admin.join("locked"), "initializing\n").unwrap();
    let other = self::admin(&scene, "two");
    fs::write(other.join("locked"), "dispatch two\n").unwrap();
    fs::write(other.join("index.lock"), "").unwrap();
    fs::write(run_folder(&scene).join("control.sock"), "").unwrap();
    let left = scene.repo.join(".git/dispatch/tmp/quarantine-x");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join(".dispatch-lock"), "").unwrap();
    scene.write(&format!(".git/refs/heads/{}.lock", scene.branch("one")), "");
    insta::assert_snapshot!(repaired(&scene), @r"
    <root>/shop/.git/dispatch/tmp/quarantine-x
      a temporary folder of a process that was killed
      repaired: remove it
    RUN: refs/heads/dispatch/RUN/one.lock
      a process was killed while it moved the reference
      repaired: remove the lock
    RUN: <root>/shop.dispatch/RUN/one
      the git that made it was killed and left it locked
      repaired: unlock it
    RUN: <root>/shop/.git/worktrees/RUN-two/index.lock
      a git of a dead worker left it
      repaired: remove it
    RUN: <root>/shop.dispatch/RUN/two
      its attempt has ended, but it is still locked
      repaired: unlock it
    RUN: <root>/shop/.git/dispatch/runs/RUN/control.sock
      the process that listened on it is dead
      repaired: remove it
    no problems found in 1 run
    ");
    assert!(scene.worktree("one").join("one.txt").exists());
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    assert_eq!(
        scene.git(&["log", "-1", "--format=%s", &journal]),
        "repaired 5 things"
    );
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
}

#[test]
fn a_worktree_of_a_run_is_known_as_such_wherever_the_settings_put_it() {
    let scene = Scene::new();
    scene.configure("[worktree]\npath = \"../elsewhere/{run}/{task}\"\n");
    scene.run(TWO, &[]).expect(0);
    let worktree = scene
        .root
        .join("elsewhere")
        .join(scene.run_name())
        .join("one");
    let link = fs::read_to_string(worktree.join(".git")).unwrap();
    let admin = PathBuf::from(link.trim_end().strip_prefix("gitdir: ").unwrap());
    let locked = admin.join("locked");
    fs::write(&locked, "initializing\n").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(600);
    let file = fs::File::options().write(true).open(&locked).unwrap();
    file.set_modified(long_ago).unwrap();
    let found = scene.dispatch(&["doctor"]).expect(4);
    insta::assert_snapshot!(said(&scene, &found), @r"
    RUN: <root>/elsewhere/RUN/one
      the git that made it was killed and left it locked
      with --fix: unlock it
    ");
}

#[test]
fn deleted_references_are_restored() {
    let scene = done();
    let branches = ["one", "integration"].map(|slug| format!("refs/heads/{}", scene.branch(slug)));
    let tips = branches.clone().map(|branch| scene.rev(&branch));
    let board = scene.board();
    for branch in &branches {
        scene.git(&["update-ref", "-d", branch]);
    }
    let said = repaired(&scene).replace(&tips[0][..7], "<one>");
    let assembled = scene.json()["integration"]["tip"].as_str().unwrap()[..7].to_owned();
    let said = said.replace(&assembled, "<integration>");
    insta::assert_snapshot!(said, @r"
    RUN: dispatch/RUN/one
      its branch is missing
      repaired: restore it at <one>
    RUN: dispatch/RUN/integration
      the integration branch is missing
      repaired: restore it at <integration>
    no problems found in 1 run
    ");
    assert_eq!(scene.rev(&branches[0]), tips[0]);
    scene.dispatch(&["assemble"]).expect(0);
    assert_eq!(scene.board(), board);
}

#[test]
fn a_journal_whose_reference_is_gone_is_found_among_the_objects() {
    let scene = done();
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let (tip, run) = (scene.rev(&journal), scene.run_name());
    scene.git(&["update-ref", "-d", &journal]);
    let found = scene.dispatch(&["doctor"]).expect(4);
    let why = "its reference is missing; its commits still exist";
    assert!(found.out.contains(why), "{}", found.out);
    scene.dispatch(&["doctor", "--fix"]).expect(0);
    assert_eq!((scene.rev(&journal), scene.run_name()), (tip, run));
    scene.dispatch(&["doctor"]).expect(0);
}

#[test]
fn a_journal_whose_tip_is_damaged_goes_back_to_its_last_good_commit() {
    let scene = done();
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let (tip, good) = (scene.rev(&journal), scene.rev(&format!("{journal}~")));
    lose(&scene, &tip);
    let refused = scene.dispatch(&["status"]).expect(1);
    assert!(!refused.err.contains("panicked"), "{}", refused.err);
    let found = scene.dispatch(&["doctor"]).expect(4);
    let why = format!("its commit {tip} is missing");
    assert!(found.out.contains(&why), "{}", found.out);
    scene.dispatch(&["doctor", "--fix"]);
    assert_eq!(scene.rev(&journal), good);
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(scene.json()["state"], "finished");
}

#[test]
fn objects_that_a_gc_removed_are_put_back() {
    let scene = done();
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    for revision in [":plan.json", "^{tree}", "~", ""] {
        remove(&scene, &scene.rev(&format!("{journal}{revision}")));
    }
    for revision in ["one:one.txt", "one^{tree}", "one", "two"] {
        remove(&scene, &scene.rev(&scene.branch(revision)));
    }
    scene.dispatch(&["doctor"]).expect(0);
    scene.git(&["fsck", "--connectivity-only"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
}

/// Loses the object that this revision names, and returns what `doctor` prints.
fn doctor_without(revision: impl Fn(&Scene) -> String) -> (Scene, String, String) {
    let scene = done();
    let oid = scene.rev(&revision(&scene));
    lose(&scene, &oid);
    let found = scene.dispatch(&["doctor"]).expect(4);
    assert_eq!(found.out.matches(&oid).count(), 3, "{}", found.out);
    let text = said(&scene, &found).replace(&oid, "OID");
    let again = scene.dispatch(&["doctor", &scene.run_name()]).expect(4);
    assert!(again.out.contains(&oid), "{}", again.out);
    (scene, oid, text)
}

#[test]
fn a_missing_file_of_a_journal_is_named() {
    let plan = |scene: &Scene| format!("refs/dispatch/runs/{}:plan.json", scene.run_name());
    let (.., text) = doctor_without(plan);
    insta::assert_snapshot!(text, @r"
    RUN: refs/dispatch/runs/RUN
      object OID, which holds its plan or settings, is missing
      if another clone or a backup has it, bring it from there: `git -C CLONE cat-file TYPE OID | git hash-object -w --stdin -t TYPE`, with the TYPE that `git -C CLONE cat-file -t OID` prints
    ");
}

#[test]
fn a_missing_object_of_a_result_is_named() {
    let (scene, oid, text) = doctor_without(|scene| scene.branch("two:two.txt"));
    insta::assert_snapshot!(text, @r"
    RUN: object OID is missing
      the result of #2 (dispatch/RUN/two) needs it; a `git gc --prune=now` may have removed it
      `dispatch retry RUN 2` makes it again; or if another clone or a backup has it, bring it from there: `git -C CLONE cat-file TYPE OID | git hash-object -w --stdin -t TYPE`, with the TYPE that `git -C CLONE cat-file -t OID` prints
    ");
    scene.dispatch(&["retry", &scene.run_name(), "2"]).expect(0);
    assert_eq!(scene.rev(&scene.branch("two:two.txt")), oid);
    scene.dispatch(&["doctor"]).expect(0);
}

#[test]
fn a_missing_object_of_the_assembled_branch_is_named() {
    let (scene, _, text) = doctor_without(|scene| scene.branch("integration~^{tree}"));
    insta::assert_snapshot!(text, @r"
    RUN: object OID is missing
      dispatch/RUN/integration needs it; a `git gc --prune=now` may have removed it
      `dispatch assemble RUN` makes it again; or if another clone or a backup has it, bring it from there: `git -C CLONE cat-file TYPE OID | git hash-object -w --stdin -t TYPE`, with the TYPE that `git -C CLONE cat-file -t OID` prints
    ");
    scene.dispatch(&["assemble"]).expect(0);
}

#[test]
fn a_run_without_a_journal_is_explained_and_work_of_it_stays() {
    let scene = done();
    let base = scene.rev("main");
    let work = scene.git(&["commit-tree", "-p", "main", "-m", "Mine", "main^{tree}"]);
    scene.git(&["update-ref", "refs/heads/dispatch/lost-aaaa/work", &work]);
    scene.git(&["update-ref", "refs/heads/dispatch/lost-bbbb/empty", &base]);
    let found = scene.dispatch(&["doctor", "--fix"]).expect(4);
    assert!(
        found
            .out
            .contains("no run owns it, and no other branch contains its work"),
        "{}",
        found.out
    );
    assert!(scene.has("dispatch/lost-aaaa/work"));
    assert!(!scene.has("dispatch/lost-bbbb/empty"), "{}", found.out);
}

#[test]
fn a_worktree_that_is_gone_frees_its_entry_and_its_commits_stay() {
    let scene = done();
    fs::remove_dir_all(scene.worktree("one")).unwrap();
    let name = admin(&scene, "two");
    let mine = scene.git(&["commit-tree", "-p", "main", "-m", "Mine", "main^{tree}"]);
    fs::write(name.join("HEAD"), format!("{mine}\n")).unwrap();
    fs::remove_dir_all(scene.worktree("two")).unwrap();
    insta::assert_snapshot!(repaired(&scene).replace(&mine[..7], "<mine>"), @r"
    RUN: <root>/shop.dispatch/RUN/one
      its folder is missing, but git has an entry for it
      repaired: remove its entry
    RUN: <root>/shop.dispatch/RUN/two
      its folder is missing, but git has an entry for it
      repaired: keep <mine> as refs/dispatch/attempts/RUN/two/1, remove its entry
    no problems found in 1 run
    ");
    let kept = format!("refs/dispatch/attempts/{}/two/1", scene.run_name());
    assert_eq!(scene.rev(&kept), mine);
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_repository_that_was_moved_finds_its_worktrees_again() {
    for renamed in [false, true] {
        let (mut scene, _gate) = killed();
        let run = scene.run_name();
        match renamed {
            // Only the repository has another name: a later run looks elsewhere for its worktrees.
            true => {
                let moved = scene.root.join("store");
                fs::rename(&scene.repo, &moved).unwrap();
                scene.repo = moved;
            }
            // Both were moved together.
            false => {
                let moved = scene.root.join("moved");
                fs::create_dir(&moved).unwrap();
                for name in ["shop", "shop.dispatch"] {
                    fs::rename(scene.root.join(name), moved.join(name)).unwrap();
                }
                scene.repo = moved.join("shop");
            }
        }
        let found = scene.dispatch(&["doctor"]).expect(4);
        let why = "the repository or the folder was moved; the worktree's link is broken";
        assert!(found.out.contains(why), "{renamed}: {}", found.out);
        let fixed = scene.dispatch(&["doctor", "--fix"]).expect(4);
        assert!(
            fixed.out.contains("repaired: link it again"),
            "{}",
            fixed.out
        );
        scene.dispatch(&["resume"]).expect(0);
        assert_eq!(scene.statuses(), "1 DONE");
        let kept = format!("refs/dispatch/attempts/{run}/one/1:half.txt");
        assert_eq!(scene.git(&["show", &kept]), "half", "{renamed}");
    }
}

#[test]
fn a_run_that_is_being_driven_is_left_alone() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "1. [ONE] First\n   - run: {}; echo one > one.txt\n",
        gate.script()
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    let ended = scene.dispatch(&["doctor", "--fix"]).expect(0);
    assert!(
        ended.err.contains("is being driven (process "),
        "{}",
        ended.err
    );
    gate.open();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
}

#[test]
fn settings_that_let_gc_take_fresh_objects_are_said() {
    let scene = done();
    scene.git(&["config", "gc.pruneExpire", "now"]);
    let ended = scene.dispatch(&["doctor", "--fix"]).expect(4);
    assert!(
        ended.out.contains("gc.pruneexpire = now") || ended.out.contains("gc.pruneExpire = now"),
        "{}",
        ended.out
    );
    assert_eq!(
        scene.git(&["config", "gc.pruneExpire"]),
        "now",
        "it is the user's"
    );
}

#[test]
fn an_invalid_configuration_is_a_problem_beside_the_others() {
    let scene = done();
    scene.configure("[run]\nmax_paralel = 2\n");
    let ended = scene.dispatch(&["doctor"]).expect(4);
    let said = "the configuration cannot be read\n  invalid configuration\n  error: unknown key";
    assert!(ended.out.starts_with(said), "{}", ended.out);
    assert!(ended.out.contains("max_paralel"), "{}", ended.out);
    assert!(
        ended.out.contains("until then no run starts"),
        "{}",
        ended.out
    );
}
