//! Real agents as workers: what they printed is replayed, and the run has to make the right of it.

use crate::harness::{Gate, Scene, wait};

/// A scene whose worker `agent` replays this output, and `settings` beside it.
fn replaying(output: &str, how: &[&str], settings: &str) -> Scene {
    let dialect = output.split('-').next().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents");
    let args = [&[output], how].concat();
    let args = args.iter().map(|arg| format!("\"{arg}\""));
    let args = args.collect::<Vec<_>>().join(", ");
    let scene = Scene::new();
    scene.configure(&format!(
        "transient = 0\n[workers.agent]\ncommand = [\"{folder}/replay\", {args}]\n\
         dialect = \"{dialect}\"\nenv = [\"GATE\"]\n{settings}"
    ));
    scene
}

const PLAN: &str = "1. [A] Write a\n   - worker: agent\n";

/// The run of one task by that worker.
fn run(output: &str, how: &[&str]) -> Scene {
    let scene = replaying(output, how, "");
    scene.run(PLAN, &[]);
    scene
}

/// `STATUS class | note | evidence`, and what it cost.
fn told(scene: &Scene) -> String {
    let task = &scene.json()["tasks"][0];
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let attempts = shown["attempts"].as_array().unwrap();
    let outcome = &attempts[attempts.len() - 1]["outcome"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} | {} | {} | cost {}",
        text(&task["status"]),
        text(&task["class"]),
        text(&task["note"]),
        text(&outcome["evidence"]),
        task["cost"],
    )
}

#[test]
fn what_an_agent_says_decides_whatever_its_exit_code() {
    let write = ["write=a.txt"];
    let told = |name: &str| format!("{name}: {}", told(&run(name, &write)));
    let outputs = [
        "claude-success",
        "claude-denied",
        "claude-commit-refused",
        "claude-max-turns",
        "claude-budget",
        "claude-err-400",
        "claude-err-401",
        "claude-err-429",
        "claude-limit",
        "claude-err-500",
        "claude-err-529",
        "codex-success",
        "codex-err-401",
        "codex-err-429",
        "codex-limit",
        "codex-work",
        "gemini-success",
        "gemini-err-400",
        "gemini-turns",
        "opencode-success",
        "opencode-err-401",
        "opencode-denied",
        "aider-auth",
        "aider-work",
    ];
    insta::assert_snapshot!(outputs.map(told).join("\n"), @r#""#);
}

#[test]
fn an_agent_that_changed_nothing_has_not_succeeded() {
    let said = ["claude-success", "codex-readonly", "codex-work"];
    let said = said.map(|name| told(&run(name, &[])));
    insta::assert_snapshot!(said.join("\n"), @r#""#);
}

#[test]
fn a_stream_that_breaks_off_is_no_success_and_two_results_are_one() {
    let half = run("claude-success", &["write=a.txt", "half"]);
    let twice = run("claude-success", &["write=a.txt", "twice"]);
    insta::assert_snapshot!([told(&half), told(&twice)].join("\n"), @r#""#);
}

#[test]
fn an_agent_that_hangs_after_its_result_is_ended_and_its_result_counts() {
    let settings = "[run]\nresult_grace = \"100ms\"\n";
    let outcomes = ["claude-success", "claude-err-529"].map(|output| {
        let scene = replaying(output, &["write=a.txt", "hang"], settings);
        scene.run(PLAN, &[]);
        let shown = scene.dispatch(&["show", "1"]).expect(0).out;
        let remark = shown.lines().find(|line| line.contains("remark"));
        format!("{}\n{}", told(&scene), remark.unwrap_or_default().trim())
    });
    insta::assert_snapshot!(outcomes.join("\n"), @r#""#);
}

#[test]
fn an_agent_that_says_nothing_runs_into_the_stall_limit() {
    let settings = "[run]\nstall_timeout = \"100ms\"\n";
    let scene = replaying("claude-success", &["silent"], settings);
    scene.run(PLAN, &[]);
    insta::assert_snapshot!(told(&scene), @r#""#);
}

#[test]
fn an_agent_that_ends_with_0_when_it_is_interrupted_has_not_succeeded() {
    let mut scene = replaying("claude-success", &["write=a.txt", "interrupt"], "");
    let mut gate = Gate::new(&scene, "interrupt");
    scene.set_env("GATE", &gate.script());
    let plan = scene.plan(PLAN);
    let run = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait(run).expect(130);
    insta::assert_snapshot!(told(&scene), @r#""#);
}
