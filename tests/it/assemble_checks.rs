//! Checks of assembled work that hang, leave processes or write without end are contained, and
//! commits hold only what was merged.

use std::fs;

use crate::harness::Scene;

const ONE: &str = "# P\n1. [A] a\n   - run: echo a > a.txt\n";

fn result(scene: &Scene) -> serde_json::Value {
    scene.json()["integration"]["checks"][0]["result"].clone()
}

/// Returns `true` if the process whose id is in this file is alive.
fn is_alive(scene: &Scene, file: &str) -> bool {
    let pid = fs::read_to_string(scene.root.join(file)).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
#[cfg(target_os = "linux")]
fn a_check_that_hangs_is_ended_with_everything_it_started() {
    let scene = Scene::new();
    let pid = scene.root.join("pid");
    let check = format!(
        "trap '' TERM; sleep 600 & echo $! > {}; wait",
        pid.display()
    );
    scene.configure(&format!(
        "[assemble]\ncheck = [{check:?}]\ncheck_timeout = \"300ms\"\nflaky_reruns = 0\n"
    ));
    let ended = scene.run(ONE, &[]).expect(4);
    assert!(ended.out.contains("timed out"), "{}", ended.out);
    assert!(!is_alive(&scene, "pid"));
    // A check that hung runs again, and its leftovers do not disturb that.
    let run = scene.run_name();
    scene.dispatch(&["assemble", &run]).expect(4);
    assert!(!is_alive(&scene, "pid"));
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 3);
}

#[test]
#[cfg(target_os = "linux")]
fn a_daemon_of_a_check_does_not_outlive_it() {
    let scene = Scene::new();
    let pid = scene.root.join("pid");
    let check = format!(
        "setsid sh -c 'echo $$ > {}; exec sleep 600' > /dev/null 2>&1 & while ! test -s {}; do :; done",
        pid.display(),
        pid.display()
    );
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    scene.run(ONE, &[]).expect(0);
    assert_eq!(result(&scene), "passed");
    assert!(!is_alive(&scene, "pid"));
}

#[test]
fn a_check_that_writes_without_end_fills_no_more_than_its_share() {
    let scene = Scene::new();
    scene.configure(
        "[run]\nmax_log = \"100KiB\"\n[assemble]\ncheck = [\"head -c 5000000 /dev/zero | tr '\\\\0' x; echo out > out.txt\"]\n",
    );
    scene.run(ONE, &[]).expect(0);
    assert_eq!(result(&scene), "passed");
    let folder = scene.repo.join(".git/dispatch/runs").join(scene.run_name());
    let size = |path: std::path::PathBuf| -> u64 {
        let files = fs::read_dir(path).unwrap().flatten();
        files.map(|file| file.metadata().unwrap().len()).sum()
    };
    assert!(size(folder.join("integration/check-1")) < 300_000);
    let tree = scene.git(&["ls-tree", "--name-only", &scene.branch("integration")]);
    assert!(!tree.contains("out.txt"), "{tree}");
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_of_a_check_that_forks_and_forks_outlives_it() {
    let scene = Scene::new();
    let pids = scene.root.join("pids");
    let check = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do \
         (setsid sh -c 'echo $$ >> {0}; sleep 600 & sleep 600 & echo $! >> {0}; wait' &) \
         > /dev/null 2>&1; done; while test $(grep -c . {0} 2> /dev/null || echo 0) -lt 20; do :; done",
        pids.display()
    );
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    scene.run(ONE, &[]).expect(0);
    let text = fs::read_to_string(&pids).unwrap();
    let alive = |pid: &&str| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|status| !status.contains(") Z "))
    };
    let alive: Vec<&str> = text.lines().filter(alive).collect();
    assert!(text.lines().count() >= 20 && alive.is_empty(), "{alive:?}");
}

#[test]
fn a_check_that_edits_its_worktree_changes_nothing_that_is_committed() {
    let scene = Scene::new();
    let check = "grep -q two src/app.ts && echo evil > src/app.ts && rm README.md && mkdir -p deep/er \
                 && git init -q deep && echo new > new.txt && git add src new.txt \
                 && git -c user.name=x -c user.email=x@x commit -qm evil && touch .git-dirt.log";
    scene.configure(&format!(
        "[assemble]\ncheck = [{check:?}]\nflaky_reruns = 0\n"
    ));
    let before = scene.fingerprint();
    scene.run(ONE, &[]).expect(0);
    let tip = scene.branch("integration");
    let tree = scene.git(&["ls-tree", "-r", "--name-only", &tip]);
    assert_eq!(
        tree.lines().collect::<Vec<_>>(),
        [
            ".dispatch.toml",
            ".gitignore",
            "DISPATCH.md",
            "README.md",
            "a.txt",
            "src/app.ts"
        ]
    );
    assert!(
        scene
            .git(&["show", &format!("{tip}:src/app.ts")])
            .contains("two")
    );
    before.assert_same(&scene.fingerprint());
    // The next one finds what was merged, and only what git ignores of the one before.
    let run = scene.run_name();
    scene.dispatch(&["assemble", &run, "--recheck"]).expect(0);
    let place = scene.worktree("integration");
    assert!(place.join(".git-dirt.log").exists());
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    assert!(scene.read("src/app.ts").contains("two"));
}

/// A small disk of its own, unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Mounts a disk; `None` if this user may not mount.
    fn at(place: std::path::PathBuf) -> Option<SmallDisk> {
        fs::create_dir_all(&place).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=24m", "tmpfs"];
        let mut mount = std::process::Command::new("mount")
            .args(mount)
            .arg(&place)
            .output();
        let mounted = mount.as_mut().is_ok_and(|ended| ended.status.success());
        mounted.then_some(SmallDisk(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status();
    }
}

#[test]
#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr)] // A test that proves nothing says so.
fn a_check_that_fills_the_disk_is_blamed_and_what_it_filled_is_free_again() {
    let scene = Scene::new();
    let Some(_disk) = SmallDisk::at(scene.root.join("shop.dispatch")) else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    let check = "test ! -e b.txt || head -c 50000000 /dev/zero > big.bin";
    let room = "[run]\nmin_free_space = \"1MiB\"\n";
    scene.configure(&format!("{room}[assemble]\ncheck = [{check:?}]\n"));
    let plan = format!("{ONE}2. [B] b\n   - run: echo b > b.txt\n");
    scene.run(&plan, &[]).expect(4);
    let found = scene.json()["integration"].clone();
    assert_eq!(found["merged"], serde_json::json!([1]), "{found}");
    assert_eq!(found["culprits"][0]["task"], 2, "{found}");
    assert_eq!(result(&scene), "passed");
    let run = scene.run_name();
    scene.dispatch(&["assemble", &run, "--recheck"]).expect(4);
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr)] // A test that proves nothing says so.
fn a_check_that_fills_the_disk_of_repository_and_worktrees_is_blamed_and_stops_nothing() {
    let mut scene = Scene::new();
    scene.configure(
        "[run]\nmin_free_space = \"1MiB\"\n[assemble]\n\
         check = [\"cat /dev/zero > full.bin; test ! -e b.txt\"]\n",
    );
    let place = scene.root.join("disk");
    let Some(_disk) = SmallDisk::at(place.clone()) else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    let copy = place.join("shop");
    scene.git(&["clone", "--quiet", ".", copy.to_str().unwrap()]);
    scene.repo = copy;
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    let plan = format!("{ONE}2. [B] b\n   - run: echo b > b.txt\n");
    scene.run(&plan, &[]).expect(4);
    let found = scene.json()["integration"].clone();
    assert_eq!(found["merged"], serde_json::json!([1]), "{found}");
    assert_eq!(found["culprits"][0]["task"], 2, "{found}");
    assert_eq!(result(&scene), "passed");
    let run = scene.run_name();
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}
