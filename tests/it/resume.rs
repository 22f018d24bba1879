//! A dispatch that died, and `dispatch resume`: replay alone completes the run, no worker runs
//! twice, and foreign changes are never overwritten.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Gate, Scene, has_reftable};
use crate::mount::skipped;
use crate::process::{Background, is_alive, pid_in, send, until};

/// One task that says when it starts (`<root>/started`), stops at the gate, and makes `one.txt`.
fn gated(scene: &Scene, gate: &Gate) -> String {
    let started = scene.root.join("started");
    let (started, gate) = (started.display(), gate.script());
    format!("1. [ONE] First\n   - run: echo $$ >> {started}; {gate}; echo one > one.txt\n")
}

/// Creates a run whose only worker waits at the gate.
fn at_the_gate() -> (Scene, Gate, Background) {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = gated(&scene, &gate);
    let dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    (scene, gate, dispatch)
}

/// Lists the pids of the started workers.
fn started(scene: &Scene) -> Vec<i32> {
    let text = fs::read_to_string(scene.root.join("started")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn attempt(scene: &Scene, number: u32) -> PathBuf {
    let run = scene.run_name();
    let folder = scene.repo.join(".git/dispatch/runs").join(run);
    folder.join(format!("attempts/1-{number}"))
}

/// Returns the shim of the first attempt.
fn shim(scene: &Scene) -> i32 {
    let record = fs::read(attempt(scene, 1).join("worker/proc.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record["shim"]["pid"].as_i64().unwrap() as i32
}

#[track_caller]
fn assert_done(scene: &Scene) {
    assert_eq!(scene.statuses(), "1 DONE");
    let one = format!("{}:one.txt", scene.branch("integration"));
    assert_eq!(scene.git(&["show", &one]), "one");
    assert_eq!(scene.json()["state"], "finished");
}

#[test]
fn a_living_worker_is_taken_up_and_works_only_once() {
    let (scene, mut gate, dispatch) = at_the_gate();
    dispatch.crash();
    let status = scene.dispatch(&["status"]).expect(0);
    assert!(status.out.contains("interrupted"), "{}", status.out);
    let hint = format!("hint: `dispatch resume {}` resumes it\n", scene.run_name());
    assert_eq!(status.err, hint);
    assert_eq!(scene.json()["state"], "interrupted");

    let mut dispatch = Background::start(&scene, &["resume"]);
    dispatch.wait_until_said("#1 ONE");
    let held = scene.dispatch(&["resume"]).expect(5);
    assert!(held.err.contains("another dispatch drives"), "{}", held.err);
    gate.open();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_eq!(started(&scene).len(), 1);
    assert_done(&scene);
}

#[test]
fn the_result_of_a_worker_that_ended_meanwhile_is_taken() {
    let (scene, mut gate, dispatch) = at_the_gate();
    let shim = shim(&scene);
    dispatch.crash();
    gate.open();
    until("the shim ends", || !is_alive(shim));
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(started(&scene).len(), 1);
    assert_done(&scene);
}

#[test]
fn a_worker_whose_shim_died_too_is_ended_and_tried_again_without_counting() {
    let (scene, mut gate, dispatch) = at_the_gate();
    let (worker, shim) = (pid_in(&scene.root.join("started")), shim(&scene));
    fs::write(scene.worktree("one").join("half.txt"), "half\n").unwrap();
    dispatch.crash();
    send(shim, Signal::KILL);
    until("the shim is gone", || !is_alive(shim));
    let mut dispatch = Background::start(&scene, &["resume"]);
    until("a second worker starts", || started(&scene).len() == 2);
    assert!(!is_alive(worker), "two workers never work at one task");
    gate.open();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_done(&scene);
    assert!(!dispatch.said().contains("RETRY"), "{}", dispatch.said());
    // What the lost one had made is kept.
    let kept = format!("refs/dispatch/attempts/{}/one/1", scene.run_name());
    assert_eq!(scene.git(&["show", &format!("{kept}:half.txt")]), "half");
}

#[test]
fn a_run_that_died_right_after_its_start_is_run() {
    // Whatever the moment: the journal begins with the whole plan.
    for _ in 0..3 {
        let scene = Scene::new();
        let mut gate = Gate::new(&scene, "gate");
        let dispatch = Background::run(&scene, &gated(&scene, &gate), &[]);
        until("the run exists", || !scene.run_names().is_empty());
        dispatch.crash();
        gate.open();
        scene.dispatch(&["resume"]).expect(0);
        assert_eq!(started(&scene).len(), 1);
        assert_done(&scene);
    }
}

#[test]
fn a_run_that_died_while_its_check_ran_checks_again_and_not_twice_at_once() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let pids = scene.root.join("pids");
    let check = format!("echo $$ >> {}; {}", pids.display(), gate.script());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    let plan = "1. [ONE] First\n   - run: echo one > one.txt\n";
    let dispatch = Background::run(&scene, plan, &[]);
    gate.wait_until_reached();
    let first = pid_in(&pids);
    dispatch.crash();
    assert!(is_alive(first));
    let mut dispatch = Background::start(&scene, &["resume"]);
    gate.wait_until_reached();
    assert!(!is_alive(first), "the old check was ended first");
    gate.open();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_done(&scene);
}

#[test]
fn a_run_that_died_while_a_task_s_check_ran_checks_again_and_not_twice_at_once() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let pids = scene.root.join("pids");
    let check = format!("echo $$ >> {}; {}", pids.display(), gate.script());
    let plan = format!("1. [ONE] First\n   - run: echo one > one.txt\n   - check: {check}\n");
    let dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    let first = pid_in(&pids);
    dispatch.crash();
    let mut dispatch = Background::start(&scene, &["resume"]);
    gate.wait_until_reached();
    assert!(!is_alive(first), "the old check was ended first");
    gate.open();
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    assert_done(&scene);
}

#[test]
fn a_run_that_has_ended_says_so() {
    let scene = Scene::new();
    scene
        .run("1. [ONE] First\n   - run: echo one > one.txt\n", &[])
        .expect(0);
    let ended = scene.dispatch(&["resume"]).expect(1);
    insta::assert_snapshot!(ended.err.replace(&scene.run_name(), "RUN"), @r"
    error: RUN has ended
    hint: `dispatch report RUN` shows how; `dispatch retry RUN TASK` tries a task again
    ");
}

#[test]
fn a_worktree_that_was_deleted_meanwhile_is_made_anew() {
    for prune in [false, true] {
        let (scene, mut gate, dispatch) = at_the_gate();
        let worker = pid_in(&scene.root.join("started"));
        dispatch.crash();
        let worktree = scene.worktree("one");
        fs::remove_dir_all(&worktree).unwrap();
        if prune {
            scene.git(&["worktree", "unlock", worktree.to_str().unwrap()]);
            scene.git(&["worktree", "prune"]);
        }
        let mut dispatch = Background::start(&scene, &["resume"]);
        until("a second worker starts", || started(&scene).len() == 2);
        assert!(!is_alive(worker), "two workers never work at one task");
        gate.open();
        assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
        assert_done(&scene);
    }
}

#[test]
fn a_task_s_branch_that_was_moved_meanwhile_is_kept() {
    let (scene, mut gate, dispatch) = at_the_gate();
    let shim = shim(&scene);
    dispatch.crash();
    scene.write("mine.txt", "mine\n");
    let mine = scene.commit("Mine");
    let branch = format!("refs/heads/{}", scene.branch("one"));
    scene.git(&["update-ref", &branch, &mine]);
    scene.git(&["reset", "--quiet", "--hard", "HEAD~"]);
    gate.open();
    until("the shim ends", || !is_alive(shim));
    scene.dispatch(&["resume"]);
    let holding = scene.git(&["for-each-ref", "--contains", &mine, "--format=%(refname)"]);
    assert!(!holding.is_empty(), "the commit is lost");
}

#[test]
fn a_branch_that_is_checked_out_by_somebody_is_not_moved() {
    let (scene, gate, dispatch) = at_the_gate();
    let shim = shim(&scene);
    dispatch.crash();
    send(shim, Signal::KILL);
    until("the shim is gone", || !is_alive(shim));
    let branch = scene.branch("one");
    scene.git(&["worktree", "add", "--quiet", "--force", "../mine", &branch]);
    let before = scene.rev(&branch);
    let ended = scene.dispatch(&["resume"]).expect(3);
    let said = scene.normal(&ended.err);
    assert!(
        said.contains("is checked out in <root>/mine, so it is not moved"),
        "{said}"
    );
    assert_eq!(scene.rev(&branch), before);
    drop(gate);
}

#[test]
fn an_integration_branch_that_is_checked_out_is_left_alone_and_the_run_ends() {
    let (scene, mut gate, mut dispatch) = at_the_gate();
    let integration = scene.branch("integration");
    until("the first board", || scene.has(&integration));
    scene.git(&["worktree", "add", "--quiet", "../mine", &integration]);
    let before = scene.rev(&integration);
    gate.open();
    assert_eq!(dispatch.wait(), 4, "{}", dispatch.said());
    assert_eq!(
        scene.rev(&integration),
        before,
        "it did not move under the user"
    );
    let said = scene.normal(&dispatch.said());
    let why = "integration is checked out in <root>/mine; check out another branch there";
    assert!(said.contains(why), "{said}");
    assert_eq!(scene.json()["state"], "needs-attention");

    scene.git(&["worktree", "remove", "../mine"]);
    scene.dispatch(&["assemble", &scene.run_name()]).expect(0);
    assert_done(&scene);
}

#[test]
fn work_of_somebody_else_on_the_integration_branch_is_not_overwritten() {
    let (scene, mut gate, mut dispatch) = at_the_gate();
    let integration = scene.branch("integration");
    until("the first board", || scene.has(&integration));
    scene.git(&["worktree", "add", "--quiet", "../mine", &integration]);
    let path = scene.root.join("mine");
    fs::write(path.join("mine.txt"), "mine\n").unwrap();
    let path = path.to_str().unwrap();
    scene.git(&["-C", path, "add", "mine.txt"]);
    scene.git(&["-C", path, "commit", "--quiet", "-m", "Mine"]);
    scene.git(&["worktree", "remove", "../mine"]);
    let mine = scene.rev(&integration);
    gate.open();
    assert_eq!(dispatch.wait(), 4, "{}", dispatch.said());
    assert_eq!(scene.rev(&integration), mine);
    assert!(
        dispatch
            .said()
            .contains("has a commit that is not of this run"),
        "{}",
        dispatch.said()
    );

    scene.git(&["branch", "--move", &integration, "mine"]);
    scene.dispatch(&["assemble", &scene.run_name()]).expect(0);
    assert_done(&scene);
}

#[test]
fn locks_that_died_with_the_last_driver_do_not_stop_the_run() {
    if has_reftable() {
        skipped("references have no lock files of their own");
        return;
    }
    let (scene, mut gate, dispatch) = at_the_gate();
    let run = scene.run_name();
    dispatch.crash();
    for name in [
        "dispatch/runs/RUN",
        "heads/dispatch/RUN/integration",
        "heads/dispatch/RUN/one",
    ] {
        let name = format!(".git/refs/{}.lock", name.replace("RUN", &run));
        scene.write(&name, "");
    }
    gate.open();
    scene.dispatch(&["resume"]).expect(0);
    assert_done(&scene);
}

/// Returns the table that `resume` prints.
fn table(said: &str) -> String {
    let lines = said.lines().skip_while(|line| !line.starts_with("Tasks"));
    let table = lines.take_while(|line| line.starts_with(['T', '#', '—']) && line.contains("  "));
    table.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_was_found_and_what_is_done_about_it_stands_in_one_table() {
    let scene = Scene::new();
    let gates = ["alive", "ended", "lost", "gone"].map(|name| Gate::new(&scene, name));
    let [mut alive, mut ended, mut lost, mut gone] = gates;
    let task = |number: u32, gate: &Gate| {
        format!(
            "{number}. [T{number}] t\n   - run: {}; echo {number} > {number}.txt\n",
            gate.script()
        )
    };
    let plan = format!(
        "1. [T1] t\n   - run: echo one > one.txt\n{}{}{}{}6. [T6] t — blocked by #2\n   - run: echo 6 > 6.txt\n",
        task(2, &alive),
        task(3, &ended),
        task(4, &lost),
        task(5, &gone),
    );
    let dispatch = Background::run(&scene, &plan, &["-j", "5"]);
    for gate in [&mut alive, &mut ended, &mut lost, &mut gone] {
        gate.wait_until_reached();
    }
    until("the first is done", || scene.statuses().contains("1 DONE"));
    until("the first board", || {
        scene.has(&scene.branch("integration"))
    });
    dispatch.crash();
    let run = scene.run_name();
    let shims: Vec<i32> = (3..6).map(|task| shim_of(&scene, task)).collect();
    ended.open();
    until("its shim ends", || !is_alive(shims[0]));
    send(shims[1], Signal::KILL);
    until("the other shim is gone", || !is_alive(shims[1]));
    fs::remove_dir_all(scene.worktree("t5")).unwrap();
    scene.git(&[
        "update-ref",
        "-d",
        &format!("refs/heads/{}", scene.branch("t1")),
    ]);
    scene.git(&[
        "update-ref",
        "-d",
        &format!("refs/heads/{}", scene.branch("integration")),
    ]);

    let looked = scene.dispatch(&["resume", "--dry-run"]).expect(0);
    assert!(!scene.has(&scene.branch("t1")), "a look changes nothing");
    let mut dispatch = Background::start(&scene, &["resume"]);
    dispatch.wait_until_said("Tasks");
    lost.wait_until_reached();
    gone.wait_until_reached();
    for gate in [&mut alive, &mut lost, &mut gone] {
        gate.open();
    }
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
    // A name as long as the run's, so that the columns stay where they are.
    let same_name = |said: String| {
        said.replace(&run, "RUN").replace(
            "  restored",
            &format!("{}restored", " ".repeat(run.len() - 1)),
        )
    };
    let said = same_name(table(&dispatch.said()));
    insta::assert_snapshot!(said, @r"
    Tasks  Found                                                 Action
    #1     passed                                                kept
    #2     its worker is running                                 attached
    #3     its worker exited meanwhile                           its result is recorded
    #4     its worker lost its supervisor                        killed; its work is kept; queued again
    #5     its worktree is missing                               queued again, in a new worktree
    #6     not started yet                                       queued
    #1     its branch is missing: dispatch/RUN/t1                restored
    —      the board is missing: dispatch/RUN/integration        restored
    ");
    assert_eq!(same_name(table(&looked.err)), said);
    assert!(scene.has(&scene.branch("t1")));
    assert_eq!(scene.json()["state"], "finished");
    let journal = scene.git(&["log", "--format=%b", &format!("refs/dispatch/runs/{run}")]);
    assert!(journal.contains(r#"{"task":4,"kind":"lost"}"#), "{journal}");
}

fn shim_of(scene: &Scene, task: u32) -> i32 {
    let folder = scene.repo.join(".git/dispatch/runs").join(scene.run_name());
    let record = folder.join(format!("attempts/{task}-1/worker/proc.json"));
    let record: serde_json::Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    record["shim"]["pid"].as_i64().unwrap() as i32
}

#[test]
fn an_assembled_branch_that_is_gone_is_made_again_whole() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = "1. [ONE] First\n   - run: echo one > one.txt\n";
    scene.run(plan, &[]).expect(0);
    let before = scene.board();
    let run = scene.run_name();
    // The end of the run is undone, as if never recorded.
    let journal = format!("refs/dispatch/runs/{run}");
    scene.git(&["update-ref", &journal, &format!("{journal}~")]);
    fs::remove_dir_all(scene.root.join("home/state/dispatch/repositories")).unwrap();
    scene.git(&[
        "update-ref",
        "-d",
        &format!("refs/heads/{}", scene.branch("integration")),
    ]);
    scene.dispatch(&["resume"]).expect(0);
    assert_done(&scene);
    assert_eq!(scene.board(), before);
    gate.open();
}

#[test]
fn a_run_goes_on_with_an_edited_plan_and_says_what_that_means() {
    let scene = Scene::new();
    let said = scene.root.join("ran");
    let ran = said.display();
    let plan = scene.plan(&format!(
        "# P\n1. [KEPT] k\n   - run: echo kept >> {ran}; echo k > k.txt\n\
         2. [CHANGED] c\n   - run: echo changed >> {ran}; echo c > c.txt\n\
         3. [AFTER] a — blocked by #2\n   - run: echo after >> {ran}; cat c.txt > a.txt\n\
         4. [GONE] g\n   - run: echo gone >> {ran}; echo g > g.txt\n\
         5. [BROKEN] b\n   - run: exit 64\n"
    ));
    scene.dispatch(&["run", &plan, "--yes"]).expect(3);
    let same = scene.dispatch(&["resume", "--plan", &plan]).expect(1);
    assert!(same.err.contains("has ended"), "{}", same.err);
    // Other numbers, another order, one task less, one more, one repaired, one changed.
    scene.plan(&format!(
        "# P\n1. [NEW] n — blocked by #2\n   - run: cat k.txt > n.txt\n\
         2. [KEPT] k\n   - priority: 7\n   - run: echo kept >> {ran}; echo k > k.txt\n\
         3. [CHANGED] c\n   - run: echo changed >> {ran}; echo cc > c.txt\n\
         4. [AFTER] a — blocked by #3\n   - run: echo after >> {ran}; cat c.txt > a.txt\n\
         5. [BROKEN] b\n   - run: echo b > b.txt\n"
    ));
    let run = scene.run_name();
    let ended = scene.dispatch(&["resume", "--plan", &plan]).expect(0);
    insta::assert_snapshot!(table(&ended.err), @r"
    Tasks   Found                                            Action
    #1      passed                                           kept
    #1      other files, limits or order in the edited plan  kept; they apply from its next attempt
    #2, #5  changed in the edited plan                       starts again
    #3      depends on a task that starts again              starts again
    #6      new in the edited plan                           queued
    #4      not in the edited plan                           skipped; its branch is kept
    ");
    let ran = fs::read_to_string(&said).unwrap();
    let times = |name: &str| ran.lines().filter(|line| *line == name).count();
    let times = ["kept", "changed", "after", "gone"].map(times);
    assert_eq!(times, [1, 2, 2, 1], "{ran}");
    assert_eq!(
        scene.statuses(),
        "1 DONE · 2 DONE · 3 DONE · 4 SKIPPED · 5 DONE · 6 DONE"
    );
    let integration = scene.branch("integration");
    let files = scene.git(&["ls-tree", "--name-only", &integration]);
    assert!(!files.contains("g.txt"), "{files}");
    assert_eq!(scene.git(&["show", &format!("{integration}:a.txt")]), "cc");
    assert_eq!(scene.git(&["show", &format!("{integration}:n.txt")]), "k");
    // Read back by replay alone, with the plan as it is now.
    let shown = scene.dispatch(&["show", "NEW"]).expect(0);
    assert!(shown.out.contains("#6"), "{}", shown.out);
    let text = scene.git(&["show", &format!("refs/dispatch/runs/{run}:plan.md")]);
    assert!(text.contains("[NEW]") && text.contains("[GONE]"), "{text}");
}

#[test]
fn a_worker_of_a_task_that_was_edited_meanwhile_is_ended_first_and_its_work_kept() {
    let (scene, mut gate, dispatch) = at_the_gate();
    let worker = pid_in(&scene.root.join("started"));
    fs::write(scene.worktree("one").join("half.txt"), "half\n").unwrap();
    dispatch.crash();
    let edited = scene.plan_named(
        "edited.md",
        "1. [ONE] First\n   - run: echo two > one.txt\n",
    );
    scene.dispatch(&["resume", "--plan", &edited]).expect(0);
    assert!(!is_alive(worker), "two workers never work at one task");
    let one = format!("{}:one.txt", scene.branch("integration"));
    assert_eq!(scene.git(&["show", &one]), "two");
    let kept = format!("refs/dispatch/attempts/{}/one/1", scene.run_name());
    assert_eq!(scene.git(&["show", &format!("{kept}:half.txt")]), "half");
    gate.open();
}

#[test]
fn a_plan_that_was_edited_is_never_taken_over_without_a_word() {
    let (scene, mut gate, dispatch) = at_the_gate();
    dispatch.crash();
    let edited = gated(&scene, &gate).replace("one.txt", "two.txt");
    scene.plan(&edited);
    gate.open();
    let ended = scene.dispatch(&["resume"]).expect(0);
    let row = "the plan file differs from the plan of the run: ../plan.md  ignored; use `--plan` to apply it";
    assert!(table(&ended.err).contains(row), "{}", ended.err);
    assert_done(&scene);
}

#[test]
fn other_limits_in_an_edited_plan_hold_from_the_next_attempt_on_and_keep_results() {
    let scene = Scene::new();
    let ran = scene.root.join("ran");
    let plan = |more: &str| {
        let ran = ran.display();
        scene.plan(&format!(
            "1. [GOOD] g\n   - run: echo good >> {ran}; touch g\n{more}\
             2. [SLOW] s\n   - run: sleep 1; touch s\n   - retries: 0\n{more}"
        ))
    };
    let file = plan("   - timeout: 200ms\n");
    scene.dispatch(&["run", &file, "--yes"]).expect(3);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
    plan("   - timeout: 50s\n");
    // A failed task needs attention, whatever its limits are now.
    let ended = scene.dispatch(&["resume", "--plan", &file]).expect(3);
    assert!(
        ended.err.contains("they apply from its next attempt"),
        "{}",
        ended.err
    );
    scene
        .dispatch(&["retry", &scene.run_name(), "SLOW"])
        .expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!(fs::read_to_string(ran).unwrap(), "good\n");
}
