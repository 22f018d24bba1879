//! `dispatch plan new`: scripted planners, good and bad, and what is left of them.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{Ended, Scene, assert_golden};
use crate::process::{Background, is_alive, until};

const SAMPLE: &str = include_str!("../../fixtures/plans/ok/sample.md");

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/plan");

const TEAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/team");

/// A scene whose planner answers in this way.
fn scene(arguments: &[&str]) -> Scene {
    let scene = Scene::new();
    let arguments: Vec<String> = arguments.iter().map(|text| format!(", {text:?}")).collect();
    scene.configure(&format!(
        "[plan]\nworker = \"planner\"\n[workers.planner]\ncommand = [{PROGRAM:?}{}]\n\
         [workers.claude]\ncommand = [{TEAM:?}]\ndialect = \"text\"\nprompt = \"file\"\n\
         [run]\nworker = \"claude\"\n",
        arguments.concat()
    ));
    scene
}

fn plan_new(scene: &Scene, more: &[&str]) -> Ended {
    let args = ["plan", "new", "Build auth, API, tests and docs", "--yes"];
    scene.dispatch(&[&args[..], more].concat())
}

/// Checks that nothing of a planner is left: no worktree, no reference, no folder, no file but these.
#[track_caller]
fn assert_gone(scene: &Scene, files: &[&str]) {
    let worktrees = scene.git(&["worktree", "list"]);
    assert_eq!(worktrees.lines().count(), 1, "{worktrees}");
    assert_eq!(
        scene.git(&["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main"
    );
    assert!(!scene.root.join("shop.dispatch").exists());
    assert_eq!(scene.git(&["status", "--porcelain"]), files.join("\n"));
    let folder = scene.repo.join(".git/dispatch/planner");
    let left = fs::read_dir(folder).into_iter().flatten().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| name == "answer.md"), "{left:?}");
}

/// Runs dispatch with a terminal on which these lines are typed; returns its exit code, its standard
/// output and what it sent to the terminal.
fn typed(scene: &Scene, args: &[&str], lines: &str) -> Ended {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(OFlags::NOCTTY.bits().cast_signed());
    let slave = options.open(slave.to_str().unwrap()).unwrap();
    let mut master = File::from(master);
    master.write_all(lines.as_bytes()).unwrap();
    let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
    command
        .args(args)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(slave.try_clone().unwrap())
        .stdout(Stdio::piped());
    let mut child = command.stderr(slave).spawn().unwrap();
    drop(command);
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let mut err = Vec::new();
    // Linux reports the end of a terminal as an error.
    let _ = master.read_to_end(&mut err);
    let status = child.wait().unwrap();
    Ended {
        code: status.code().unwrap_or(-1),
        out,
        err: String::from_utf8_lossy(&err).replace('\r', ""),
        signal: std::os::unix::process::ExitStatusExt::signal(&status),
    }
}

#[test]
fn the_plan_of_a_good_planner_is_saved_as_it_is() {
    for answer in ["good", "bare"] {
        let scene = scene(&[answer]);
        let before = scene.fingerprint();
        let ended = plan_new(&scene, &["--output", "../sample.md"]).expect(0);
        let saved = fs::read_to_string(scene.root.join("sample.md")).unwrap();
        assert_eq!(saved, SAMPLE);
        assert!(
            ended.out.ends_with("4 tasks · 3 at once · claude\n"),
            "{}",
            ended.out
        );
        assert!(ended.err.contains("planner: 1 call, "), "{}", ended.err);
        assert!(
            ended
                .err
                .ends_with("saved ../sample.md\nhint: `dispatch run ../sample.md` runs it\n"),
            "{}",
            ended.err
        );
        before.assert_same(&scene.fingerprint());
        assert_gone(&scene, &[]);
    }
}

#[test]
fn the_sample_goes_from_a_goal_to_its_reports() {
    let mut scene = scene(&["good"]);
    scene.write_program("../bin/npm", "#!/bin/sh\nexit 0\n");
    let path = std::env::var("PATH").unwrap();
    let bin = scene.root.join("bin");
    scene.set_env("PATH", &format!("{}:{path}", bin.display()));
    let goal = "Build auth, API, tests and docs";
    let args = ["plan", "new", goal, "--run", "--output", "../checkout.md"];
    let ended = typed(&scene, &args, "y\n").expect(3);
    assert_eq!(ended.out.matches("[AUTH]").count(), 1, "{}", ended.out);
    let (run, base) = (scene.run_name(), scene.rev("HEAD"));
    let normal = |text: &str| {
        let text = text.replace(&run, "<run>").replace(&base[..7], "<base>");
        scene.normal(&text)
    };
    assert_golden("runs/planned-failed.md", &normal(&scene.board()));
    scene.dispatch(&["retry", &run, "API"]).expect(0);
    assert_golden("runs/planned-complete.md", &normal(&scene.board()));
}

#[test]
fn a_bad_answer_goes_back_twice_and_then_is_an_error() {
    let reasons = [
        ("prose", "there is no plan in the answer"),
        ("half-json", "invalid JSON"),
        ("cycle", "dependency cycle: #1 -> #2 -> #1"),
        (
            "many",
            "the plan has 400 tasks, but a planner's plan can have at most 50",
        ),
        ("outside", "`../../etc/**` leaves the repository"),
        ("inside", "`.git/hooks/**` is in a folder `.git`"),
    ];
    for (answer, reason) in reasons {
        let scene = scene(&[answer]);
        let before = scene.fingerprint();
        let ended = plan_new(&scene, &[]).expect(1);
        let asked = "warning: the answer cannot be used; asking planner again (2 of 2)\n\
                     planner: 3 calls, ";
        assert!(ended.err.contains(asked), "{answer}: {}", ended.err);
        let failed = "error: planner made no usable plan in 3 answers";
        assert!(ended.err.contains(failed), "{answer}: {}", ended.err);
        assert!(ended.err.contains(reason), "{answer}: {}", ended.err);
        assert!(ended.err.lines().count() < 16, "{answer}: {}", ended.err);
        let kept = scene.repo.join(".git/dispatch/planner/answer.md");
        let hint = format!("hint: the last answer is in {}\n", kept.display());
        assert!(ended.err.ends_with(&hint), "{answer}: {}", ended.err);
        assert!(!fs::read_to_string(kept).unwrap().is_empty());
        assert_eq!(ended.out, "", "{answer}");
        before.assert_same(&scene.fingerprint());
        assert_gone(&scene, &[]);
    }
}

#[test]
fn a_planner_learns_from_the_problems_of_its_answer() {
    let scene = scene(&["learns"]);
    let ended = plan_new(&scene, &["--output", "plan.toml"]).expect(0);
    assert!(ended.err.contains("planner: 2 calls, "), "{}", ended.err);
    assert!(
        scene
            .read("plan.toml")
            .starts_with("title = \"Checkout v2\"\n")
    );
    assert_gone(&scene, &["?? plan.toml"]);
}

#[test]
fn the_changes_of_a_planner_are_thrown_away() {
    let scene = scene(&["edits"]);
    let before = scene.fingerprint();
    let ended = plan_new(&scene, &["--output", "../sample.md"]).expect(0);
    let said = "warning: planner changed files although it only plans; the changes are thrown away: \
                README.md, new.txt\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    before.assert_same(&scene.fingerprint());
    assert_gone(&scene, &[]);
}

#[test]
fn a_change_outside_the_planners_worktree_is_reported() {
    let scene = scene(&["meddles"]);
    let ended = plan_new(&scene, &[]).expect(0);
    let said = "warning: while planner planned, this changed: the branch mine\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    scene.git(&["branch", "--delete", "--force", "mine"]);
    let mut scene = scene;
    scene.set_env("DISPATCH_RUN_OUTSIDE_WRITES", "fail");
    let ended = plan_new(&scene, &["--force"]).expect(1);
    let said = "error: while planner planned, this changed: the branch mine\n";
    assert!(ended.err.contains(said), "{}", ended.err);
}

#[test]
fn a_goal_without_parts_is_answered_so() {
    let cases = [
        ("sequential", "it is one rename in one file."),
        (
            "chain",
            "the planner made a chain of 3 tasks, each of which needs the one before",
        ),
    ];
    for (answer, reason) in cases {
        let scene = scene(&[answer]);
        let ended = plan_new(&scene, &[]).expect(1);
        let said = format!(
            "error: this goal has no parts that can be worked on at the same time: {reason}\n\
             hint: give it to one agent; nothing was saved\n"
        );
        assert!(ended.err.ends_with(&said), "{}", ended.err);
        assert_gone(&scene, &[]);
    }
}

#[test]
fn shared_files_and_files_that_change_together_are_warned_about() {
    let scene = scene(&["two"]);
    for number in 0..4 {
        scene.write("src/app.ts", &format!("{number}\n"));
        scene.write("src/b.ts", &format!("{number}\n"));
        scene.commit("Both");
    }
    let ended = plan_new(&scene, &[]).expect(0);
    for warning in [
        "warning: only 2 tasks can start at once; one agent alone may be as fast\n",
        "warning: #1 and #2 can run at the same time and both declare src/app.ts\n",
        "warning: 4 commits changed src/b.ts and src/app.ts together, which #1 and #2 declare; they can \
         run at the same time\n",
    ] {
        assert!(ended.err.contains(warning), "{warning}\n{}", ended.err);
    }
    // The globs overlap as well, which is the same warning.
    assert_eq!(ended.err.matches("#1 and #2").count(), 2, "{}", ended.err);
}

#[test]
fn a_planner_may_indent_every_task_alike() {
    let scene = scene(&["eleven"]);
    let ended = plan_new(&scene, &[]).expect(0);
    assert!(ended.err.contains("planner: 1 call, "), "{}", ended.err);
    let saved = scene.read("plan.md");
    assert!(
        saved.contains("\n    - files: n11/**\n    - strategy: task\n\n    Do it.\n"),
        "{saved}"
    );
}

#[test]
fn shell_commands_of_the_planner_are_shown() {
    let scene = scene(&["shell"]);
    let ended = plan_new(&scene, &[]).expect(0);
    let said = "warning: #1 runs a shell command of the plan: make a\n";
    assert!(ended.err.contains(said), "{}", ended.err);
}

#[test]
fn shell_commands_of_the_planner_are_run_only_after_a_confirmation() {
    let refused = [
        ("shell", "#1 `make a`"),
        ("good", "#1 `npm test -- auth`"),
        ("checked", "#1 `true`, #2 `true`"),
    ];
    for (answer, commands) in refused {
        let scene = scene(&[answer]);
        let ended = plan_new(&scene, &["--run"]).expect(1);
        let said = format!(
            "error: saved plan.md, but did not run it: it has shell commands of the planner that you \
             have not confirmed: {commands}\nhint: read plan.md; `dispatch run plan.md` runs it\n"
        );
        assert!(ended.err.ends_with(&said), "{}", ended.err);
        assert!(scene.run_names().is_empty());
        assert_gone(&scene, &["?? plan.md"]);
    }
    // A check that the configuration names is not the planner's.
    let mut scene = scene(&["checked"]);
    scene.set_env("DISPATCH_ASSEMBLE_CHECK", "true");
    let ended = plan_new(&scene, &["--run", "--detach"]).expect(0);
    assert!(ended.err.contains("run checked-"), "{}", ended.err);
    scene.dispatch(&["wait"]);
}

#[test]
fn of_two_plans_the_last_is_taken_and_that_is_said() {
    let scene = scene(&["twice"]);
    let ended = plan_new(&scene, &[]).expect(0);
    let said = "warning: the answer has 2 plans; the last one is taken\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert_eq!(scene.read("plan.md"), SAMPLE);
}

#[test]
fn on_a_terminal_the_planner_is_shown_at_work() {
    let scene = scene(&["good"]);
    let ended = typed(&scene, &["plan", "new", "Build it"], "y\n").expect(0);
    assert!(ended.err.contains("planner PLANNING"), "{}", ended.err);
    assert!(ended.err.contains("planner: 1 call, "), "{}", ended.err);
}

#[test]
fn a_plan_is_kept_if_its_file_appears_meanwhile() {
    let scene = Scene::new();
    let file = scene.root.join("sample.md");
    scene.configure(&format!(
        "[workers.planner]\ncommand = [{PROGRAM:?}, \"slow\", {:?}]\n[run]\nworker = \"planner\"\n",
        file.to_str().unwrap()
    ));
    let ended = plan_new(&scene, &["--output", "../sample.md"]).expect(1);
    let kept = scene.repo.join(".git/dispatch/planner/answer.md");
    let said = format!("hint: the plan is kept in {}\n", kept.display());
    assert!(ended.err.ends_with(&said), "{}", ended.err);
    assert_eq!(fs::read_to_string(kept).unwrap(), SAMPLE);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine\n");
    assert_gone(&scene, &[]);
}

#[test]
fn the_strategy_is_filled_in_by_the_table() {
    let scene = scene(&["five"]);
    plan_new(&scene, &[]).expect(0);
    assert_eq!(scene.read("plan.md").matches("strategy: task").count(), 5);
}

#[test]
fn tasks_get_the_planners_worker_where_the_configured_one_has_no_command() {
    let scene = Scene::new();
    scene.configure(&format!(
        "[workers.planner]\ncommand = [{PROGRAM:?}, \"two\"]\n"
    ));
    plan_new(&scene, &["--worker", "planner"]).expect(0);
    assert_eq!(scene.read("plan.md").matches("worker: planner").count(), 2);
}

#[test]
fn an_existing_file_is_replaced_only_on_request() {
    let scene = scene(&["good"]);
    scene.write("plan.md", "mine\n");
    scene.commit("A plan");
    let ended = plan_new(&scene, &[]).expect(1);
    insta::assert_snapshot!(ended.err, @r"
    error: plan.md exists already
    hint: choose another name with `--output`, or replace it with `--force`
    ");
    assert_eq!(scene.read("plan.md"), "mine\n");
    plan_new(&scene, &["--force"]).expect(0);
    assert_eq!(scene.read("plan.md"), SAMPLE);
}

#[test]
fn wrong_requests_are_refused_before_anything_runs() {
    let mut scene = scene(&["good"]);
    let long = "x".repeat(70_000);
    fs::write(scene.root.join("long.txt"), long).unwrap();
    let cases: &[&[&str]] = &[
        &["plan", "new", "Build it"],
        &["plan", "new", " ", "--yes"],
        &["plan", "new", "--from", "no.txt", "--yes"],
        &["plan", "new", "--from", "../long.txt", "--yes"],
        &["plan", "new", "Build it", "--worker", "nobody"],
        &["plan", "new", "Build it", "--yes", "--worker", "shell"],
        &["plan", "new", "Build it", "--yes", "--output", "plan.txt"],
        &["plan", "new", "Build it", "--yes", "--output", "no/plan.md"],
    ];
    let said = cases.iter().map(|args| {
        let ended = scene.dispatch(args);
        format!("{}{}", ended.err, ended.code)
    });
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"), @r#"
    error: cannot ask for confirmation: not a terminal
    hint: add `--yes` to save the plan without a question
    2
    error: the goal is empty
    hint: describe what to build, as in `dispatch plan new "Add a login"`
    2
    error: could not read no.txt: No such file or directory (os error 2)
    1
    error: ../long.txt is longer than 64 KiB
    hint: name files that the planner can read instead
    2
    error: the worker `nobody` is not configured
    hint: add `[workers.nobody]` to .dispatch.toml; `dispatch workers` lists all
    1
    error: the worker `shell` cannot plan: it has no command of its own
    hint: name a coding agent with `--worker`, or as `worker` under `[plan]` in .dispatch.toml; `dispatch workers` lists them
    1
    error: plan.txt has no known extension
    hint: a plan is .md, .markdown, .toml or .json
    2
    error: the folder of no/plan.md does not exist
    1
    "#);
    scene.set_env("DISPATCH_DEPTH", "1");
    let ended = plan_new(&scene, &[]).expect(1);
    insta::assert_snapshot!(ended.err, @r"
    error: this is a worker of another dispatch, and 1 level deep is deeper than allowed
    hint: workers that start workers may never end; `max_depth = 1` under `[run]` in .dispatch.toml allows it
    ");
    assert_gone(&scene, &[]);
}

#[test]
fn the_prompt_of_the_planner_can_be_read_without_running_it() {
    let scene = scene(&["good"]);
    scene.write("AGENTS.md", "Write British English.\n");
    scene.commit("For agents");
    let prompt = scene
        .dispatch(&["plan", "new", "Build it", "--dry-run"])
        .expect(0)
        .out;
    for part in [
        "# The goal\n\nBuild it\n",
        "  src/  1 file, 24 B\n",
        "  > Write British English.\n",
        " For agents\n",
    ] {
        assert!(prompt.contains(part), "{part}\n{prompt}");
    }
    scene.write(
        "planner.jinja",
        "Goal: {{ goal }}; {{ map.folders | length }} folder\n",
    );
    scene.configure("[plan]\ntemplate = \"planner.jinja\"\n");
    let prompt = scene
        .dispatch(&["plan", "new", "Build it", "--dry-run"])
        .expect(0)
        .out;
    assert_eq!(prompt, "Goal: Build it; 1 folder\n");
    assert_gone(&scene, &[]);
}

#[test]
fn a_planner_sees_no_variables_of_an_attempt() {
    let scene = Scene::new();
    let seen = scene.root.join("seen");
    scene.configure(&format!(
        "[workers.planner]\ncommand = [{PROGRAM:?}, \"environment\", {:?}]\n",
        seen.to_str().unwrap()
    ));
    plan_new(&scene, &["--worker", "planner"]).expect(1);
    let names = fs::read_to_string(seen).unwrap();
    assert_eq!(
        names,
        "DISPATCH_BASE\nDISPATCH_COOKIE\nDISPATCH_DEPTH\nDISPATCH_PROMPT_FILE\n"
    );
}

#[test]
fn a_planner_that_fails_is_reported_with_its_cause() {
    let scene = scene(&["fails"]);
    let ended = plan_new(&scene, &[]).expect(1);
    let said =
        "error: planner failed: fatal: no model is configured\nhint: exit code 2 (logic error)\n";
    assert!(ended.err.ends_with(said), "{}", ended.err);
    assert_gone(&scene, &[]);
}

/// The processes of a planner that hangs.
fn pids(file: &Path) -> Vec<i32> {
    let text = || fs::read_to_string(file).unwrap_or_default();
    until("the planner runs", || text().lines().count() == 2);
    text().lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_planner_that_hangs_is_killed_at_its_limit_with_everything_it_started() {
    let scene = Scene::new();
    let file = scene.root.join("pids");
    scene.configure(&format!(
        "[plan]\ntimeout = \"1s\"\n[workers.planner]\ncommand = [{PROGRAM:?}, \"hangs\", {:?}]\n",
        file.to_str().unwrap()
    ));
    let ended = plan_new(&scene, &["--worker", "planner"]).expect(1);
    assert!(
        ended
            .err
            .contains("error: planner failed: timed out after 1s"),
        "{}",
        ended.err
    );
    assert!(pids(&file).iter().all(|pid| !is_alive(*pid)));
    assert_gone(&scene, &[]);
}

/// Starts a planner that hangs, and waits until it runs.
fn hanging(scene: &Scene) -> (Background, Vec<i32>) {
    let file = scene.root.join("pids");
    scene.configure(&format!(
        "[workers.planner]\ncommand = [{PROGRAM:?}, \"hangs\", {:?}]\n",
        file.to_str().unwrap()
    ));
    let args = ["plan", "new", "Build it", "--yes", "--worker", "planner"];
    let started = Background::start_in_own_group(scene, &args);
    (started, pids(&file))
}

#[test]
fn ctrl_c_stops_the_planner_and_leaves_nothing() {
    let scene = Scene::new();
    let (mut dispatch, pids) = hanging(&scene);
    dispatch.signal_group(Signal::INT);
    assert_eq!(dispatch.wait(), 130, "{}", dispatch.said());
    assert!(
        dispatch
            .said()
            .contains("error: interrupted; no plan was made")
    );
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert_gone(&scene, &[]);
}

#[test]
fn a_signal_that_stops_the_planner_is_the_exit_code() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let scene = Scene::new();
        let (mut dispatch, pids) = hanging(&scene);
        dispatch.signal_group(signal);
        assert_eq!(dispatch.wait(), code, "{}", dispatch.said());
        assert!(pids.iter().all(|pid| !is_alive(*pid)));
        assert_gone(&scene, &[]);
    }
}

#[test]
fn a_killed_dispatch_leaves_a_planner_that_doctor_removes() {
    let scene = Scene::new();
    let (dispatch, pids) = hanging(&scene);
    dispatch.crash();
    let found = scene.dispatch(&["doctor"]).expect(4).out;
    assert!(
        found.contains("`dispatch plan new` was killed; nothing in it is yours"),
        "{found}"
    );
    scene.dispatch(&["doctor", "--fix"]).expect(0);
    until("its processes are dead", || {
        pids.iter().all(|pid| !is_alive(*pid))
    });
    assert_gone(&scene, &[]);
}

#[test]
fn the_next_planner_removes_what_a_killed_one_left() {
    let scene = Scene::new();
    let (dispatch, pids) = hanging(&scene);
    dispatch.crash();
    scene.configure(&format!(
        "[workers.planner]\ncommand = [{PROGRAM:?}, \"good\"]\n"
    ));
    plan_new(&scene, &["--worker", "planner", "--output", "../sample.md"]).expect(0);
    until("its processes are dead", || {
        pids.iter().all(|pid| !is_alive(*pid))
    });
    assert_gone(&scene, &[]);
}

#[test]
fn a_task_is_split_on_request_and_the_parts_are_rewired() {
    let scene = scene(&["splits"]);
    let ended = typed(&scene, &["plan", "new", "Build it"], "s 2\ny\n").expect(0);
    assert!(
        ended
            .err
            .contains("Save 4 tasks to plan.md? [Y]es / [n]o / [e]dit / [p]riorities / [s]plit "),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("asking planner to split #2"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("Save 5 tasks to plan.md?"),
        "{}",
        ended.err
    );
    let saved = scene.read("plan.md");
    let lines = saved
        .lines()
        .filter(|line| line.starts_with(char::is_numeric));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    1. [AUTH] Implement authentication module
    2. [READ] Reading routes
    3. [WRITE] Writing routes
    4. [TEST] Set up test infrastructure
    5. [DOCS] Write API documentation — blocked by #2, #3
    ");
    assert_gone(&scene, &["?? plan.md"]);
}

#[test]
fn a_plan_is_reordered_and_edited_on_request() {
    let mut scene = scene(&["good"]);
    scene.set_env("GIT_EDITOR", "sed -i s/Checkout/Cashier/");
    let lines = "p\n\np 3 1\ns 9\nx\ne\ny\n";
    let ended = typed(&scene, &["plan", "new", "Build it"], lines).expect(0);
    assert!(
        ended
            .err
            .contains("hint: answer with one of yes, no, edit, priorities, split")
    );
    let saved = scene.read("plan.md");
    assert!(saved.starts_with("# Cashier v2\n"), "{saved}");
    assert!(saved.contains("3. [TEST] Set up test infrastructure — Worker 3\n   - priority: 2\n"));
}

#[test]
fn ctrl_c_at_the_question_ends_it_and_saves_nothing() {
    let scene = scene(&["good"]);
    let args = ["plan", "new", "Build it", "--run"];
    let ended = scene.interrupt_at(&args, "Save 4 tasks to plan.md and run them?");
    assert_eq!(ended.signal(), Some(Signal::INT.as_raw()), "{ended}");
    assert!(scene.run_names().is_empty());
    assert_gone(&scene, &[]);
}

#[test]
fn the_answer_no_saves_nothing() {
    let scene = scene(&["good"]);
    for lines in ["n\n", "\u{4}"] {
        let ended = typed(&scene, &["plan", "new", "Build it"], lines).expect(1);
        assert!(ended.err.ends_with("error: aborted\n"), "{}", ended.err);
        assert_gone(&scene, &[]);
    }
    scene.write("plan.md", "mine\n");
    typed(&scene, &["plan", "new", "Build it"], "y\n\n").expect(1);
    assert_eq!(scene.read("plan.md"), "mine\n");
    typed(&scene, &["plan", "new", "Build it"], "y\ny\n").expect(0);
    assert_eq!(scene.read("plan.md"), SAMPLE);
}
