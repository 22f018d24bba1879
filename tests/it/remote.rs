//! Attempts on other machines: hosts by SSH, a Slurm cluster, and any engine behind four commands.
//!
//! The nodes are on this machine and share nothing with the run but a git remote: each has folders of its
//! own. Tests of SSH need `sshd`, and are skipped without it; `DISPATCH_TEST_SSH=required` fails then.

mod cluster;
mod hosts;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Gate, Scene, statuses, wait};
use cluster::Cluster;
use hosts::{Hosts, sshd};

const PLAN: &str = "# Four\n\n1. [A] a\n   - run: echo a > a.txt\n\
    2. [B] b\n   - run: echo b > b.txt; echo said b\n   - check: test -s b.txt\n\
    3. [C] c\n   - depends on: A, B\n   - run: cat a.txt b.txt > c.txt\n\
    4. [D] d\n   - run: echo half > d.txt; exit 7\n";

/// A repository with a remote that the nodes reach.
fn scene() -> Scene {
    let scene = Scene::new();
    let remote = scene.root.join("remote.git");
    let remote = remote.to_str().unwrap();
    scene.git(&["init", "--quiet", "--bare", remote]);
    scene.git(&["remote", "add", "origin", remote]);
    scene.git(&["push", "--quiet", "origin", "main"]);
    scene
}

/// The settings of an engine behind four commands that starts jobs on this machine.
fn by_commands(scene: &Scene) -> String {
    let node = scene.root.join("node");
    fs::create_dir_all(&node).unwrap();
    let program = env!("CARGO_BIN_EXE_dispatch");
    let script = |name: &str, text: &str| {
        let path = scene.root.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let node = node.to_str().unwrap();
    let start = script(
        "start.sh",
        &format!(
            "d={node}/$1; mkdir \"$d\" || exit 0; cp \"$2\" \"$d/job.sh\"; cd \"$d\"\n\
             export XDG_CACHE_HOME={node}/cache XDG_STATE_HOME={node}/state\n\
             setsid sh -c 'sh job.sh > out 2>&1; echo $? > exit.new; mv exit.new exit' </dev/null >/dev/null 2>&1 &\n\
             echo $! > pid\n"
        ),
    );
    let status = script(
        "status.sh",
        &format!(
            "d={node}/$1; [ -d \"$d\" ] || {{ echo unknown; exit; }}\n\
             [ -f \"$d/exit\" ] && {{ echo ended $(cat \"$d/exit\"); exit; }}\n\
             [ -f {node}/down ] && {{ echo the engine is down >&2; exit 75; }}\n\
             echo running\n"
        ),
    );
    let stop = script("stop.sh", &format!("kill -TERM -$(cat {node}/$1/pid)\n"));
    let logs = script("logs.sh", &format!("cat {node}/$1/out\n"));
    format!(
        "[executors.any]\nkind = \"command\"\nremote = \"origin\"\nprogram = {program:?}\npoll = \"100ms\"\n\
         start = [\"sh\", {start:?}, \"{{name}}\", \"{{script}}\"]\nstatus = [\"sh\", {status:?}, \"{{name}}\"]\n\
         stop = [\"sh\", {stop:?}, \"{{name}}\"]\nlogs = [\"sh\", {logs:?}, \"{{name}}\"]\n"
    )
}

/// Returns the board without names of this run, and the files of each branch but the settings.
fn results(scene: &Scene) -> String {
    let mut text = statuses(&scene.json());
    for task in ["a", "b", "c", "d", "integration"] {
        let files = scene.git(&["ls-tree", "-r", &scene.branch(task)]);
        let is_of_run =
            |line: &&str| !line.ends_with(".dispatch.toml") && !line.ends_with("DISPATCH.md");
        let files: Vec<&str> = files.lines().filter(is_of_run).collect();
        text.push_str(&format!("\n{task}\n{}", files.join("\n")));
    }
    let board = scene.board().replace(&scene.run_name(), "RUN");
    let rows = board.lines().filter(|line| line.starts_with("| "));
    let is_kept = |row: &&str| !row.contains("attempts");
    format!(
        "{text}\n{}",
        rows.filter(is_kept).collect::<Vec<_>>().join("\n")
    )
}

/// Checks that the results of a run are those of the same plan on this machine.
#[track_caller]
fn assert_as_here(elsewhere: &Scene) {
    let here = scene();
    here.run(PLAN, &[]).expect(3);
    let (elsewhere, here) = (results(elsewhere), results(&here));
    for (elsewhere, here) in elsewhere.lines().zip(here.lines()) {
        assert_eq!(elsewhere, here);
    }
    assert_eq!(elsewhere.lines().count(), here.lines().count());
}

/// Waits until something holds, for a minute at most.
#[track_caller]
fn wait_for(holds: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed().as_secs() < 60, "it does not hold");
        std::thread::yield_now();
    }
}

fn signal(pid: &str, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}").as_str(), pid])
        .status();
    assert!(sent.unwrap().success());
}

/// Returns the number of heartbeats that the node of the only attempt has pushed.
fn beats(scene: &Scene) -> u64 {
    let refs = remote_refs(scene);
    let Some(line) = refs.lines().find(|line| line.ends_with("/progress")) else {
        return 0;
    };
    let remote = scene.root.join("remote.git");
    let of = format!("{}:progress.json", line.split('\t').next().unwrap());
    let shown = scene.try_git(&["-C", remote.to_str().unwrap(), "show", &of]);
    let record: serde_json::Value = serde_json::from_str(&shown.out).unwrap_or_default();
    record["beat"].as_u64().unwrap_or_default()
}

fn remote_refs(scene: &Scene) -> String {
    scene.git(&["ls-remote", "origin", "refs/dispatch/*"])
}

#[test]
fn a_run_elsewhere_has_the_results_of_one_on_this_machine() {
    let scene = scene();
    // Nothing goes to an executor that the run does not use.
    let other =
        "[executors.other]\nkind = \"ssh\"\nhosts = [\"h\"]\nremote = \"/nowhere/at/all\"\n";
    scene.configure(&format!("{}{other}", by_commands(&scene)));
    let preview = scene.dispatch(&["run", &scene.plan(PLAN), "--dry-run", "--executor", "any"]);
    assert!(
        preview
            .expect(0)
            .out
            .contains("executor any: #1, #2, #3, #4")
    );
    let before = scene.git(&["for-each-ref", "refs/heads/main"]);
    scene.run(PLAN, &["--executor", "any"]).expect(3);
    assert_as_here(&scene);
    assert_eq!(before, scene.git(&["for-each-ref", "refs/heads/main"]));
    // The log, the failure and the place of an attempt are here, and nothing is left there.
    let run = scene.run_name();
    assert!(
        scene
            .dispatch(&["logs", "B"])
            .expect(0)
            .out
            .contains("said b")
    );
    let shown = scene.dispatch(&["show", "D", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let attempt = &shown["attempts"][0];
    assert_eq!(attempt["executor"], "any");
    let kept = attempt["outcome"]["kept"].as_str().expect("kept work");
    assert_eq!(scene.git(&["show", &format!("{kept}:d.txt")]), "half");
    assert!(scene.has(&format!("refs/dispatch/attempts/{run}/d/1")));
    let worktrees: Vec<PathBuf> = fs::read_dir(scene.root.join("node/cache/dispatch/nodes"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("repository.dispatch").join(&run))
        .collect();
    for folder in worktrees {
        let left = fs::read_dir(&folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "worktrees in {}", folder.display());
    }
    assert!(remote_refs(&scene).contains("refs/dispatch/remote/"));
    scene.dispatch(&["land", "--yes"]);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(!cleaned.err.contains("warning"), "{}", cleaned.err);
    assert!(!remote_refs(&scene).contains("refs/dispatch/remote/"));
}

#[test]
fn a_second_start_of_an_attempt_finds_the_claim_of_the_first() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    let job = fs::read_dir(scene.root.join("node")).unwrap();
    let job = job.map(|entry| entry.unwrap().path().join("job.sh"));
    let job = job.into_iter().find(|path| path.exists()).expect("a job");
    // Another node: another cache.
    let again = scene
        .command("sh")
        .arg(&job)
        .env("XDG_CACHE_HOME", scene.root.join("other"))
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(5), "{again:?}");
    // And the same node once more.
    let again = scene
        .command("sh")
        .arg(&job)
        .env("XDG_CACHE_HOME", scene.root.join("node/cache"))
        .env("XDG_STATE_HOME", scene.root.join("node/state"))
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(5), "{again:?}");
    gate.open();
    wait(child).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
    assert_eq!(scene.json()["tasks"][0]["attempts"], 1);
}

#[test]
fn an_attempt_that_another_start_has_claimed_is_followed_to_its_end() {
    let scene = scene();
    let settings = by_commands(&scene);
    scene.configure(&format!("{settings}lost_after = \"5s\"\n"));
    let node = scene.root.join("node");
    let (node, remote) = (node.display(), scene.root.join("remote.git"));
    // The engine starts the job twice, and knows only the second start.
    fs::write(
        scene.root.join("start.sh"),
        format!(
            "d={node}/$1; mkdir \"$d\" || exit 0; cp \"$2\" \"$d/job.sh\"; cd \"$d\"\n\
             XDG_CACHE_HOME={node}/first XDG_STATE_HOME={node}/first-state setsid sh job.sh </dev/null >/dev/null 2>&1 &\n\
             until git -C {} for-each-ref | grep -q /claim; do :; done\n\
             XDG_CACHE_HOME={node}/cache XDG_STATE_HOME={node}/state sh job.sh >out 2>&1\n\
             echo $? >exit\n",
            remote.display()
        ),
    )
    .unwrap();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    wait_for(|| beats(&scene) > 8);
    gate.open();
    wait(child).expect(0);
    let shown = scene.dispatch(&["show", "A", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_job_is_not_started_again_while_its_engine_does_not_answer() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let start = scene.root.join("start.sh");
    let script = fs::read_to_string(&start).unwrap();
    let starts = scene.root.join("starts");
    fs::write(
        &start,
        format!("echo one >> {}\n{script}", starts.display()),
    )
    .unwrap();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let mut child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    child.wait().unwrap();
    // So it would be after a kill between the start of the job and its record.
    let run = scene.run_name();
    let record = scene
        .repo
        .join(format!(".git/dispatch/runs/{run}/attempts/1-1/job.json"));
    let text = fs::read_to_string(&record).unwrap();
    let mut job: serde_json::Value = serde_json::from_str(&text).unwrap();
    job["job"] = serde_json::Value::Null;
    fs::write(&record, job.to_string()).unwrap();
    // Nor is there a claim that would tell the same.
    let refs = remote_refs(&scene);
    let claim = refs.lines().find(|line| line.ends_with("/claim")).unwrap();
    let (oid, claim) = claim.split_once('\t').unwrap();
    scene.git(&["push", "--quiet", "origin", &format!(":{claim}")]);
    fs::write(scene.root.join("node/down"), "").unwrap();
    let child = scene.start(&["resume"]);
    let note = || scene.json()["tasks"][0]["note"].to_string();
    wait_for(|| note().contains("the engine is down"));
    fs::remove_file(scene.root.join("node/down")).unwrap();
    let remote = scene.root.join("remote.git");
    scene.git(&["-C", remote.to_str().unwrap(), "update-ref", claim, oid]);
    gate.open();
    wait(child).expect(0);
    assert_eq!(fs::read_to_string(starts).unwrap(), "one\n");
    assert_eq!(scene.json()["tasks"][0]["attempts"], 1);
}

#[test]
fn a_cancelled_attempt_ends_although_its_git_remote_hangs() {
    let mut scene = scene();
    let (down, remote) = (scene.root.join("down"), scene.root.join("remote.git"));
    let ssh = scene.root.join("ssh.sh");
    fs::write(
        &ssh,
        format!(
            "#!/bin/sh\n[ -f {} ] && exec sleep 600\nshift\nexec sh -c \"$*\"\n",
            down.display()
        ),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&ssh, mode).unwrap();
    scene.set_env("GIT_SSH", ssh.to_str().unwrap());
    scene.set_env("GIT_SSH_VARIANT", "simple");
    let address = format!("ssh://host{}", remote.display());
    scene.git(&["remote", "set-url", "origin", &address]);
    let settings = by_commands(&scene);
    let remote = remote.display();
    scene.configure(&format!(
        "{settings}node_remote = \"{remote}\"\nlost_after = \"2s\"\n"
    ));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    fs::write(&down, "").unwrap();
    scene.dispatch(&["cancel", "A"]).expect(0);
    let ended = wait(child).expect(3);
    assert!(ended.err.contains("may go on on"), "{}", ended.err);
    assert!(
        scene.statuses().contains("CANCELLED"),
        "{}",
        scene.statuses()
    );
}

#[test]
fn an_end_that_decides_for_the_run_is_not_taken() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    // Someone who can push to the remote knows all names in a record.
    let refs = remote_refs(&scene);
    let of = |name: &str| {
        let line = refs.lines().find(|line| line.ends_with(name)).expect(name);
        line.split_once('\t').unwrap()
    };
    let ((package, _), (claim, name)) = (of("/package"), of("/claim"));
    let record = serde_json::json!({
        "protocol": 1, "package": package, "claim": claim, "host": "h", "warnings": [],
        "facts": [{"event": "task-cancelled", "task": 1}], "outcome": null, "kept": [],
    });
    fs::write(scene.root.join("outcome.json"), record.to_string()).unwrap();
    let forge = format!(
        "blob=$(git hash-object -w ../outcome.json) && \
         tree=$(printf '100644 blob %s\\toutcome.json\\n' $blob | git mktree) && \
         git push --quiet origin $(git commit-tree -m forged $tree):{}",
        name.replace("/claim", "/outcome")
    );
    let forged = scene.command("sh").args(["-c", &forge]).output().unwrap();
    assert!(forged.status.success(), "{forged:?}");
    wait(child).expect(3);
    gate.open();
    assert_eq!(scene.statuses(), "1 FAILED");
    let report = scene.dispatch(&["report"]).out;
    assert!(
        report.contains("it tells more than a node does of this attempt"),
        "{report}"
    );
}

#[test]
fn a_killed_runner_finds_its_jobs_again() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let mut child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();
    let resumed = scene.dispatch(&["resume"]).expect(0);
    assert!(
        resumed.err.contains("runs on another machine"),
        "{}",
        resumed.err
    );
    assert_eq!(scene.json()["tasks"][0]["attempts"], 1);
    assert_eq!(
        scene.git(&["show", &format!("{}:a.txt", scene.branch("a"))]),
        "a"
    );
}

#[test]
fn an_engine_that_does_not_answer_fails_nothing() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "any"]);
    gate.wait_until_reached();
    fs::write(scene.root.join("node/down"), "").unwrap();
    let note = || scene.json()["tasks"][0]["note"].to_string();
    while !note().contains("the engine is down") {}
    gate.open();
    wait(child).expect(0);
    assert_eq!(scene.json()["tasks"][0]["attempts"], 1);
}

#[test]
fn an_executor_that_cannot_be_used_is_refused_before_anything_starts() {
    let scene = scene();
    let refused = |settings: &str, plan: &str, more: &[&str]| {
        scene.write(".dispatch.toml", settings);
        let args = [&["run", plan, "--dry-run"], more].concat();
        let ended = scene.dispatch(&args);
        assert!(ended.code != 0, "{}{}", ended.out, ended.err);
        ended.err
    };
    let plan = scene.plan("# One\n\n1. [A] a\n   - run: true\n   - executor: moon\n");
    let said = refused("", &plan, &[]);
    assert!(said.contains("#1: unknown executor \"moon\""), "{said}");
    let plan = scene.plan("# One\n\n1. [A] a\n   - run: true\n");
    let said = refused("", &plan, &["--executor", "moon"]);
    assert!(said.contains("unknown executor \"moon\""), "{said}");
    let boxed = "[executors.box]\nkind = \"container\"\n";
    let said = refused(boxed, &plan, &["--executor", "box"]);
    assert!(
        said.contains("kind \"container\" is not built yet"),
        "{said}"
    );
    let far = "[executors.far]\nkind = \"ssh\"\nhosts = [\"h1\"]\nremote = \"upstream\"\n";
    let said = refused(far, &plan, &["--executor", "far"]);
    assert!(
        said.contains("the repository has no remote \"upstream\""),
        "{said}"
    );
    let open = far.replace("upstream", "https://me:hunter22@git.example/shop");
    let said = refused(&open, &plan, &["--executor", "far"]);
    assert!(said.contains("holds a password"), "{said}");
    assert!(said.contains("credential helper"), "{said}");
    assert!(!said.contains("hunter22"), "{said}");
    let said = refused(far, &plan, &["--executor", "far:gpu"]);
    assert!(
        said.contains("no host of executor far has the label \"gpu\""),
        "{said}"
    );
}

#[test]
fn a_remote_that_refuses_the_package_is_named() {
    let scene = scene();
    scene.configure(&by_commands(&scene));
    let hook = scene.root.join("remote.git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho no room for you >&2\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&hook, mode).unwrap();
    scene
        .run(
            "# One\n\n1. [A] a\n   - run: true\n",
            &["--executor", "any"],
        )
        .expect(3);
    let report = scene.dispatch(&["report"]).out;
    assert!(
        report.contains("origin refuses refs/dispatch/remote/"),
        "{report}"
    );
    assert!(report.contains("no room for you"), "{report}");
}

#[test]
fn hosts_have_the_results_of_this_machine() {
    let Some(sshd) = sshd() else { return };
    let mut scene = scene();
    let hosts = Hosts::start(&scene, &sshd, 2);
    scene.set_env("SHOP_TOKEN", "s3cr3t-of-the-shop");
    let settings = hosts.settings(&["h1", "h2 slots=2 labels=big"]);
    scene.configure(&format!(
        "{settings}env = [\"SHOP_TOKEN\"]\n[workers.shell]\nenv = [\"SHOP_TOKEN\"]\n"
    ));
    let doctor = scene.dispatch(&["doctor"]).expect(0);
    assert!(
        doctor.err.contains("executor far, h2: dispatch"),
        "{}",
        doctor.err
    );
    scene.run(PLAN, &["--executor", "far"]).expect(3);
    assert_as_here(&scene);
    // A secret travels to the worker, and into no reference.
    let plan = "# Token\n\n1. [A] a\n   - run: test ${#SHOP_TOKEN} = 18; echo $SHOP_TOKEN; echo a > a.txt\n   \
                - executor: far:big\n";
    scene.run(plan, &[]).expect(0);
    let run = scene.run_name();
    let shown = scene.dispatch(&["show", &run, "A", "--json"]).expect(0).out;
    assert!(shown.contains("\"host\": \"h2\""), "{shown}");
    let log = scene.dispatch(&["logs", &run, "A"]).expect(0).out;
    assert!(log.contains("[masked]"), "{log}");
    let all = remote_refs(&scene);
    for line in all.lines() {
        let oid = line.split('\t').next().unwrap();
        let remote = scene.root.join("remote.git");
        let files = scene.git(&["-C", remote.to_str().unwrap(), "ls-tree", "-r", oid]);
        for file in files.lines().filter(|file| file.contains(" blob ")) {
            let blob = file.split([' ', '\t']).nth(2).unwrap();
            let text = scene.git(&["-C", remote.to_str().unwrap(), "cat-file", "blob", blob]);
            assert!(!text.contains("s3cr3t-of-the-shop"), "{line}: {file}");
        }
    }
}

#[test]
fn an_attempt_on_a_lost_host_starts_again_on_another() {
    let Some(sshd) = sshd() else { return };
    let scene = scene();
    let hosts = Hosts::start(&scene, &sshd, 2);
    let settings = hosts.settings(&["h1", "h2"]);
    scene.configure(&format!("{settings}lost_after = \"2s\"\n"));
    let mut gate = Gate::new(&scene, "gate");
    let script = format!(
        "if [ $DISPATCH_ATTEMPT = 1 ]; then {}; fi; echo $DISPATCH_ATTEMPT > a.txt",
        gate.script()
    );
    let plan = scene.plan(&format!("# One\n\n1. [A] a\n   - run: {script}\n"));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "far"]);
    gate.wait_until_reached();
    // A host without power answers nobody, and pushes nothing.
    hosts.stop("h1");
    let job = hosts.job("h1");
    let node = fs::read_to_string(job.join("job")).unwrap();
    signal(node.trim(), "STOP");
    let ended = wait(child).expect(0);
    assert!(
        ended.err.contains("lost on host h1 of far"),
        "{}",
        ended.err
    );
    // The host comes back, and its attempt ends with a result: nothing changes any more.
    let is_lasting = |line: &&str| !line.ends_with("/progress");
    let lasting = || {
        let refs = remote_refs(&scene);
        let lines: Vec<String> = refs.lines().filter(is_lasting).map(str::to_owned).collect();
        (lines, scene.json())
    };
    let before = lasting();
    gate.open();
    signal(node.trim(), "CONT");
    let exit = job.join("exit");
    wait_for(|| exit.exists());
    assert_eq!(fs::read_to_string(exit).unwrap().trim(), "5");
    assert_eq!(lasting(), before);
    let shown = scene.dispatch(&["show", "A", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(shown["attempts"][1]["host"], "h2");
    assert_eq!(
        scene.git(&["show", &format!("{}:a.txt", scene.branch("a"))]),
        "2"
    );
}

#[test]
fn an_attempt_on_a_host_that_only_this_machine_cannot_reach_goes_on() {
    let Some(sshd) = sshd() else { return };
    let scene = scene();
    let hosts = Hosts::start(&scene, &sshd, 2);
    let settings = hosts.settings(&["h1", "h2"]);
    scene.configure(&format!("{settings}lost_after = \"5s\"\n"));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "far"]);
    gate.wait_until_reached();
    hosts.stop("h1");
    // Its node pushes for longer than a lost host would be waited for.
    wait_for(|| beats(&scene) > 8);
    gate.open();
    wait(child).expect(0);
    assert_eq!(scene.json()["tasks"][0]["attempts"], 1);
}

#[test]
fn a_cancelled_attempt_ends_on_its_host() {
    let Some(sshd) = sshd() else { return };
    let scene = scene();
    let hosts = Hosts::start(&scene, &sshd, 1);
    scene.configure(&hosts.settings(&["h1"]));
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    let child = scene.start(&["run", &plan, "--yes", "--plain", "--executor", "far"]);
    gate.wait_until_reached();
    scene.dispatch(&["cancel", "A"]).expect(0);
    wait(child).expect(3);
    assert!(
        scene.statuses().contains("CANCELLED"),
        "{}",
        scene.statuses()
    );
    // Nothing is left there of a job whose result was taken.
    let jobs = hosts.folder("h1").join("state/dispatch/jobs");
    wait_for(|| fs::read_dir(&jobs).unwrap().next().is_none());
}

#[test]
fn a_cluster_has_the_results_of_this_machine() {
    let mut scene = scene();
    scene.set_env("SHOP_TOKEN", "s3cr3t-of-the-shop");
    let Some(cluster) = Cluster::start(&scene) else {
        return;
    };
    scene.set_env("SLURM_CONF", &cluster.configuration());
    scene.configure(&cluster.settings());
    let doctor = scene.dispatch(&["doctor"]).expect(0);
    assert!(
        doctor.err.contains("executor cluster, slurm: 2 nodes"),
        "{}",
        doctor.err
    );
    scene.run(PLAN, &["--executor", "cluster"]).expect(3);
    assert_as_here(&scene);
    let shown = scene.dispatch(&["show", "A", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let host = shown["attempts"][0]["host"].as_str().unwrap();
    assert!(["n1", "n2"].contains(&host), "{host}");
    // The controller keeps the scripts of jobs, and what it was given as their environment.
    assert!(cluster.stores("node-attempt"));
    assert!(!cluster.stores("s3cr3t-of-the-shop"));
}
