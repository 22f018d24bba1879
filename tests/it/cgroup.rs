//! The cgroup of a worker, on systems where a test may create one: what is in it, and what outlives it.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Gate, Scene};
use crate::process::{Background, is_alive, pid_in, send, until};

/// A cgroup for the workers of one test.
struct Parent(PathBuf);

impl Parent {
    /// Creates it at the top of the mounted cgroups; `None` where that is not allowed, as for most users.
    fn create() -> Option<Parent> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let place = mount.and_then(|mount| mount.split(' ').nth(4));
        let created = place.and_then(|place| {
            let folder = tempfile::Builder::new().prefix("test-").tempdir_in(place);
            Some(Parent(folder.ok()?.keep()))
        });
        // A process must be allowed to enter it, too.
        let enters = |it: &Parent| {
            let script = format!("echo $$ > {}/cgroup.procs", it.0.display());
            let mut shell = std::process::Command::new("sh");
            shell
                .args(["-c", &script])
                .output()
                .is_ok_and(|output| output.status.success())
        };
        let usable = created.filter(enters);
        if usable.is_none() {
            let why = "skipped: no cgroup (version 2) may be created here";
            let _ = writeln!(std::io::stderr(), "{why}");
        }
        usable
    }

    /// Creates a scene whose workers get cgroups in it.
    fn scene(&self) -> Scene {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_LIMITS_CGROUP", self.0.to_str().unwrap());
        scene
    }

    /// Lists the names of the cgroups of workers.
    fn groups(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap().flatten();
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for name in self.groups() {
            let _ = fs::remove_dir(self.0.join(name));
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_worker_runs_in_a_cgroup_that_goes_with_it() {
    let Some(parent) = Parent::create() else {
        return;
    };
    let scene = parent.scene();
    let daemon = scene.root.join("daemon");
    let script = format!(
        "grep ^0:: /proc/self/cgroup > where.txt; setsid env -i sleep 1000 & echo $! > {}",
        daemon.display()
    );
    let plan = format!(
        "1. [ONE] First\n   - run: {script}\n   - check: grep -q dispatch- /proc/self/cgroup\n"
    );
    scene.run(&plan, &["--no-assemble"]).expect(0);
    let at = scene.git(&["show", &format!("{}:where.txt", scene.branch("one"))]);
    let start = format!("/dispatch-{}-1-1-", scene.run_name());
    assert!(at.contains(&start), "{at}");
    assert!(!is_alive(pid_in(&daemon)));
    assert_eq!(parent.groups(), [""; 0]);
}

#[test]
fn what_outlives_a_killed_dispatch_and_its_supervisor_is_killed_when_the_run_resumes() {
    let Some(parent) = Parent::create() else {
        return;
    };
    let scene = parent.scene();
    let mut gate = Gate::new(&scene, "gate");
    let (daemon, once) = (scene.root.join("daemon"), scene.root.join("once"));
    // No environment, no session and no parent leads to it.
    let script = format!(
        "[ -e {once} ] || {{ touch {once}; setsid env -i sh -c 'echo $$ > {daemon}; exec sleep 1000' & \
         until [ -s {daemon} ]; do :; done; {gate}; }}; echo one > one.txt",
        once = once.display(),
        daemon = daemon.display(),
        gate = gate.script()
    );
    let dispatch = Background::run(
        &scene,
        &format!("1. [ONE] First\n   - run: {script}\n"),
        &[],
    );
    gate.wait_until_reached();
    let folder = scene.repo.join(".git/dispatch/runs").join(scene.run_name());
    let record = fs::read(folder.join("attempts/1-1/worker/proc.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let of = |name: &str| record[name]["pid"].as_i64().unwrap() as i32;
    dispatch.crash();
    send(of("shim"), Signal::KILL);
    until("the supervisor is gone", || !is_alive(of("shim")));
    assert!(is_alive(pid_in(&daemon)));
    assert_eq!(parent.groups().len(), 1);

    scene.dispatch(&["resume"]).expect(0);
    assert!(!is_alive(pid_in(&daemon)));
    assert_eq!(parent.groups(), [""; 0]);
}

#[test]
fn doctor_removes_the_cgroup_of_a_killed_supervisor() {
    let Some(parent) = Parent::create() else {
        return;
    };
    let scene = parent.scene();
    fs::create_dir(parent.0.join("dispatch-shop-1-1-77-5")).unwrap();
    fs::create_dir(parent.0.join("other")).unwrap();
    let said = scene.dispatch(&["doctor"]).expect(4);
    assert!(
        said.out.contains("dispatch-shop-1-1-77-5") && said.out.contains("no process is in it"),
        "{}",
        said.out
    );
    scene.dispatch(&["doctor", "--fix"]).expect(0);
    assert_eq!(parent.groups(), ["other"]);
}

#[test]
fn a_limit_that_needs_a_cgroup_says_once_that_it_has_no_effect() {
    let mut scene = Scene::new();
    let folder = scene.root.join("no-cgroup");
    fs::create_dir(&folder).unwrap();
    scene.set_env("DISPATCH_LIMITS_CGROUP", folder.to_str().unwrap());
    scene.configure("[limits]\ncpus = 1.5\ncpu_weight = 50\nmemory = \"8GiB\"\n");
    let said = scene
        .run(
            "1. [ONE] First\n   - run: echo 1 > a.txt\n",
            &["--no-assemble"],
        )
        .expect(0);
    let lines: Vec<String> = said
        .err
        .lines()
        .filter(|line| line.contains("[limits]"))
        .map(|line| line.replace(scene.root.to_str().unwrap(), "<root>"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    warning: `cgroup` under [limits] has no effect: <root>/no-cgroup is not a cgroup (version 2) that you can write
    warning: `cpus` under [limits] has no effect: it needs a cgroup for processor time (`dispatch help sandbox`)
    warning: `cpu_weight` under [limits] has no effect: it needs a cgroup for processor time (`dispatch help sandbox`)
    ");
}
