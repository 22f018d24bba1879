//! Worktrees of the pool that are prepared before an attempt asks for them, and runs that share the pool.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Gate, Scene, wait};
use crate::pool::{has_no_pool, noted, place, slot};
use crate::process::{Background, until};

/// A project with a pool, whose set-up notes for whom it runs.
fn scene(set_up: &str) -> Scene {
    scene_with(set_up, "")
}

/// The same with more settings behind those of the worktrees.
fn scene_with(set_up: &str, more: &str) -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "target/\nset-up/\n.env\n");
    scene.write("lock", "1\n");
    scene.configure(&format!(
        "[worktree]\npool = \"auto\"\npool_template = \"never\"\nkeep = [\"target\", \"set-up\"]\nsetup_when = [\"lock\"]\n\
         setup = ['mkdir -p set-up; echo \"${{DISPATCH_TASK:-ahead}} $(nice)\" >> set-up/who; {set_up}']\n{more}"
    ));
    scene
}

/// A task that notes its folder and for whom its folder was set up, and then runs a script.
fn task(scene: &Scene, number: u32, name: &str, script: &str) -> String {
    let root = scene.root.display();
    format!(
        "{number}. [{name}] Do {name}\n   - run: pwd -P > {root}/pwd-{name}; cp set-up/who {root}/who-{name}; {script}\n"
    )
}

/// Waits until the pool has a free worktree that is set up.
fn wait_for_a_spare(scene: &Scene) {
    let is_set_up = || {
        let records = fs::read_dir(scene.root.join("shop/.git/dispatch/pool"));
        let records = records.unwrap().flatten();
        records
            .filter(|record| record.path().join("set-up").exists())
            .count()
            == 2
    };
    until("a worktree is prepared", || {
        is_set_up()
            && scene
                .dispatch(&["doctor", "--pool", "--json"])
                .out
                .contains("\"state\": \"free\"")
    });
}

#[test]
fn a_worktree_is_set_up_while_the_task_before_works() {
    if has_no_pool() {
        return;
    }
    let scene = scene_with("test -e .env", "copy = [\".env\"]\n");
    fs::write(scene.root.join("shop/.env"), "secret\n").unwrap();
    let mut gate = Gate::new(&scene, "gate");
    let first = task(
        &scene,
        1,
        "A",
        &format!("{}; echo a > a.txt", gate.script()),
    );
    let second = task(
        &scene,
        2,
        "B",
        "test $(cat .env) = secret && test ! -e a.txt && echo b > b.txt",
    );
    let before = scene.fingerprint();
    let mut run = Background::run(&scene, &format!("{first}{second}"), &["-j", "1"]);
    gate.wait_until_reached();
    wait_for_a_spare(&scene);
    gate.open();
    assert_eq!(run.wait(), 0, "{}", run.said());
    before.assert_same(&scene.fingerprint());
    assert_eq!(
        (place(&scene, "A"), place(&scene, "B")),
        (slot(&scene, 1), slot(&scene, 2))
    );
    assert!(noted(&scene, "who", "A").starts_with("1 "));
    let who = noted(&scene, "who", "B");
    assert!(who.starts_with("ahead"), "{who}");
    if cfg!(target_os = "linux") {
        assert_eq!(who, "ahead 10", "with a low priority");
    }
    let log = scene.dispatch(&["log"]).expect(0).out;
    assert!(
        !log.contains("warm worktree"),
        "no task had it before: {log}"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(
        cleaned
            .out
            .starts_with("returned 2 worktrees to the pool, removed"),
        "{}",
        cleaned.out
    );
    scene.dispatch(&["doctor", "--pool"]).expect(0);
}

#[test]
fn a_set_up_that_needs_its_task_runs_for_every_task() {
    if has_no_pool() {
        return;
    }
    let scene = scene("test -n \"$DISPATCH_TASK\"");
    let tasks: String = ["A", "B", "C"]
        .iter()
        .zip(1..)
        .map(|(name, number)| task(&scene, number, name, &format!("echo x > {name}.txt")))
        .collect();
    scene
        .run(&format!("# P\n\n{tasks}"), &["-j", "1"])
        .expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    scene.dispatch(&["doctor", "--pool"]).expect(0);
}

#[test]
fn the_end_of_a_run_does_not_wait_for_a_set_up_that_no_task_needs() {
    if has_no_pool() {
        return;
    }
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let set_up = gate.script();
    scene.write(".gitignore", "set-up/\n");
    scene.write("lock", "1\n");
    scene.configure(&format!(
        "[worktree]\npool = \"auto\"\npool_template = \"never\"\nkeep = [\"set-up\"]\nsetup_when = [\"lock\"]\n\
         setup = ['mkdir -p set-up; test -n \"$DISPATCH_TASK\" || {{ {set_up}; }}']\n"
    ));
    let mut second = Gate::new(&scene, "second");
    let run = format!(
        "1. [A] First\n   - run: {}; echo a > a.txt\n2. [B] Second\n   - run: echo b > b.txt\n",
        second.script()
    );
    let mut run = Background::run(&scene, &run, &["-j", "1"]);
    second.wait_until_reached();
    gate.wait_until_reached();
    // The second task takes the worktree of the first, and the run ends.
    second.open();
    assert_eq!(run.wait(), 0, "{}", run.said());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    scene.dispatch(&["doctor", "--pool"]).expect(0);
}

#[test]
fn a_run_that_was_killed_leaves_no_set_up_behind() {
    if has_no_pool() {
        return;
    }
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let set_up = gate.script();
    scene.write(".gitignore", "set-up/\nunfinished/\n");
    scene.write("lock", "1\n");
    scene.configure(&format!(
        "[worktree]\npool = \"auto\"\npool_template = \"never\"\nkeep = [\"set-up\"]\nsetup_when = [\"lock\"]\n\
         setup = ['mkdir -p set-up; test -n \"$DISPATCH_TASK\" || {{ mkdir unfinished; touch unfinished/x; {set_up}; rm -r unfinished; echo late > set-up/late; }}']\n"
    ));
    let mut worker = Gate::new(&scene, "worker");
    let first = format!("{}; echo a > a.txt", worker.script());
    let plan = format!(
        "1. [A] First\n   - run: {first}\n2. [B] Second\n   - run: test ! -e set-up/late && test ! -e unfinished && echo b > b.txt\n"
    );
    let mut run = Background::run(&scene, &plan, &["-j", "1"]);
    worker.wait_until_reached();
    gate.wait_until_reached();
    run.signal(Signal::KILL);
    run.wait();
    // A dry run reads: the command is there each time.
    for _ in 0..2 {
        let shown = scene.dispatch(&["clean", "--pool", "--dry-run"]).expect(0);
        assert!(shown.err.contains("is being set up"), "{}", shown.err);
    }
    worker.open();
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    scene.dispatch(&["doctor", "--pool"]).expect(0);
    scene.dispatch(&["clean", "--pool"]).expect(0);
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn two_runs_share_the_pool_and_git_may_clean_up_meanwhile() {
    if has_no_pool() {
        return;
    }
    let scene = scene("true");
    let mut gate = Gate::new(&scene, "gate");
    let first = task(
        &scene,
        1,
        "A",
        &format!("{}; echo a > a.txt", gate.script()),
    );
    let mut one = Background::run(&scene, &first, &[]);
    gate.wait_until_reached();
    let plan = |name: &str| task(&scene, 1, name, &format!("echo x > {name}.txt"));
    scene.run(&format!("# Two\n\n{}", plan("B")), &[]).expect(0);
    scene.git(&["worktree", "prune", "--expire", "now"]);
    scene.git(&["gc", "--quiet", "--prune=now"]);
    gate.open();
    assert_eq!(one.wait(), 0, "{}", one.said());
    assert_eq!(
        (place(&scene, "A"), place(&scene, "B")),
        (slot(&scene, 1), slot(&scene, 2))
    );
    // Both at once, with both worktrees.
    let plans = ["C", "D"].map(|name| {
        scene.plan_named(
            &format!("{name}.md"),
            &format!("# {name}\n\n{}", plan(name)),
        )
    });
    let runs = plans.map(|plan| scene.start(&["run", &plan, "--yes"]));
    for run in runs {
        wait(run).expect(0);
    }
    let mut places = ["C", "D"].map(|name| place(&scene, name));
    places.sort();
    assert_eq!(places, [slot(&scene, 1), slot(&scene, 2)]);
    scene.dispatch(&["doctor", "--pool"]).expect(0);
}

#[test]
fn an_interrupted_attempt_gives_its_worktree_away_and_its_work_is_kept() {
    if has_no_pool() {
        return;
    }
    let scene = scene("true");
    let mut gate = Gate::new(&scene, "gate");
    let script = format!(
        "test ! -e half.txt || exit 1; if test $DISPATCH_ATTEMPT = 1; then echo half > half.txt; {}; fi; echo a > a.txt",
        gate.script()
    );
    let mut run = Background::run(&scene, &task(&scene, 1, "A", &script), &[]);
    gate.wait_until_reached();
    run.signal(Signal::INT);
    assert_eq!(run.wait(), 130, "{}", run.said());
    assert!(
        scene.worktree("a").join("half.txt").exists(),
        "for the user, until another task needs it"
    );
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
    assert_eq!(place(&scene, "A"), slot(&scene, 1));
    let kept = format!("refs/dispatch/attempts/{}/a/1:half.txt", scene.run_name());
    assert_eq!(scene.git(&["show", &kept]), "half");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    scene.dispatch(&["doctor", "--pool"]).expect(0);
}

fn no_task_for_a_week(scene: &Scene) {
    let records = fs::read_dir(scene.root.join("shop/.git/dispatch/pool")).unwrap();
    for record in records.flatten() {
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600);
        let folder = fs::File::open(record.path()).unwrap();
        folder.set_modified(long_ago).unwrap();
    }
}

#[test]
fn idle_worktrees_go_and_the_disk_says_what_is_kept() {
    if has_no_pool() {
        return;
    }
    let scene = scene("true");
    let plan = |name: &str, more: &str| {
        format!(
            "# {name}\n\n{}{more}",
            task(&scene, 1, name, &format!("echo x > {name}.txt"))
        )
    };
    scene.run(&plan("A", ""), &[]).expect(0);
    let run = scene.run_name();
    let shown = scene.dispatch(&["status", "--disk"]).expect(0).out;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&format!("dispatch clean {run}")), "{shown}");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    let shown = scene
        .dispatch(&["status", "--disk", "--json"])
        .expect(0)
        .out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let free = &shown["kept"][0];
    assert_eq!(
        PathBuf::from(free["folder"].as_str().unwrap()),
        slot(&scene, 1)
    );
    assert_eq!(free["remove"], "dispatch clean --pool");
    assert!(free["bytes"].as_u64().unwrap() > 0);
    no_task_for_a_week(&scene);
    scene.run(&plan("B", "   - fresh: true\n"), &[]).expect(0);
    assert!(!slot(&scene, 1).exists(), "no task used it for a week");
}

#[test]
fn a_run_of_which_nothing_is_left_is_cleaned_with_the_idle_worktrees() {
    if has_no_pool() {
        return;
    }
    let scene = scene("true");
    let plan = task(&scene, 1, "A", "echo x > a.txt");
    scene.run(&format!("# A\n\n{plan}"), &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(slot(&scene, 1).exists());
    no_task_for_a_week(&scene);
    let again = scene.dispatch(&["clean"]).expect(0);
    assert!(again.err.contains("nothing to remove"), "{}", again.err);
    assert!(
        again.err.contains("removed the idle worktree"),
        "{}",
        again.err
    );
    assert!(!slot(&scene, 1).exists());
}

#[test]
fn checks_run_fresh_unless_the_settings_allow_a_warm_worktree() {
    if has_no_pool() {
        return;
    }
    for (warm, status) in [("", 4), ("warm = true\n", 0)] {
        let scene = scene_with(
            "true",
            &format!(
                "[assemble]\ncheck = [\"test -e target/log && test -e a.txt && test -z \\\"$(git status --porcelain)\\\"\"]\n{warm}"
            ),
        );
        let plan = task(
            &scene,
            1,
            "A",
            "mkdir -p target; echo a > target/log; echo a > a.txt",
        );
        let ended = scene.run(&format!("# P\n\n{plan}"), &[]);
        assert_eq!(ended.code, status, "{warm}: {}{}", ended.out, ended.err);
        if status == 0 {
            scene.dispatch(&["land", "--yes"]).expect(0);
            scene.dispatch(&["clean"]).expect(0);
            scene.dispatch(&["doctor", "--pool"]).expect(0);
            assert!(slot(&scene, 1).join("target/log").exists());
        }
    }
}

#[test]
fn a_repository_that_became_sparse_has_no_pool_and_a_repository_in_a_worktree_keeps_it() {
    if has_no_pool() {
        return;
    }
    let scene = scene("true");
    let plan = |name: &str, script: &str| format!("# {name}\n\n{}", task(&scene, 1, name, script));
    // A repository that a worker made in an ignored folder is nowhere else.
    let inner = "mkdir -p target/lib && git init -q target/lib && cd target/lib && echo 1 > x && git add x && \
                 git -c user.name=A -c user.email=a@localhost commit -qm inner; cd ../..; echo a > a.txt";
    scene.run(&plan("A", inner), &[]).expect(0);
    scene.run(&plan("B", "echo b > b.txt"), &[]).expect(0);
    let of_a = slot(&scene, 1);
    assert_eq!(place(&scene, "A"), of_a);
    let is_there = of_a.join("target/lib/x").exists();
    assert!(is_there, "kept, with its worktree or in its folder");
    let second = place(&scene, "B");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    scene.git(&["sparse-checkout", "init"]);
    scene.run(&plan("C", "echo c > c.txt"), &[]).expect(0);
    assert_eq!(
        place(&scene, "C"),
        scene.worktree("c").canonicalize().unwrap()
    );
    assert!(second.exists());
    scene.dispatch(&["clean", "--pool"]).expect(0);
}
