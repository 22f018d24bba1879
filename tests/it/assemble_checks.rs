//! Checks of assembled work that hang, leave processes behind or write without end: contained, and
//! what is committed is what was merged.

use std::fs;

use crate::harness::Scene;

const ONE: &str = "# P\n1. [A] a\n   - run: echo a > a.txt\n";

fn result(scene: &Scene) -> serde_json::Value {
    scene.json()["integration"]["checks"][0]["result"].clone()
}

/// Whether a process whose number stands in this file is alive.
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
    // What hung is tried again, and nothing of it is in the way.
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
