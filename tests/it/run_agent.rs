//! Real agents as workers: recorded output is replayed, and the run has to judge it correctly.

use std::io::{BufRead, BufReader};

use crate::harness::{Gate, Scene, wait};

/// Renders the settings of a worker that replays this output.
fn worker(name: &str, output: &str, how: &[&str]) -> String {
    let dialect = output.split('-').next().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents");
    let args = [&[output], how].concat();
    let args = args.iter().map(|arg| format!("\"{arg}\""));
    let args = args.collect::<Vec<_>>().join(", ");
    format!(
        "[workers.{name}]\ncommand = [\"{folder}/replay\", {args}]\n\
         dialect = \"{dialect}\"\nenv = [\"GATE\"]\n"
    )
}

/// Creates a scene whose worker `agent` replays this output, with these settings.
fn replaying(output: &str, how: &[&str], settings: &str) -> Scene {
    let scene = Scene::new();
    let agent = worker("agent", output, how);
    scene.configure(&format!("transient = 0\nrate_limit = 0\n{agent}{settings}"));
    scene
}

const PLAN: &str = "1. [A] Write a\n   - worker: agent\n";

/// Runs one task with that worker.
fn run(output: &str, how: &[&str]) -> Scene {
    let scene = replaying(output, how, "");
    scene.run(PLAN, &[]);
    scene
}

/// Renders `STATUS class | note | evidence`, and the cost.
fn told(scene: &Scene) -> String {
    told_of(scene, 1)
}

fn told_of(scene: &Scene, number: usize) -> String {
    let task = &scene.json()["tasks"][number - 1];
    let shown = scene.dispatch(&["show", &number.to_string(), "--json"]);
    let shown = shown.expect(0).out;
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

/// Runs a worker and a task for each of these outputs; every task writes a file.
fn run_all(outputs: &[&str]) -> Scene {
    let scene = Scene::new();
    let mut settings = "transient = 0\nrate_limit = 0\n[run]\nmax_parallel = 8\n".to_owned();
    let mut plan = String::new();
    for (number, output) in (1..).zip(outputs) {
        let write = format!("write={output}.txt");
        settings.push_str(&worker(output, output, &[&write]));
        plan.push_str(&format!("{number}. {output}\n    - worker: {output}\n"));
    }
    scene.configure(&settings);
    scene.run(&plan, &[]).expect(3);
    scene
}

#[test]
fn what_an_agent_says_decides_whatever_its_exit_code() {
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
        "claude-cursor",
        "codex-success",
        "codex-err-400",
        "codex-err-401",
        "codex-err-429",
        "codex-err-500",
        "codex-err-529",
        "codex-limit",
        "codex-work",
        "codex-gitcommit",
        "codex-readonly",
        "gemini-success",
        "gemini-err-400",
        "gemini-turns",
        "gemini-json-error",
        "opencode-success",
        "opencode-err-401",
        "opencode-denied",
        "aider-auth",
        "aider-work",
        "goose-work",
        "goose-err-429",
        "goose-network",
        "goose-error",
        "goose-turns",
        "goose-credits",
        "goose-cut",
        "copilot-success",
        "copilot-denied",
        "copilot-err-400",
        "copilot-err-401",
        "copilot-err-429",
        "copilot-err-500",
        "antigravity-work",
        "antigravity-denied",
        "antigravity-timeout",
        "antigravity-auth",
        "antigravity-quota",
    ];
    let scene = run_all(&outputs);
    let told = (1..).zip(outputs);
    let told = told.map(|(number, name)| format!("{name}: {}", told_of(&scene, number)));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
    claude-success: DONE - | Done. Files created: a.txt. Decisions: none. Issues: none. | - | cost 0.0016
    claude-denied: FAILED blocker | permission refused: Bash make a.txt (blocker) | the agent's output: permission refused | cost 0.0016
    claude-commit-refused: DONE - | Wrote a.txt; I could not commit it. | - | cost 0.25
    claude-max-turns: FAILED logic | Reached maximum number of turns (1) (logic error) | the agent's output: max-turns | cost 0.0008
    claude-budget: FAILED logic | Reached maximum budget ($0.0001) (logic error) | the agent's output: max-budget | cost 0.0008
    claude-err-400: FAILED blocker | Credit balance is too low (blocker) | the agent's output: billing_error, status 400 | cost 0.0
    claude-err-401: FAILED blocker | Invalid API key · Fix external API key (blocker) | the agent's output: authentication_failed, status 401 | cost 0.0
    claude-err-429: FAILED transient | API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try a… (transient error) | the agent's output: status 429 | cost 0.0
    claude-limit: QUEUED - |  | the agent's output: usage-limit, status 429 | cost 0.0
    claude-err-500: FAILED transient | API Error: 500 Internal server error. This is a server-side issue, usually temporary — try again in a… (transient error) | the agent's output: status 500 | cost 0.0
    claude-err-529: FAILED transient | API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment. If… (transient error) | the agent's output: status 529 | cost 0.0
    claude-cursor: DONE - | Wrote a.txt | - | cost null
    codex-success: DONE - | Done. Files created: a.txt. | - | cost null
    codex-err-400: FAILED blocker | Quota exceeded. Check your plan and billing details. (blocker) | the agent's output: "check your plan and billing details" | cost null
    codex-err-401: FAILED blocker | unexpected status 401 Unauthorized: Incorrect API key provided: dummy., url: http://127.0.0.1:8787/v1/respons… (blocker) | the agent's output: "incorrect api key" | cost null
    codex-err-429: FAILED transient | exceeded retry limit, last status: 429 Too Many Requests (transient error) | the agent's output: status 429 | cost null
    codex-err-500: FAILED transient | We’re currently experiencing high demand, which may cause temporary errors. (transient error) | the agent's output: "experiencing high demand" | cost null
    codex-err-529: FAILED transient | unexpected status 503 Service Unavailable: The server is overloaded. Please try again later., url: ht… (transient error) | the agent's output: status 503 | cost null
    codex-limit: QUEUED - |  | the agent's output: "you've hit your usage limit" | cost null
    codex-work: DONE - | Routes written. Nothing else. | - | cost null
    codex-gitcommit: DONE - | Done. Files created: -. | - | cost null
    codex-readonly: DONE - | Done. Files created: a.txt. | - | cost null
    gemini-success: DONE - | Done. Files created: a.txt. | - | cost null
    gemini-err-400: FAILED blocker | API key not valid. Please pass a valid API key. (blocker) | the agent's output: "api key not valid" | cost null
    gemini-turns: FAILED logic | Reached max session turns for this session. Increase the number of turns by specifying maxSessionTurns in… (logic error) | exit code 53 (out of turns) | cost null
    gemini-json-error: FAILED transient | Resource has been exhausted (e.g. check quota). Please retry in 20s. (transient error) | the agent's output: status 429 | cost null
    opencode-success: DONE - | Done. Files created: a.txt. | - | cost 0.00028
    opencode-err-401: FAILED blocker | Incorrect API key provided: dummy. (blocker) | the agent's output: "incorrect api key" | cost null
    opencode-denied: FAILED blocker | permission refused: edit a.txt (blocker) | the agent's output: permission refused | cost 0.002
    aider-auth: FAILED blocker | litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: dummy. (blocker) | the agent's output: AuthenticationError | cost null
    aider-work: DONE - | Applied edit to src/a.ts | - | cost 0.03
    goose-work: DONE - | Wrote a.txt; no decisions. | - | cost null
    goose-err-429: FAILED transient | Rate limit exceeded: Too many requests (status 429). (transient error) | the agent's output: status 429 | cost null
    goose-network: FAILED transient | Network error: connection refused (transient error) | the agent's output: network | cost null
    goose-error: FAILED blocker | Authentication failed: invalid api key (blocker) | the agent's output: "invalid api key" | cost null
    goose-turns: FAILED logic | I've reached the maximum number of actions I can do without user input. Would you like me to continue? (logic error) | the agent's output: max-turns | cost null
    goose-credits: FAILED blocker | Please add credits to your account, then resend your message to continue. (blocker) | the agent's output: credits | cost null
    goose-cut: FAILED transient | the agent's output is truncated (transient error) | the output ends without a final result | cost null
    copilot-success: DONE - | Done. Files created: a.txt. | - | cost null
    copilot-denied: FAILED blocker | permission refused: bash printf '%s\n' 'alpha' > a.txt (blocker) | the agent's output: permission refused | cost null
    copilot-err-400: FAILED blocker | Failed to get response from the AI model; retried 5 times (total retry wait time: 57.18 seconds) Last error:… (blocker) | the agent's output: "check your plan and billing details" | cost null
    copilot-err-401: FAILED blocker | Authentication failed with provider at http://127.0.0.1:8787/v1 (HTTP 401). Check your COPILOT_PROVIDER_API_K… (blocker) | the agent's output: authentication, status 401 | cost null
    copilot-err-429: FAILED transient | Failed to get response from the AI model; retried 5 times (total retry wait time: 55.03 seconds) Last… (transient error) | the agent's output: status 429 | cost null
    copilot-err-500: FAILED transient | Failed to get response from the AI model; retried 5 times (total retry wait time: 17.02 seconds) Last… (transient error) | the agent's output: status 500 | cost null
    antigravity-work: DONE - | Wrote a.txt. | - | cost null
    antigravity-denied: FAILED blocker | permission refused: run cargo test (blocker) | the agent's output: permission refused | cost null
    antigravity-timeout: FAILED transient | the answer is incomplete: print timeout (transient error) | the agent's output: timeout | cost null
    antigravity-auth: FAILED blocker | authentication required: not signed in (blocker) | the agent's output: "authentication required" | cost null
    antigravity-quota: QUEUED - |  | the agent's output: "individual quota reached" | cost null
    "#);
    let report = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    let of_report = |word: &str| {
        report
            .lines()
            .find(|line| line.contains(word))
            .unwrap()
            .replace(&scene.run_name(), "<run>")
    };
    insta::assert_snapshot!(of_report("Cost"), @"- Cost: $0.2871 (42,200 tokens in (30,540 from a cache), 1,319 tokens out); unknown for #12, #13, #14, #15, #16, #17, #18, #19, #20, #21, #22, #23, #24, #25, #26, #28, #30, #32, #33, #34, #35, #36, #37, #38, #39, #40, #41, #42, #43, #44, #45, #46, #47, #48, #49");
    let notices = scene.json()["notices"].as_array().unwrap().clone();
    let notices: Vec<&str> = notices.iter().map(|said| said.as_str().unwrap()).collect();
    insta::assert_snapshot!(notices.join("\n").replace(&scene.run_name(), "<run>"), @r"
    antigravity-quota is parked until 2026-11-22 12:48 UTC: Individual quota reached. Resets in 3h34m13s.
    claude-limit is parked until 2026-11-22 11:00 UTC: You've hit your limit · resets 11am (UTC)
    codex-limit is parked until 2026-11-22 22:03 UTC: You've hit your usage limit. Visit https://example.com/usage to purchase more credits or try again at Nov 22nd, 2026 10:03 PM.
    continue then with `dispatch resume <run>`, or immediately with `--unpark`
    ");
}

#[test]
fn every_output_there_is_is_replayed_above() {
    let source = include_str!("run_agent.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents");
    for place in ["recorded", "composed"] {
        let entries = std::fs::read_dir(format!("{folder}/{place}")).unwrap();
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.split('.').next().unwrap();
            // The lines of dispatch's own client come from a real one: `tests/it/acp.rs`.
            let is_ours = stem.starts_with("acp-");
            assert!(is_ours || source.contains(&format!("\"{stem}\"")), "{name}");
        }
    }
}

#[test]
fn an_agent_that_changed_nothing_has_not_succeeded() {
    let said: [(&str, &[&str]); 4] = [
        ("claude-success", &[]),
        ("codex-readonly", &[]),
        ("codex-readonly", &["--sandbox=read-only"]),
        ("codex-work", &[]),
    ];
    let said = said.map(|(name, how)| told(&run(name, how)));
    insta::assert_snapshot!(said.join("\n"), @r"
    FAILED logic | no change (logic error) | no change in the worktree | cost 0.0016
    FAILED logic | no change (logic error) | no change in the worktree | cost null
    FAILED blocker | no change: the worker's command has `--sandbox read-only`, so the agent may not write (blocker) | no change in the worktree, and the command of its worker | cost null
    FAILED blocker | no change, because the agent was refused: $ bash -lc 'cargo fetch' (Read-only file system) (blocker) | no change in the worktree, and the agent was refused | cost null
    ");
}

#[test]
fn a_stream_that_breaks_off_is_no_success_and_two_results_are_one() {
    let half = run("claude-success", &["write=a.txt", "half"]);
    let twice = run("claude-success", &["write=a.txt", "twice"]);
    insta::assert_snapshot!([told(&half), told(&twice)].join("\n"), @r"
    FAILED transient | the agent's output is truncated (transient error) | the output ends without a final result | cost null
    DONE - | Done. Files created: a.txt. Decisions: none. Issues: none. | - | cost 0.0016
    ");
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
    insta::assert_snapshot!(outcomes.join("\n"), @r"
    DONE - | Done. Files created: a.txt. Decisions: none. Issues: none. | - | cost 0.0016
    remark    it was still alive after its result and was ended
    FAILED transient | API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment. If… (transient error) | the agent's output: status 529 | cost 0.0
    ");
}

#[test]
fn an_agent_that_takes_more_turns_or_money_than_it_may_is_ended() {
    let bounded = |output: &str, how: &[&str], limit: &str| {
        let scene = Scene::new();
        let agent = worker("agent", output, &[&["write=a.txt"], how].concat());
        scene.configure(&format!("transient = 0\n{agent}{limit}\n"));
        scene.run(PLAN, &[]);
        told(&scene)
    };
    let said = [
        bounded("claude-success", &["interrupt"], "max_turns = 1"),
        bounded("aider-work", &["hang"], "max_cost = 0.01"),
        bounded("claude-success", &[], "max_turns = 2\nmax_cost = 1.0"),
        // It exited without a signal, so its result counts.
        bounded("opencode-success", &[], "max_turns = 1"),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    FAILED logic | stopped after 1 turn, its limit (logic error) | limit of 1 turn | cost null
    FAILED logic | stopped because it cost more than $0.0100 (logic error) | limit of $0.0100 | cost 0.03
    DONE - | Done. Files created: a.txt. Decisions: none. Issues: none. | - | cost 0.0016
    DONE - | Done. Files created: a.txt. | - | cost 0.00028
    ");
}

#[test]
fn an_agent_that_says_nothing_runs_into_the_stall_limit() {
    let settings = "[run]\nstall_timeout = \"100ms\"\n";
    let scene = replaying("claude-success", &["silent"], settings);
    scene.run(PLAN, &[]);
    insta::assert_snapshot!(told(&scene), @"FAILED transient | no output for 100ms (transient error) | stall limit of 100ms | cost null");
}

#[test]
fn the_board_shows_the_step_and_an_interrupted_agent_that_ends_with_0_has_not_succeeded() {
    let mut scene = replaying("claude-success", &["write=a.txt", "interrupt"], "");
    let mut gate = Gate::new(&scene, "interrupt");
    scene.set_env("GATE", &gate.script());
    let plan = scene.plan(PLAN);
    let mut run = scene.start(&["run", &plan, "--yes", "--json"]);
    gate.wait_until_reached();
    let mut lines = BufReader::new(run.stdout.as_mut().unwrap()).lines();
    // An earlier reading may have found it at an earlier step.
    let last_step = "Done. Files created: a.txt. Decisions: none. Issues: none.";
    let shown = lines.find(|line| {
        let event: serde_json::Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
        event["event"] == "progress-reported" && event["note"] == last_step
    });
    assert!(shown.is_some());
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait(run).expect(130);
    insta::assert_snapshot!(told(&scene), @"QUEUED - | interrupted | - | cost null");
}

#[test]
fn a_user_says_what_further_words_mean() {
    let scene = Scene::new();
    let patterns = "version = 1\n[[pattern]]\nclass = \"blocker\"\ntexts = [\"licence server\"]\n";
    scene.write("errors.toml", patterns);
    scene.configure("transient = 0\n[failure]\npatterns = \"errors.toml\"\n");
    scene.run(
        "1. [A] Build\n   - run: echo 'no Licence Server'; exit 1\n",
        &[],
    );
    insta::assert_snapshot!(told(&scene), @r#"FAILED blocker | no Licence Server (blocker) | output with "licence server" | cost null"#);
    scene.write("errors.toml", "version = 2\n");
    let refused = scene
        .dispatch(&["run", &scene.plan(PLAN), "--yes"])
        .expect(1);
    insta::assert_snapshot!(scene.normal(&refused.err), @"error: invalid failure patterns in <root>/shop/errors.toml: unsupported version 2; only version 1 is supported");
}

#[test]
fn an_agent_that_is_not_let_in_is_not_started_for_every_task_of_the_run() {
    let scene = replaying("claude-err-401", &[], "[run]\nmax_parallel = 1\n");
    let mut plan = String::new();
    for (number, tag) in (1..).zip(["A", "B", "C", "D"]) {
        plan.push_str(&format!("{number}. [{tag}] Task\n   - worker: agent\n"));
    }
    plan.push_str("5. [E] Other\n   - run: touch e\n");
    let ended = scene.run(&plan, &[]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 FAILED · 2 FAILED · 3 QUEUED · 4 QUEUED · 5 DONE"
    );
    let said = "no more tasks start on agent: authentication failed for #1 and #2: Invalid API key";
    assert_eq!(ended.err.matches(said).count(), 1, "{}", ended.err);
    let notices = scene.json()["notices"].to_string();
    assert!(notices.contains(said), "{notices}");
    let hint = "fix the authentication, then continue its other tasks with";
    assert!(notices.contains(hint), "{notices}");
}
