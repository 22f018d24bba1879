//! Full disks: small file systems of the tests, filled and freed.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::harness::{Gate, Scene};
use crate::mount::Mount;
use crate::process::{Background, until};

/// Creates the repository on a small disk, in `outside`, and worktrees elsewhere.
fn repo_on_disk(outside: &Scene) -> Scene {
    let mut scene = Scene::new();
    scene.configure(
        "[run]\nmin_free_space = \"1MiB\"\n[worktree]\npath = \"../../trees/{run}/{task}\"\n",
    );
    let copy = outside.root.join("disk/shop");
    scene.git(&["clone", "--quiet", ".", copy.to_str().unwrap()]);
    scene.repo = copy;
    // The worker fills a disk that is not its own.
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    // The repository is not in the scene's own folder.
    let trusted = format!("[{:?}]", outside.root);
    scene.set_env("DISPATCH_TRUST_FOLDERS", &trusted);
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    scene
}

fn notices(scene: &Scene) -> String {
    let notices = scene.json()["notices"].clone();
    notices
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_str().unwrap().to_owned() + "\n")
        .collect()
}

/// Returns the size of all files of a folder, in bytes.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let of_entry = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        meta if meta.is_dir() => size(&entry.path()),
        meta => meta.len(),
    };
    entries.map(of_entry).sum()
}

fn ran(scene: &Scene) -> String {
    fs::read_to_string(scene.root.join("ran"))
        .unwrap()
        .replace('\n', " ")
}

/// Counts the attempts in the journal.
fn attempts(scene: &Scene) -> usize {
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let journal = scene.git(&["log", "--first-parent", "--format=%b", &journal]);
    journal.matches("\"event\":\"attempt-starting\"").count()
}

#[test]
fn where_no_worktree_has_room_the_run_is_paused_and_goes_on_by_itself() {
    let scene = Scene::new();
    scene.configure(
        "[run]\nmin_free_space = \"4MiB\"\n[worktree]\npath = \"../disk/{run}/{task}\"\n",
    );
    let Some(_disk) = Mount::new(&scene, "disk", "size=16m") else {
        return;
    };
    let ballast: PathBuf = scene.root.join("disk/ballast");
    let plan = format!(
        "1. [ONE] First\n   - run: echo 1 > one.txt; head -c 13M /dev/zero > {}\n\
         2. [TWO] Second — blocked by #1\n   - run: echo 2 > two.txt\n",
        ballast.display()
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    dispatch.wait_until_said("needed; free some space; the run resumes automatically");
    // Nothing of the second task was begun, and every board says why.
    assert_eq!(scene.statuses(), "1 DONE · 2 QUEUED");
    let said = notices(&scene);
    let place = scene.root.join("disk").display().to_string();
    assert!(
        said.starts_with("paused: the disk is full: ") && said.contains(&place),
        "{said}"
    );
    // It is committed at most once a second.
    until("the board says so", || {
        scene.board().contains("paused: the disk is full")
    });
    assert_eq!(attempts(&scene), 1);

    fs::remove_file(ballast).unwrap();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert!(dispatch.said().contains("disk space is available again"));
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!((attempts(&scene), notices(&scene)), (2, String::new()));
}

#[test]
fn a_disk_without_a_free_inode_is_full_too() {
    let scene = Scene::new();
    scene.configure(
        "[run]\nmin_free_space = \"1MiB\"\n[worktree]\npath = \"../disk/{run}/{task}\"\n",
    );
    let Some(disk) = Mount::new(&scene, "disk", "size=16m,nr_inodes=200") else {
        return;
    };
    let refused = scene.run("1. One\n   - run: touch one\n", &[]).expect(1);
    assert!(refused.err.contains("free inodes at"), "{}", refused.err);
    disk.remount("nr_inodes=2000");
    scene.run("1. One\n   - run: touch one\n", &[]).expect(0);
}

#[test]
fn a_worker_that_fills_the_disk_of_the_journal_loses_nothing() {
    let outside = Scene::empty();
    let Some(_disk) = Mount::new(&outside, "disk", "size=24m") else {
        return;
    };
    let scene = repo_on_disk(&outside);
    let ballast: PathBuf = outside.root.join("disk/ballast");
    let plan = format!(
        "1. [ONE] First\n   - run: echo one >> {ran}; echo 1 > one.txt; cat /dev/zero > {ballast}; true\n\
         2. [TWO] Second — blocked by #1\n   - run: echo two >> {ran}; echo 2 > two.txt\n",
        ran = scene.root.join("ran").display(),
        ballast = ballast.display()
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    dispatch.wait_until_said("the disk is full");
    let journalled = scene.json();
    assert_eq!(journalled["tasks"][0]["status"], "IN PROGRESS");
    fs::remove_file(ballast).unwrap();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!((ran(&scene).as_str(), attempts(&scene)), ("one two ", 2));
    scene.git(&["fsck", "--no-dangling"]);
}

#[test]
fn work_that_is_too_large_for_the_repository_s_disk_waits_and_survives_ctrl_c() {
    let outside = Scene::empty();
    let Some(disk) = Mount::new(&outside, "disk", "size=16m") else {
        return;
    };
    let scene = repo_on_disk(&outside);
    let plan = format!(
        "1. [ONE] First\n   - run: echo one >> {ran}; head -c 20M /dev/urandom > one.bin\n",
        ran = scene.root.join("ran").display()
    );
    let mut dispatch = Background::run(&scene, &plan, &[]);
    dispatch.wait_until_said("the disk is full");
    dispatch.signal(Signal::INT);
    assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
    assert!(
        dispatch.said().contains("nothing is lost; continue with"),
        "{}",
        dispatch.said()
    );

    // As long as there is no room, it waits as well.
    let mut again = Background::start(&scene, &["resume"]);
    again.wait_until_said("the disk is full");
    disk.remount("size=80m");
    assert_eq!(again.wait(), 0, "{}", again.said());
    assert_eq!(scene.statuses(), "1 DONE");
    assert_eq!((ran(&scene).as_str(), attempts(&scene)), ("one ", 1));
    let branch = scene.branch("integration");
    assert_eq!(
        scene.git(&["cat-file", "-s", &format!("{branch}:one.bin")]),
        "20971520"
    );
}

#[test]
fn worktrees_of_finished_tasks_make_room_for_others_and_no_work_is_lost() {
    for limit in ["max_worktrees = 1", "max_total_disk = \"1MiB\""] {
        let scene = Scene::new();
        scene.configure(&format!("[run]\n{limit}\n"));
        let plan = "1. [ONE] One\n   - run: echo 1 > one.txt; head -c 2M /dev/zero > big.log\n\
                    2. [TWO] Two — blocked by #1\n   - run: echo 2 > two.txt\n";
        scene.run(plan, &[]).expect(0);
        assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
        assert!(!scene.worktree("one").exists(), "{limit}");
        assert!(scene.worktree("two").exists(), "{limit}");
        let files = scene.git(&["ls-tree", "--name-only", &scene.branch("integration")]);
        assert!(
            files.contains("one.txt") && files.contains("two.txt"),
            "{files}"
        );
        scene.dispatch(&["clean"]).expect(0);
    }
}

#[test]
fn where_only_a_person_can_make_room_the_run_waits_for_one() {
    let scene = Scene::new();
    scene.configure("[run]\nmax_worktrees = 2\n");
    let one =
        "1. [ONE] One\n   - run: echo 1 > one.txt\n2. [TWO] Two\n   - run: echo 2 > two.txt\n";
    scene.run(one, &["-j", "1", "--no-assemble"]).expect(0);
    let first = scene.run_name();
    let three = "1. [THREE] Three\n   - run: echo 3 > three.txt\n";
    let mut dispatch = Background::run(&scene, three, &[]);
    dispatch.wait_until_said("2 worktrees exist in");
    assert!(
        dispatch
            .said()
            .contains("max_worktrees is 2; remove a finished run")
    );
    // Nothing of another run is removed automatically.
    assert_eq!(
        fs::read_dir(scene.root.join("shop.dispatch").join(&first))
            .unwrap()
            .count(),
        2
    );
    scene.dispatch(&["clean", &first]).expect(0);
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
}

/// Renders a task whose worker records its start and its end.
fn counted(scene: &Scene, name: &str, between: &str) -> String {
    let log = scene.root.join("log").display().to_string();
    format!(
        "[{name}] {name}\n   - run: echo + {name} >> {log}; {between}; echo - {name} >> {log}; touch {name}\n"
    )
}

#[test]
fn all_runs_together_have_no_more_attempts_alive_than_allowed() {
    let scene = Scene::new();
    scene.configure("[run]\nmax_parallel_total = 2\n");
    let plan = |letter: &str| -> String {
        let task = |n: u32| {
            format!(
                "{n}. {}",
                counted(&scene, &format!("{letter}{n}"), "sleep 0.1")
            )
        };
        (1..=4).map(task).collect()
    };
    let (a, b) = (
        scene.plan_named("a.md", &plan("a")),
        scene.plan_named("b.md", &plan("b")),
    );
    let start = |plan: &str| Background::start(&scene, &["run", plan, "--yes", "-j", "4"]);
    let (mut a, mut b) = (start(&a), start(&b));
    assert_eq!((a.wait(), b.wait()), (0, 0), "{}{}", a.said(), b.said());
    let log = fs::read_to_string(scene.root.join("log")).unwrap();
    let (mut alive, mut most) = (0, 0);
    for line in log.lines() {
        alive += if line.starts_with('+') { 1 } else { -1 };
        most = most.max(alive);
    }
    assert_eq!((log.lines().count(), alive, most), (16, 0, 2), "{log}");
}

#[test]
fn a_place_is_free_only_when_driver_and_worker_are_gone() {
    let scene = Scene::new();
    scene.configure("[run]\nmax_parallel_total = 1\n");
    let mut gate = Gate::new(&scene, "gate");
    let a = scene.plan_named(
        "a.md",
        &format!("1. {}", counted(&scene, "a", &gate.script())),
    );
    let b = scene.plan_named("b.md", &format!("1. {}", counted(&scene, "b", "true")));
    let first = Background::start(&scene, &["run", &a, "--yes"]);
    gate.wait_until_reached();
    first.crash();
    let mut second = Background::start(&scene, &["run", &b, "--yes"]);
    second.wait_until_said("max_parallel_total");
    gate.open();
    assert_eq!(second.wait(), 0, "{}", second.said());
    let log = fs::read_to_string(scene.root.join("log")).unwrap();
    assert_eq!(log, "+ a\n- a\n+ b\n- b\n");
}

/// One line of `FLOOD_BYTES` (256 MiB if not set): ten gigabytes cost no more.
#[test]
#[allow(clippy::print_stdout)] // What it took is part of what this test says.
fn output_without_end_takes_bounded_memory_and_disk() {
    let scene = Scene::new();
    let flood = std::env::var("FLOOD_BYTES").unwrap_or((256 << 20).to_string());
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents/torrent");
    let memory = scene.root.join("memory");
    let plan = format!(
        "1. [ONE] One\n   - run: touch one; exec {} {flood} {}\n",
        agent.display(),
        memory.display()
    );
    scene.run(&plan, &[]).expect(0);
    let folder = format!(".git/dispatch/runs/{}/attempts/1-1", scene.run_name());
    let disk = size(&scene.repo.join(folder));
    let memory = fs::read_to_string(memory).unwrap();
    println!(
        "{flood} bytes of output: {disk} bytes on disk, {}",
        memory.trim()
    );
    let kibibytes: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(disk < 9 << 20, "{disk}");
    assert!(kibibytes < 64 * 1024, "{memory}");
    let logs = scene.dispatch(&["logs", "ONE"]).expect(0);
    assert!(logs.out.ends_with("done\n") && logs.out.contains("bytes of output were not kept"));
}
