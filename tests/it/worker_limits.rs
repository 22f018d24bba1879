//! Selection of workers: parking, fallbacks, limits of starts, and money.

use std::fs;
use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::harness::{Ended, Scene};

/// Renders the settings of a worker that runs this script, stored beside the repository.
fn scripted(scene: &Scene, name: &str, script: &str, more: &str) -> String {
    let path = scene.root.join(format!("{name}.sh"));
    fs::write(&path, script).unwrap();
    let path = path.display();
    format!("[workers.{name}]\ncommand = [\"sh\", \"{path}\"]\n{more}\n")
}

/// Creates a worker whose limit resets at noon, or as given.
fn limited(scene: &Scene, name: &str, reset: &str, more: &str) -> String {
    let script = format!("echo \"You've hit your usage limit. Try again {reset}\"; exit 1\n");
    scripted(scene, name, &script, more)
}

fn working(scene: &Scene, name: &str, more: &str) -> String {
    scripted(scene, name, "echo x > $DISPATCH_TAG.txt\n", more)
}

/// Parses the events of a run.
fn events(ended: &Ended) -> Vec<Value> {
    let lines = ended.out.lines().filter(|line| line.starts_with('{'));
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Renders `event task worker` for events about workers.
fn story(events: &[Value]) -> String {
    let told = events.iter().filter_map(|event| {
        let name = event["event"].as_str()?;
        let is_told = matches!(
            name,
            "attempt-starting"
                | "attempt-ended"
                | "worker-parked"
                | "worker-unparked"
                | "run-ended"
                | "cost-limit-reached"
        );
        let words = [&event["task"], &event["worker"], &event["exit"]];
        let words = words.into_iter().filter(|word| !word.is_null());
        let words: Vec<String> = words.map(|w| w.to_string().replace('"', "")).collect();
        is_told.then(|| format!("{name} {}", words.join(" ")))
    });
    told.collect::<Vec<_>>().join("\n")
}

const TWO: &str = "1. [A] One\n   - worker: agent\n2. [B] Two\n   - worker: agent\n";

#[test]
fn another_worker_takes_over_from_one_that_is_parked() {
    let scene = Scene::new();
    let agent = limited(
        &scene,
        "agent",
        "at 11:00 AM.",
        "fallback = [\"gone\", \"other\"]",
    );
    let gone = "[workers.gone]\ncommand = [\"no-such-program\"]\n";
    let other = working(&scene, "other", "");
    scene.configure(&format!("{agent}{gone}{other}[run]\nmax_parallel = 1\n"));
    let ended = scene.run(TWO, &["--json"]).expect(0);
    insta::assert_snapshot!(story(&events(&ended)), @r"
    attempt-starting 1 agent
    attempt-ended 1
    worker-parked 1 agent
    attempt-starting 1 other
    attempt-ended 1
    attempt-starting 2 other
    attempt-ended 2
    run-ended 0
    ");
    insta::assert_snapshot!(scene.statuses(), @"1 DONE · 2 DONE");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let attempts: Vec<&str> = shown.lines().filter(|l| l.starts_with("attempt")).collect();
    assert_eq!(attempts, ["attempt 1 (agent)", "attempt 2 (other)"]);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["worker"], "other");
    assert_eq!(board["parked"][0]["until"], "2026-11-22T11:00:00.007Z");
}

#[test]
fn a_run_waits_for_a_reset_that_is_near_and_nothing_counts_as_failed() {
    let scene = Scene::new();
    let once = "if mkdir \"$0.seen\" 2>/dev/null; then\n\
                echo \"You've hit your usage limit. Try again in 50ms.\"; exit 1\nfi\n\
                echo x > $DISPATCH_TAG.txt\n";
    let agent = scripted(&scene, "agent", once, "");
    scene.configure(&format!("transient = 0\n{agent}"));
    let ended = scene.run("1. [A] One\n   - worker: agent\n", &["--json"]);
    insta::assert_snapshot!(story(&events(&ended.expect(0))), @r"
    attempt-starting 1 agent
    attempt-ended 1
    worker-parked 1 agent
    worker-unparked agent
    attempt-starting 1 agent
    attempt-ended 1
    run-ended 0
    ");
    assert_eq!(scene.statuses(), "1 DONE");
}

#[test]
fn a_run_ends_in_order_when_the_reset_is_far_and_resume_goes_on_afterwards() {
    let mut scene = Scene::new();
    let script = "if [ -e \"$0.open\" ]; then echo x > $DISPATCH_TAG.txt; exit 0; fi\n\
                  echo \"You've hit your usage limit. Try again at 11:00 AM.\"; exit 1\n";
    let agent = scripted(&scene, "agent", script, "");
    scene.configure(&agent);
    let plan = format!("{TWO}3. [C] Three\n   - run: echo c > c.txt\n");
    scene.run(&plan, &[]).expect(3);
    let run = scene.run_name();
    let (base, tip) = (scene.rev("main"), scene.rev(&scene.branch("integration^")));
    let normal = |text: &str| {
        let text = scene.normal(text).replace(&run, "<run>");
        text.replace(&base[..7], "<base>")
            .replace(&tip[..7], "<tip>")
    };
    let shown = scene.dispatch(&["status"]).expect(0).out;
    insta::assert_snapshot!(normal(&shown), @r"
    plan
    Run <run> · base <base> on main · started 2026-11-22 09:14 UTC · paused
    1 of 3 done · 2 queued
    agent is parked until 2026-11-22 11:00 UTC: You've hit your usage limit. Try again at 11:00 AM.
    continue then with `dispatch resume <run>`, or immediately with `--unpark`

    #  Task   Worker   Status  Notes
    1  One    agent-1  QUEUED
    2  Two    agent-2  QUEUED
    3  Three  shell-3  DONE

    Integration dispatch/<run>/integration at <tip>
      merged 1 task: #3
    ");
    insta::assert_snapshot!(normal(&scene.board()), @r"
    # Dispatch: plan

    Run `<run>` · base `<base>` on `main` · started 2026-11-22 09:14 UTC · 1 of 3 done

    ## Dispatch Status

    | # | Task | Worker | Status | Notes |
    |---|------|--------|--------|-------|
    | 1 | One | agent-1 | QUEUED | |
    | 2 | Two | agent-2 | QUEUED | |
    | 3 | Three | shell-3 | DONE | |

    ## Notices

    - agent is parked until 2026-11-22 11:00 UTC: You've hit your usage limit. Try again at 11:00 AM.
    - continue then with `dispatch resume <run>`, or immediately with `--unpark`
    ");
    assert_eq!(scene.json()["state"], "paused");
    let listed = scene.dispatch(&["workers"]).expect(0).out;
    let agent = listed
        .lines()
        .find(|line| line.starts_with("agent"))
        .unwrap();
    let said = format!("parked until 2026-11-22 11:00 UTC (says {run})");
    assert!(agent.ends_with(&said), "{agent}");

    // Too early: the worker reports the same limit once more.
    let early = scene.dispatch(&["resume"]).expect(3);
    assert!(
        early
            .out
            .contains("agent is parked until 2026-11-22 11:00 UTC")
    );
    let once = scene.dispatch(&["resume", "--unpark", "--json"]).expect(3);
    let tried = events(&once);
    let tried = tried
        .iter()
        .filter(|event| event["event"] == "attempt-starting");
    assert_eq!(tried.count(), 2, "a person's word goes before the clock");
    fs::write(scene.root.join("agent.sh.open"), "").unwrap();
    scene.set_env("DISPATCH_CLOCK", "2026-11-22T11:01:00Z");
    scene.dispatch(&["resume"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    assert_eq!(scene.json()["notices"], serde_json::json!([]));
}

#[test]
fn a_worker_has_only_so_many_attempts_alive() {
    let scene = Scene::new();
    let agent = working(&scene, "agent", "concurrency = 1");
    scene.configure(&agent);
    let ended = scene.run(TWO, &["--json"]).expect(0);
    insta::assert_snapshot!(story(&events(&ended)), @r"
    attempt-starting 1 agent
    attempt-ended 1
    attempt-starting 2 agent
    attempt-ended 2
    run-ended 0
    ");
}

#[test]
fn starts_of_a_worker_keep_their_distance() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_CLOCK", "");
    let agent = working(&scene, "agent", "stagger = \"150ms\"");
    scene.configure(&agent);
    let events = events(&scene.run(TWO, &["--json"]).expect(0));
    let starts = events.iter().filter(|e| e["event"] == "attempt-starting");
    let starts: Vec<jiff::Timestamp> = starts
        .map(|event| event["time"].as_str().unwrap().parse().unwrap())
        .collect();
    let between = starts[1].duration_since(starts[0]).as_millis();
    assert!(between >= 145, "{between}ms");
}

#[test]
fn nothing_more_starts_once_the_run_has_cost_what_it_may() {
    let scene = Scene::new();
    let result = r#"{"type":"result","subtype":"success","is_error":false,"result":"ok","total_cost_usd":0.75}"#;
    let script = format!("echo x > $DISPATCH_TAG.txt; echo '{result}'\n");
    let agent = scripted(&scene, "agent", &script, "dialect = \"claude\"");
    scene.configure(&format!("{agent}[run]\nmax_parallel = 1\nmax_cost = 0.5\n"));
    let ended = scene.run(TWO, &[]).expect(3);
    let run = scene.run_name();
    let of = |ended: &Ended| {
        let lines = ended
            .out
            .lines()
            .filter(|l| l.contains("cost limit") || l.contains("--max-cost"));
        lines.collect::<Vec<_>>().join("\n").replace(&run, "<run>")
    };
    insta::assert_snapshot!(of(&ended), @r"
    no more tasks start: cost limit reached ($0.7500 of $0.5000)
    continue with a higher limit: `dispatch resume <run> --max-cost 1.50`
    ");
    assert_eq!(scene.statuses(), "1 DONE · 2 QUEUED");
    assert_eq!(scene.json()["cost"], 0.75);
    scene.dispatch(&["resume"]).expect(3);
    scene.dispatch(&["resume", "--max-cost", "none"]).expect(2);
    scene.dispatch(&["resume", "--max-cost", "2"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!(scene.json()["cost"], 1.5);
}

#[test]
fn a_run_that_was_killed_while_it_waited_goes_on_when_the_reset_has_passed() {
    let mut scene = Scene::new();
    let script = "if [ -e \"$0.open\" ]; then echo x > $DISPATCH_TAG.txt; exit 0; fi\n\
                  echo \"You've hit your usage limit. Try again in 30 minutes.\"; exit 1\n";
    let agent = scripted(&scene, "agent", script, "");
    scene.configure(&agent);
    let plan = scene.plan("1. [A] One\n   - worker: agent\n");
    let mut run = scene.start(&["run", &plan, "--yes", "--json"]);
    let mut lines = BufReader::new(run.stdout.as_mut().unwrap()).lines();
    let parked = lines.find(|line| line.as_ref().unwrap().contains("\"worker-parked\""));
    assert!(parked.is_some());
    run.kill().unwrap();
    run.wait().unwrap();
    fs::write(scene.root.join("agent.sh.open"), "").unwrap();
    scene.set_env("DISPATCH_CLOCK", "2026-11-22T09:45:00Z");
    let resumed = scene.dispatch(&["resume", "--json"]).expect(0);
    let again = events(&resumed);
    let again = again
        .iter()
        .filter(|event| event["event"] == "attempt-starting");
    assert_eq!(again.count(), 1);
    assert_eq!(scene.statuses(), "1 DONE");
}
