//! Workers whose agent speaks the Agent Client Protocol.

use crate::harness::{Gate, Scene, wait};

/// Renders the settings of a worker with a scripted agent.
pub(crate) fn agent(name: &str, steps: &[&str], more: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents");
    let steps: Vec<String> = steps.iter().map(|step| format!("'{step}'")).collect();
    format!(
        "[workers.{name}]\ncommand = [\"{folder}/acp\", {}]\ndialect = \"acp\"\nenv = [\"GATE\"]\n{more}",
        steps.join(", ")
    )
}

/// Renders `#1 STATUS class | note | cost` of every task.
fn told(scene: &Scene) -> String {
    let board = scene.json();
    let told = board["tasks"].as_array().unwrap().iter().map(|task| {
        let text = |key: &str| task[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} | {} | cost {}",
            text("tag"),
            text("status"),
            text("class"),
            text("note"),
            task["cost"]
        )
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_agent_works_as_far_as_its_permissions_go_and_its_end_decides() {
    let scene = Scene::new();
    let workers: &[(&str, &[&str], &str)] = &[
        (
            "work",
            &["plan", "write=a.txt", "say=Wrote it.", "cost=0.25"],
            "",
        ),
        ("edit", &["edit=src/b.txt"], ""),
        ("run", &["edit=c.txt", "run=touch d.txt"], ""),
        ("all", &["run=touch e.txt"], "permission_mode = \"all\"\n"),
        ("read", &["write=f.txt"], "permission_mode = \"read\"\n"),
        ("outside", &["write=g.txt", "write=../../outside.txt"], ""),
        ("peek", &["write=h.txt", "read=/etc/passwd"], ""),
        ("garbage", &["garbage", "write=i.txt"], ""),
        ("auth", &["auth"], ""),
        (
            "login",
            &[
                "copilot",
                "say=Info: Retrying...",
                "say=Error: Authentication failed with provider (HTTP 401). Check your key.",
            ],
            "",
        ),
        ("old", &["old"], ""),
        ("die", &["write=j.txt", "die"], ""),
        ("refusal", &["write=k.txt", "stop=refusal"], ""),
        ("turns", &["write=l.txt", "stop=max_turn_requests"], ""),
    ];
    let mut settings = "transient = 0\n[run]\nmax_parallel = 4\n".to_owned();
    let mut plan = String::new();
    for (number, (name, steps, more)) in (1..).zip(workers) {
        settings.push_str(&agent(name, steps, more));
        let tag = name.to_uppercase();
        plan.push_str(&format!("{number}. [{tag}] {name}\n    - worker: {name}\n"));
    }
    scene.configure(&settings);
    scene.write("src/seed.txt", "x\n");
    scene.commit("a folder");
    scene.run(&plan, &[]).expect(3);
    insta::assert_snapshot!(told(&scene), @r"
    WORK DONE - | Wrote it. | cost 0.25
    EDIT DONE - |  | cost null
    RUN FAILED blocker | permission refused: run touch d.txt (blocker) | cost null
    ALL DONE - |  | cost null
    READ FAILED blocker | permission refused: write f.txt (blocker) | cost null
    OUTSIDE FAILED blocker | permission refused: write ../../outside.txt (blocker) | cost null
    PEEK DONE - | could not read | cost null
    GARBAGE DONE - |  | cost null
    AUTH FAILED blocker | Authentication required; to log in: Run `scripted login` (blocker) | cost null
    LOGIN FAILED blocker | Authentication failed with provider (HTTP 401). Check your key. (blocker) | cost null
    OLD FAILED input | Invalid request: unsupported ACP protocol version 9; this endpoint only supports ACP protocol version 1 (input error) | cost null
    DIE FAILED transient | the agent exited before its turn ended (exit status: 3) (transient error) | cost null
    REFUSAL FAILED logic | the agent refused to continue (logic error) | cost null
    TURNS FAILED logic | the turn reached its limit of requests (logic error) | cost null
    ");
    assert_eq!(
        scene.git(&["show", &format!("{}:a.txt", scene.branch("work"))]),
        "written"
    );
    assert!(!scene.worktree("outside").join("../../outside.txt").exists());
    let shown = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let outcome = &shown["attempts"][0]["outcome"];
    insta::assert_snapshot!(outcome["usage"], @r#"{"input":100,"output":20,"cached":null}"#);
    assert_eq!(outcome["session"], "ses_1");
}

#[test]
fn a_cancelled_agent_is_told_before_it_is_killed() {
    let mut scene = Scene::new();
    let mut gate = Gate::new(&scene, "turn");
    scene.set_env("GATE", &gate.script());
    let seen = scene.root.join("seen");
    let note = format!("gate=echo \"$?\" > {}", seen.display());
    scene.configure(&agent("agent", &["gate=eval \"$GATE\"", "hang", &note], ""));
    let plan = scene.plan("1. [A] One\n   - worker: agent\n");
    let child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    gate.open();
    scene
        .dispatch(&["cancel", &scene.run_name(), "1"])
        .expect(0);
    wait(child);
    assert_eq!(scene.statuses(), "1 CANCELLED");
    assert!(seen.exists(), "the agent never saw session/cancel");
    let log = scene.dispatch(&["logs", "1"]).expect(0).out;
    assert!(log.contains("the turn was cancelled"), "{log}");
}

#[test]
fn the_time_limit_is_the_cause_and_not_the_turn_that_it_cancelled() {
    let scene = Scene::new();
    let agent = agent("agent", &["hang"], "timeout = \"1s\"\n");
    scene.configure(&format!("transient = 0\n{agent}"));
    scene.run("1. [A] One\n   - worker: agent\n", &[]).expect(3);
    insta::assert_snapshot!(told(&scene), @"A FAILED transient | timed out after 1s (transient error) | cost null");
}

#[test]
fn a_profile_with_unknown_permissions_is_refused() {
    let scene = Scene::new();
    scene.configure(&agent(
        "agent",
        &["say=x"],
        "permission_mode = \"yolo\"\nprompt = \"file\"\n",
    ));
    let ended = scene.dispatch(&["workers"]).expect(1);
    insta::assert_snapshot!(scene.normal(&ended.err), @r#"
    error: invalid configuration

    error: unknown permission_mode "yolo" of a worker with dialect "acp"
     --> <root>/shop/.dispatch.toml:7:19
      |
    7 | permission_mode = "yolo"
      |                   ^^^^^^
    hint: valid values are read, edit, all

    error: a worker with dialect "acp" gets its prompt by the protocol
     --> <root>/shop/.dispatch.toml:8:10
      |
    8 | prompt = "file"
      |          ^^^^^^
    hint: remove the line `prompt`
    "#);
}
