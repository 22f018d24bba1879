//! Steering tasks: messages to workers, and attempts that continue a session.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rustix::process::Signal;

use crate::acp::agent;
use crate::harness::{Gate, Scene, wait};

const PLAN: &str = "1. [A] One\n   - worker: agent\n";

/// An agent that waits at the gate in every turn and writes down what it was told.
fn waiting(scene: &mut Scene) -> Gate {
    let gate = Gate::new(scene, "turn");
    scene.set_env("GATE", &gate.script());
    let steps = ["gate=eval \"$GATE\"", "told=told.txt"];
    scene.configure(&agent("agent", &steps, ""));
    gate
}

/// Returns the content of a file on the branch of task A.
fn made(scene: &Scene, file: &str) -> String {
    scene.git(&["show", &format!("{}:{file}", scene.branch("a"))])
}

#[test]
fn a_message_is_a_further_prompt_of_a_running_agent() {
    let mut scene = Scene::new();
    let mut gate = waiting(&mut scene);
    let child = scene.start(&["run", &scene.plan(PLAN), "--yes"]);
    gate.wait_until_reached();
    let told = scene.dispatch(&["tell", "1", "Use the new name"]).expect(0);
    assert!(
        told.err.contains("delivered to attempt 1 of #1"),
        "{}",
        told.err
    );
    gate.open();
    gate.wait_until_reached();
    gate.open();
    wait(child).expect(0);
    let told = made(&scene, "told.txt");
    assert!(told.starts_with("You are Worker 1"), "{told}");
    assert!(told.ends_with("Use the new name"), "{told}");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let message = "message (delivered to attempt 1)\n  Use the new name\n";
    assert!(shown.contains(message), "{shown}");
}

#[test]
fn a_message_reaches_an_agent_whose_runner_was_killed() {
    let mut scene = Scene::new();
    let mut gate = waiting(&mut scene);
    let mut child = scene.start(&["run", &scene.plan(PLAN), "--yes"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    wait(child);
    let told = scene.dispatch(&["tell", "A", "Use the new name"]).expect(0);
    assert!(
        told.err.contains("delivered to attempt 1 of #1"),
        "{}",
        told.err
    );
    gate.open();
    gate.wait_until_reached();
    gate.open();
    scene.dispatch(&["resume"]).expect(0);
    assert!(made(&scene, "told.txt").ends_with("Use the new name"));
}

#[test]
fn a_message_that_no_worker_can_read_is_in_the_next_prompt() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "work");
    let plan = format!(
        "1. [A] One\n   - run: cat \"$DISPATCH_PROMPT_FILE\" > p.txt; {}; test \"$DISPATCH_ATTEMPT\" = 2\n",
        gate.script()
    );
    let child = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    gate.wait_until_reached();
    let told = scene.dispatch(&["tell", "1", "Mind the gap"]).expect(0);
    assert!(
        told.err.contains("kept for the next attempt of #1"),
        "{}",
        told.err
    );
    let refused = scene.dispatch(&["attach", "1"]).expect(5);
    let hint = format!(
        "`dispatch cancel {} 1` ends a task that runs",
        scene.run_name()
    );
    assert!(refused.err.contains(&hint), "{}", refused.err);
    gate.open();
    wait(child).expect(3);
    // The run has ended, and nothing drives it.
    let mut teller = scene
        .command(env!("CARGO_BIN_EXE_dispatch"))
        .args(["tell", "1", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = teller.stdin.take().unwrap();
    input.write_all(b"And the step\n").unwrap();
    drop(input);
    wait(teller).expect(0);
    let retry = scene.start(&["retry", "1"]);
    gate.wait_until_reached();
    gate.open();
    wait(retry).expect(0);
    let prompt = made(&scene, "p.txt");
    assert!(prompt.contains("Mind the gap\n\nAnd the step"), "{prompt}");
    let refused = scene
        .dispatch(&["tell", &scene.run_name(), "1", "More"])
        .expect(1);
    insta::assert_snapshot!(scene.normal(&refused.err), @"error: #1 is DONE, so no attempt will read a message; `dispatch retry plan-yhwp 1 --prompt TEXT` runs it again");
    let refused = scene
        .dispatch(&["tell", &scene.run_name(), "1", " "])
        .expect(1);
    insta::assert_snapshot!(refused.err, @"error: the message is empty; nothing was sent");
}

/// Configures a worker that speaks like Claude Code and fails in its first attempt.
fn failing_once(scene: &Scene, more: &str) {
    scene.write_program(
        "../agent.sh",
        "#!/bin/sh\n\
         echo \"$*\" >> args.txt\n\
         cat > prompt.txt\n\
         echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"session_id\":\"s-1\",\"result\":\"ok\",\"total_cost_usd\":0.'$DISPATCH_ATTEMPT'5}'\n\
         test \"$DISPATCH_ATTEMPT\" = 2\n",
    );
    let program = scene.root.join("agent.sh");
    let program = program.display();
    scene.configure(&format!(
        "transient = 0\n[workers.agent]\ncommand = [\"{program}\", \"first\"]\n\
         prompt = \"stdin\"\ndialect = \"claude\"\n{}",
        more.replace("PROGRAM", &program.to_string())
    ));
}

#[test]
fn a_continued_attempt_has_the_session_and_the_worktree_of_the_last_one() {
    let scene = Scene::new();
    failing_once(&scene, "resume = [\"PROGRAM\", \"again\", \"{session}\"]\n");
    scene.run(PLAN, &[]).expect(3);
    let retry = ["retry", "1", "--continue", "--prompt", "Try harder"];
    scene.dispatch(&retry).expect(0);
    assert_eq!(made(&scene, "args.txt"), "first\nagain s-1");
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let cost = |attempt: usize| shown["attempts"][attempt]["cost"].as_f64().unwrap();
    // The agent reports 0.25 dollars for the whole session.
    assert_eq!((cost(0), cost(1)), (0.15, 0.1));
    insta::assert_snapshot!(made(&scene, "prompt.txt"), @r"
    Continue your task. The working directory is as you left it.

    Your last attempt failed: exit code 1

    Try harder
    ");
}

#[test]
fn an_agent_that_speaks_acp_continues_its_session() {
    let scene = Scene::new();
    scene.configure(&agent("agent", &["told=told.txt"], ""));
    let plan =
        "1. [A] One\n   - worker: agent\n   - check: grep -q 'Continue your task' told.txt\n";
    scene.run(plan, &[]).expect(3);
    scene.dispatch(&["retry", "1", "--continue"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
    let log = scene.dispatch(&["logs", "1"]).expect(0).out;
    assert!(!log.contains("from before"), "{log}");
}

#[test]
fn what_cannot_be_continued_is_said_and_nothing_is_retried() {
    let scene = Scene::new();
    failing_once(&scene, "");
    scene.run(PLAN, &[]).expect(3);
    let refused = scene.dispatch(&["retry", "1", "--continue"]).expect(1);
    insta::assert_snapshot!(scene.normal(&refused.err), @r"
    error: #1 of plan-yhwp cannot be continued: the profile of worker agent has no `resume` command
    hint: `dispatch retry plan-yhwp 1` starts a new session
    ");
    let scene = Scene::new();
    scene.run("1. [A] One\n   - run: exit 1\n", &[]).expect(3);
    let refused = scene.dispatch(&["retry", "1", "--continue"]).expect(1);
    insta::assert_snapshot!(scene.normal(&refused.err), @r"
    error: #1 of plan-yhwp cannot be continued: attempt 1 left no session
    hint: `dispatch retry plan-yhwp 1` starts a new session
    ");
}

#[test]
fn what_was_made_in_a_session_is_the_result_of_the_task() {
    let scene = Scene::new();
    scene.write_program(
        "../session.sh",
        "#!/bin/sh\n\
         echo \"$*\" >> session.txt\n\
         echo good > fix.txt\n\
         test \"$(wc -l < session.txt)\" -lt 3 || git commit -qam 'Fix the step'\n",
    );
    let program = scene.root.join("session.sh");
    failing_once(
        &scene,
        &format!(
            "attach = [\"{}\", \"--resume\", \"{{session}}\"]\n",
            program.display()
        ),
    );
    let plan = format!(
        "{PLAN}   - check: grep -q good fix.txt\n2. [B] Two — blocked by #1\n   - run: cp fix.txt b.txt\n"
    );
    scene.run(&plan, &[]).expect(3);
    let refused = scene.dispatch(&["attach", "1"]).expect(2);
    insta::assert_snapshot!(scene.normal(&refused.err), @r"
    error: cannot open a session: not a terminal
    hint: its worktree is <root>/shop.dispatch/plan-yhwp/a
    ");
    let said = scene.dispatch_at_keyboard(&["attach", "1", "--yes"]);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE", "{said}");
    assert_eq!(made(&scene, "session.txt"), "--resume s-1");
    assert_eq!(made(&scene, "args.txt"), "first");
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(shown["attempts"][1]["session"], "s-1");
    let note = |scene: &Scene| scene.json()["tasks"][0]["note"].clone();
    assert_eq!(note(&scene), "made by hand on attempt 1");
    // The session opens again, now on work that passed.
    scene.dispatch_at_keyboard(&["attach", "1", "--yes"]);
    assert_eq!(made(&scene, "session.txt"), "--resume s-1\n--resume s-1");
    assert_eq!(note(&scene), "made by hand on attempt 2");
    scene.dispatch_at_keyboard(&["attach", "1", "--yes"]);
    assert_eq!(note(&scene), "Fix the step");
}

#[test]
fn ctrl_c_at_the_question_after_a_session_offers_nothing() {
    let scene = Scene::new();
    scene.write_program("../session.sh", "#!/bin/sh\necho good > fix.txt\n");
    let program = scene.root.join("session.sh");
    failing_once(
        &scene,
        &format!("attach = [\"{}\", \"{{session}}\"]\n", program.display()),
    );
    scene.run(PLAN, &[]).expect(3);
    let ended = scene.interrupt_at(&["attach", "1"], "Offer the changes as the result of #1?");
    assert_eq!(ended.signal(), Some(Signal::INT.as_raw()), "{ended}");
    assert_eq!(scene.statuses(), "1 FAILED");
}

#[test]
fn a_session_that_changes_nothing_leaves_the_task_as_it_was() {
    let scene = Scene::new();
    failing_once(&scene, "attach = [\"true\", \"{session}\"]\n");
    scene.run(PLAN, &[]).expect(3);
    let said = scene.dispatch_at_keyboard(&["attach", "1", "--yes"]);
    assert!(
        said.contains("nothing has changed; #1 stays as it is"),
        "{said}"
    );
    assert_eq!(scene.statuses(), "1 FAILED");
    let scene = Scene::new();
    failing_once(&scene, "");
    scene.run(PLAN, &[]).expect(3);
    let refused = scene.dispatch(&["attach", "1"]).expect(1);
    insta::assert_snapshot!(scene.normal(&refused.err), @r"
    error: cannot attach to #1: the profile of worker agent has no `attach` command
    hint: its worktree is <root>/shop.dispatch/plan-yhwp/a
    ");
}

#[test]
fn a_message_reaches_an_agent_that_reads_a_stream_of_prompts() {
    let mut scene = Scene::new();
    let mut gate = Gate::new(&scene, "turn");
    scene.set_env("GATE", &gate.script());
    scene.write_program(
        "../stream.sh",
        "#!/bin/sh\n\
         while read -r line; do\n\
             printf '%s\\n' \"$line\" >> told.txt\n\
             eval \"$GATE\"\n\
             echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"ok\"}'\n\
         done\n",
    );
    let program = scene.root.join("stream.sh");
    scene.configure(&format!(
        "[workers.agent]\ncommand = [\"{}\"]\nprompt = \"stream\"\ndialect = \"claude\"\nenv = [\"GATE\"]\n",
        program.display()
    ));
    let child = scene.start(&["run", &scene.plan(PLAN), "--yes"]);
    gate.wait_until_reached();
    let told = scene
        .dispatch(&["tell", "1", "Use the \"new\" name"])
        .expect(0);
    assert!(
        told.err.contains("delivered to attempt 1 of #1"),
        "{}",
        told.err
    );
    gate.open();
    gate.wait_until_reached();
    gate.open();
    wait(child).expect(0);
    let told = made(&scene, "told.txt");
    let last: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(last["message"]["content"], "Use the \"new\" name");
    assert_eq!(told.lines().count(), 2);
    let log = scene.dispatch(&["logs", "1"]).expect(0).out;
    assert!(log.contains("\"told\":"), "{log}");
}

/// Configures an agent that waits at a gate in every turn, names its session, and writes its prompts and
/// options down.
fn taking_turns(scene: &mut Scene) -> Gate {
    let gate = Gate::new(scene, "turn");
    scene.set_env("GATE", &gate.script());
    scene.write_program(
        "../turns.sh",
        "#!/bin/sh\n\
         echo \"$*\" >> args.txt\n\
         cat > prompt.txt\n\
         eval \"$GATE\"\n\
         echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"session_id\":\"s-1\",\"result\":\"ok\",\"total_cost_usd\":0.'$DISPATCH_ATTEMPT'5}'\n",
    );
    let program = scene.root.join("turns.sh");
    let program = program.display();
    scene.configure(&format!(
        "[workers.agent]\ncommand = [\"{program}\", \"first\"]\n\
         resume = [\"{program}\", \"again\", \"{{session}}\"]\n\
         prompt = \"stdin\"\ndialect = \"claude\"\nenv = [\"GATE\"]\n"
    ));
    gate
}

/// Sends a message to task 1, which waits for the end of an attempt.
fn tell_waiting(scene: &Scene, text: &str, attempt: u32) {
    let told = scene.dispatch(&["tell", "1", text]).expect(0);
    let answer = format!("attempt {attempt} of #1 gets the message when its current turn ends");
    assert!(told.err.contains(&answer), "{}", told.err);
}

#[test]
fn a_session_goes_on_with_a_message_that_its_agent_could_not_read() {
    let mut scene = Scene::new();
    let mut gate = taking_turns(&mut scene);
    let plan = format!("{PLAN}2. [B] Two — blocked by #1\n   - run: cp prompt.txt b.txt\n");
    let child = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    gate.wait_until_reached();
    tell_waiting(&scene, "Use the new name", 1);
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let message = "message (for the end of attempt 1)\n  Use the new name\n";
    assert!(shown.contains(message), "{shown}");
    gate.open();
    gate.wait_until_reached();
    assert_eq!(scene.statuses(), "1 IN PROGRESS · 2 BLOCKED by #1");
    gate.open();
    wait(child).expect(0);
    assert_eq!(made(&scene, "args.txt"), "first\nagain s-1");
    assert_eq!(made(&scene, "prompt.txt"), "Use the new name");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let message = "message (delivered to attempt 2)\n  Use the new name\n";
    assert!(shown.contains(message), "{shown}");
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let cost = |attempt: usize| shown["attempts"][attempt]["cost"].as_f64().unwrap();
    assert_eq!((cost(0), cost(1)), (0.15, 0.1));
}

#[test]
fn a_waiting_message_outlives_the_runner_before_and_in_the_further_turn() {
    let mut scene = Scene::new();
    let mut gate = taking_turns(&mut scene);
    let mut child = scene.start(&["run", &scene.plan(PLAN), "--yes"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    wait(child);
    tell_waiting(&scene, "Use the new name", 1);
    gate.open();
    let mut child = scene.start(&["resume"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    wait(child);
    gate.open();
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(made(&scene, "args.txt"), "first\nagain s-1");
    assert_eq!(made(&scene, "prompt.txt"), "Use the new name");
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["attempts"][1]["cost"], 0.1, "the attempt was adopted");
}
