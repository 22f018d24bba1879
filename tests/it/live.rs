//! Conflicts of unfinished work.

use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use git_dispatch::base::process::Program;
use git_dispatch::git::capture::CaptureError;
use git_dispatch::git::snapshot::Snapshots;
use git_dispatch::git::worktree::Head;
use git_dispatch::git::{Git, Repo, Store};
use git_dispatch::merge::oid::Oid;

use crate::forge::{Forge, files, planned};
use crate::harness::{Gate, Scene, wait};

/// Waits until a condition holds, and fails if it never does.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

fn speculative(scene: &Scene) -> Vec<serde_json::Value> {
    let board = scene.json();
    board["conflicts"]["speculative"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn uncommitted_work_that_conflicts_is_on_the_board_until_it_does_no_more() {
    let scene = Scene::new();
    let mut one = Gate::new(&scene, "one");
    let mut two = Gate::new(&scene, "two");
    let mut three = Gate::new(&scene, "three");
    let plan = format!(
        "1. [A] a\n   - run: echo never committed a > same.txt; {}; echo a > a.txt; rm same.txt\n\
         2. [B] b\n   - run: echo never committed b > same.txt; {}; rm same.txt; echo b > b.txt; {}\n",
        three.script(),
        one.script(),
        two.script()
    );
    let before = scene.fingerprint();
    let child = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    three.wait_until_reached();
    one.wait_until_reached();
    until("a conflict", || !speculative(&scene).is_empty());
    let found = &speculative(&scene)[0];
    assert_eq!(found["tasks"], serde_json::json!([1, 2]));
    assert_eq!(found["class"], "add-add");
    assert_eq!(found["units"][0]["paths"][0], "same.txt");
    assert!(found["since"].as_str().unwrap().contains('T'), "{found}");
    let (verdict, counts) = (&found["verdict"], &found["conflict"]);
    assert_eq!(
        (verdict.as_str(), counts.as_bool()),
        (Some("conflict"), Some(true))
    );
    let advice = "merge after #1, re-dispatch #2";
    assert_eq!(found["suggested"], advice);
    assert_eq!(found["bases"][0], scene.git(&["rev-parse", "main"]));
    until("a board", || {
        scene.board().contains("## Speculative conflicts")
    });
    let board = scene.board();
    assert!(
        board.contains("| #1 × #2 | same.txt | add-add | 20"),
        "{board}"
    );
    let status = scene.dispatch(&["status"]).expect(0).out;
    assert!(status.contains("\nSpeculative conflicts\n"), "{status}");
    // Nothing of a snapshot is in the repository.
    let text = scene.root.join("text");
    std::fs::write(&text, "never committed a\n").unwrap();
    let blob = scene.git(&["hash-object", text.to_str().unwrap()]);
    let found = scene.try_git(&["cat-file", "-e", &blob]);
    assert_ne!(found.code, 0, "{blob}");
    // A sceptic makes commits of it, and sees the same.
    let command = speculative(&scene)[0]["command"]
        .as_str()
        .unwrap()
        .to_owned();
    let shell = Program::new("sh").args(["-c", &command]);
    let finished = shell.folder(scene.root.join("shop")).output().unwrap();
    let said = String::from_utf8(finished.stdout).unwrap();
    assert_eq!(finished.status.code(), Some(1), "{command}");
    let expected = "CONFLICT (add/add): Merge conflict in same.txt";
    assert!(said.contains(expected), "{said}");
    one.open();
    two.wait_until_reached();
    until("no conflict", || speculative(&scene).is_empty());
    until("a board", || !scene.board().contains("Speculative"));
    two.open();
    three.open();
    wait(child).expect(0);
    before.assert_same(&scene.fingerprint());
    let left = scene.root.join("shop/.git/dispatch/tmp");
    assert_eq!(std::fs::read_dir(left).unwrap().count(), 0);
}

#[test]
fn a_worker_that_commits_in_a_loop_is_never_in_the_way_of_itself() {
    let forge = Forge::new(&[planned("main", &[], &files(&[("f", "0|"), ("g", "g|")]))]);
    let repo: &Repo = &forge.repo;
    let base = forge.commits[0];
    let path = repo.top.with_file_name("worktree");
    let head = Head::Detached(base);
    let worktree = repo.add_worktree(&path, &head, "test").unwrap();
    let over = AtomicBool::new(false);
    let (failures, taken) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // As a worker does it: no environment of ours, the repository's own settings.
            let git = Git::at(&path).env("GIT_OPTIONAL_LOCKS", "1");
            let mut failures = Vec::new();
            for round in 0..120 {
                std::fs::write(path.join("f"), format!("{round}\n")).unwrap();
                std::fs::write(path.join(format!("new-{round}")), "x\n").unwrap();
                for args in [
                    &["add", "--all"][..],
                    &["commit", "--quiet", "--message", "round"],
                    &["status", "--short"],
                ] {
                    failures.extend(git.run(args).err());
                }
            }
            over.store(true, Ordering::SeqCst);
            failures
        });
        let mut snapshots = Snapshots::new(repo).unwrap();
        let mut taken = 0;
        while !over.load(Ordering::SeqCst) {
            taken += usize::from(matches!(
                snapshots.take(&worktree, base, &[], all),
                Ok(Some(_))
            ));
        }
        (worker.join().unwrap(), taken)
    });
    assert!(failures.is_empty(), "{failures:?}");
    assert!(taken > 5, "only {taken} snapshots");
    assert_eq!(
        Git::at(&path)
            .line(&["rev-list", "--count", "HEAD"])
            .unwrap(),
        "121"
    );
}

/// Takes everything in a worktree for work.
fn all(_: &Store, tree: Oid) -> Result<Oid, CaptureError> {
    Ok(tree)
}

#[test]
fn a_snapshot_is_what_a_commit_of_everything_would_be() {
    let forge = Forge::new(&[planned("main", &[], &files(&[("f", "0|"), ("g", "g|")]))]);
    let repo = &forge.repo;
    let base = forge.commits[0];
    let path = repo.top.with_file_name("worktree");
    let worktree = repo
        .add_worktree(&path, &Head::Detached(base), "test")
        .unwrap();
    let git = Git::at(&path);
    let mut snapshots = Snapshots::new(repo).unwrap();
    let mut take = || {
        snapshots
            .take(&worktree, base, &["link".to_owned()], all)
            .unwrap()
    };
    let first = take();
    assert_eq!(first, take(), "nothing has changed");
    std::fs::write(path.join("f"), "1\n").unwrap();
    std::fs::write(path.join("link"), "left out\n").unwrap();
    let index = || std::fs::read(worktree.admin.join("index")).unwrap();
    let before = index();
    let second = take().unwrap();
    assert_ne!(first, Some(second));
    // The same size within the same second, and nothing staged: seen all the same.
    std::fs::write(path.join("f"), "2\n").unwrap();
    let third = take().unwrap();
    assert_ne!(second, third);
    assert_eq!(before, index(), "the worker's index is not touched");
    let tree = snapshots
        .quarantine()
        .store()
        .unwrap()
        .tree_of(third)
        .unwrap();
    assert!(!forge.store().has(tree), "it is not in the repository");
    git.run(&["add", "f"]).unwrap();
    assert_eq!(git.line(&["write-tree"]).unwrap(), tree.to_string());
    let mut take = || {
        snapshots
            .take(&worktree, base, &["link".to_owned()], all)
            .unwrap()
    };
    assert_eq!(take(), Some(third), "staged or not makes no difference");
    std::fs::write(worktree.admin.join("MERGE_HEAD"), "").unwrap();
    assert_eq!(take(), None, "half a merge is nobody's result");
}

/// Two tasks that have written the same file and wait, as lines of a plan.
fn two_at_odds(one: &Gate, two: &Gate) -> String {
    format!(
        "1. [A] a\n   - run: echo a > same.txt; {}; echo a > a.txt\n\
         2. [B] b\n   - run: echo b > same.txt; {}; rm same.txt; echo b > b.txt\n",
        one.script(),
        two.script()
    )
}

#[test]
fn workers_are_told_where_that_is_asked_for() {
    let scene = Scene::new();
    scene.configure("[conflicts]\non_new = \"notify\"\n");
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "1. [A] Task of A\n   - run: echo a > same.txt; until [ -e \"$DISPATCH_CONFLICTS_FILE\" ]; do sleep 0.1; done; cp \"$DISPATCH_CONFLICTS_FILE\" seen.json; rm same.txt\n\
         2. [B] Task of B\n   - run: echo b > same.txt; {}\n",
        gate.script()
    );
    let child = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    gate.wait_until_reached();
    until("the first is told", || {
        scene.statuses().starts_with("1 DONE")
    });
    gate.open();
    wait(child).expect(0);
    let seen = scene.git(&["show", &format!("{}:seen.json", scene.branch("a"))]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["version"], 1);
    let met = &seen["conflicts"][0];
    assert_eq!(met["task"], 2);
    assert_eq!(met["title"], "Task of B");
    assert_eq!(met["paths"], serde_json::json!(["same.txt"]));
    assert_eq!(met["class"], "add-add");
}

#[test]
fn what_would_make_a_conflict_worse_waits_where_that_is_asked_for() {
    let scene = Scene::new();
    scene.configure("[conflicts]\non_new = \"pause-later-task\"\n");
    let mut gates = ["one", "two", "three"].map(|name| Gate::new(&scene, name));
    let [one, two, three] = &mut gates;
    let plan = format!(
        "{}3. [C] c\n   - run: {}; echo c > c.txt\n\
         4. [D] d — blocked by #3\n   - files: same.txt\n   - run: echo d > same.txt\n\
         5. [E] e — blocked by #3\n   - files: e.txt\n   - run: echo e > e.txt\n",
        two_at_odds(one, two),
        three.script(),
    );
    let child = scene.start(&[
        "run",
        &scene.plan(&plan),
        "--yes",
        "-j",
        "4",
        "--no-assemble",
    ]);
    one.wait_until_reached();
    two.wait_until_reached();
    three.wait_until_reached();
    until("a conflict", || !speculative(&scene).is_empty());
    three.open();
    until("the last has passed", || {
        scene.statuses().contains("5 DONE")
    });
    assert!(
        scene.statuses().contains("4 QUEUED"),
        "{}",
        scene.statuses()
    );
    let note = "Waiting for the conflict between #1 and #2 to end";
    assert_eq!(scene.json()["tasks"][3]["note"], note);
    until("the note on the board", || scene.board().contains(note));
    two.open();
    until("the other has passed", || {
        scene.statuses().contains("4 DONE")
    });
    one.open();
    wait(child).expect(0);
}

#[test]
fn a_run_can_be_watched_until_its_end() {
    let scene = Scene::new();
    let (mut one, mut two) = (Gate::new(&scene, "one"), Gate::new(&scene, "two"));
    let plan = two_at_odds(&one, &two);
    let child = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    one.wait_until_reached();
    two.wait_until_reached();
    until("a conflict", || !speculative(&scene).is_empty());
    let run = scene.run_name();
    let mut watcher = scene.start(&["conflicts", &run, "--watch"]);
    let mut pictures = BufReader::new(watcher.stdout.take().unwrap());
    let mut out = String::new();
    while !out.contains("\nSpeculative conflicts\n") {
        assert!(pictures.read_line(&mut out).unwrap() > 0, "{out}");
    }
    one.open();
    two.open();
    wait(child).expect(0);
    pictures.read_to_string(&mut out).unwrap();
    assert!(watcher.wait().unwrap().success(), "{out}");
    assert!(out.contains("\n#1 × #2  add-add  20"), "{out}");
    let last = out.rsplit(&format!("{run} · ")).next().unwrap();
    assert!(last.contains("2 of 2 done"), "{out}");
    assert!(last.contains("2 branches, 1 pair: 0 conflicts"), "{out}");
    let refused = scene
        .dispatch(&["conflicts", "main", "HEAD", "--watch"])
        .expect(2);
    assert!(refused.err.contains("is for a run"), "{}", refused.err);
}
