//! The real programs of coding agents, against an imitation of their providers: opt-in, because they
//! are large and come from elsewhere.
//!
//! `DISPATCH_REAL_AGENTS=1` switches these tests on. `claude`, `codex`, `copilot` and `opencode` must be on `PATH`, and
//! `DISPATCH_AGENT_LAUNCHER` holds the beginning of a command line that runs the rest of it where
//! those programs reach nothing but the imitation: it makes the model write what a prompt says
//! (`WRITE path text`) or run a command (`BASH command`), and fails the first `MOCK_ERR_TIMES` calls
//! with the status `MOCK_ERR`. `DISPATCH_REAL_AGENTS_SANDBOX=strict` runs them under that kind of sandbox. `PORT` is its port below the launcher. A used-up limit and a planner's
//! model are imitated here (`fixtures/agents/limits.py` and `answers.py`, which need `python3`).

use crate::harness::{Ended, Scene};

/// The imitation's name for the login of Codex is not one a user would have.
const SETTINGS: &str = "[workers.codex]\nenv = [\"MOCK_API_KEY\", \"CODEX_HOME\"]\n";

pub(crate) fn scene() -> Option<Scene> {
    let wanted = std::env::var_os("DISPATCH_REAL_AGENTS").is_some_and(|value| value == "1");
    wanted.then(|| {
        let mut scene = Scene::new();
        scene.configure(SETTINGS);
        if let Ok(kind) = std::env::var("DISPATCH_REAL_AGENTS_SANDBOX") {
            scene.set_env("DISPATCH_SANDBOX_KIND", &kind);
            scene.set_env("DISPATCH_SANDBOX_WRITE", "[]");
        }
        scene
    })
}

/// Runs dispatch through the launcher.
fn launched(scene: &Scene, args: &[&str]) -> Ended {
    launched_after(scene, "", args)
}

/// Runs dispatch through the launcher, after this line of shell.
pub(crate) fn launched_after(scene: &Scene, before: &str, args: &[&str]) -> Ended {
    let launcher = std::env::var("DISPATCH_AGENT_LAUNCHER")
        .expect("DISPATCH_AGENT_LAUNCHER says what to run the agents below");
    let output = scene
        .command("sh")
        .args(["-c", &format!("{launcher} \"$@\""), "launcher"])
        .args(["sh", "-c", &format!("{before}\n\"$@\""), "below"])
        .arg(env!("CARGO_BIN_EXE_dispatch"))
        .args(args)
        .output()
        .unwrap();
    Ended::new(output)
}

fn run(scene: &Scene, plan: &str) -> Ended {
    let plan = scene.plan(plan);
    launched(scene, &["run", &plan, "--yes"])
}

/// Lists `class: note` of every task.
fn classes(scene: &Scene) -> Vec<String> {
    let board = scene.json();
    let tasks = board["tasks"].as_array().unwrap().iter();
    let class = |task: &serde_json::Value| task["class"].as_str().unwrap_or("none").to_owned();
    tasks.map(class).collect()
}

const ONE_EACH: &str = "\
# One each

1. [A] First
   - worker: claude

   WRITE a.txt alpha
2. [B] Second
   - worker: codex

   WRITE b.txt beta
";

#[test]
fn four_tasks_with_a_dependency_and_a_conflict_come_to_their_end() {
    let Some(mut scene) = scene() else { return };
    // Else it would be done again by itself.
    scene.set_env("DISPATCH_RETRY_CONFLICT", "0");
    let plan = "\
# Real agents

1. [A] First
   - worker: claude

   WRITE a.txt alpha
2. [B] Second
   - worker: claude

   WRITE both.txt beta
3. [C] Third
   - worker: codex

   WRITE both.txt gamma
4. [D] Fourth — blocked by #1
   - worker: codex
   - check: test -e a.txt

   WRITE d.txt delta
";
    let before = scene.fingerprint();
    run(&scene, plan).expect(4);
    before.assert_same(&scene.fingerprint());
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE · 4 DONE");
    let board = scene.json();
    let pair = &board["conflicts"]["pairs"][0];
    assert_eq!(pair["class"], "add-add");
    assert_eq!(board["integration"]["left_out"][0]["task"], 3);
    // Claude says what it costs, Codex how much it used.
    assert!(board["tasks"][0]["cost"].as_f64().unwrap() > 0.0);
    assert_eq!(board["tasks"][2]["cost"], serde_json::Value::Null);
    assert!(board["tasks"][2]["usage"]["input"].as_u64().unwrap() > 0);
    // Done again on top of the other's result, it fits.
    launched(&scene, &["retry", "3"]).expect(0);
    let integration = scene.branch("integration");
    let file = |name: &str| scene.git(&["show", &format!("{integration}:{name}")]);
    assert_eq!(file("a.txt"), "alpha");
    assert_eq!(file("both.txt"), "gamma");
    assert_eq!(file("d.txt"), "delta");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("both.txt"), "gamma\n");
}

#[test]
fn too_many_requests_at_first_are_retried() {
    let Some(mut scene) = scene() else { return };
    // Claude asks twice in an attempt, Codex once.
    scene.set_env("MOCK_ERR", "429");
    for (worker, failures) in [("claude", "2"), ("codex", "1")] {
        scene.set_env("MOCK_ERR_TIMES", failures);
        let plan = format!(
            "# Limits\n\n1. [A] First\n   - worker: {worker}\n\n   WRITE {worker}.txt alpha\n"
        );
        run(&scene, &plan).expect(0);
        scene.unset_env("MOCK_ERR_TIMES");
        let show = scene.dispatch(&["show", "1", "--json"]).expect(0).out;
        let show: serde_json::Value = serde_json::from_str(&show).unwrap();
        let attempts = show["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{worker}: {show:#}");
        assert_eq!(attempts[0]["outcome"]["class"], "transient", "{worker}");
    }
}

#[test]
fn a_used_up_account_and_a_wrong_key_need_a_person() {
    let Some(mut scene) = scene() else { return };
    for status in ["400", "401"] {
        scene.set_env("MOCK_ERR", status);
        let ended = run(&scene, ONE_EACH).expect(3);
        assert_eq!(
            classes(&scene),
            ["blocker", "blocker"],
            "{status}: {}",
            ended.out
        );
        scene.unset_env("MOCK_ERR");
    }
}

#[test]
fn a_refused_permission_needs_a_person() {
    let Some(scene) = scene() else { return };
    let plan = "# Refused\n\n1. [A] First\n   - worker: claude\n\n   BASH make refused.txt\n";
    run(&scene, plan).expect(3);
    assert_eq!(classes(&scene), ["blocker"]);
    assert!(!scene.has(&format!("{}:refused.txt", scene.branch("a"))));
}

#[test]
fn codex_that_may_not_write_needs_a_person_too() {
    let Some(scene) = scene() else { return };
    scene.configure(&format!("{SETTINGS}permission_mode = \"read-only\"\n"));
    let plan = "# Refused\n\n1. [A] First\n   - worker: codex\n\n   BASH touch refused.txt\n";
    run(&scene, plan).expect(3);
    assert_eq!(classes(&scene), ["blocker"]);
    assert!(!scene.has(&format!("{}:refused.txt", scene.branch("a"))));
}

#[test]
fn a_used_up_limit_parks_both_until_the_time_their_providers_name() {
    let Some(mut scene) = scene() else { return };
    // They print the time as their own clocks see it.
    let now = jiff::Timestamp::now().as_second();
    let reset = (now / 60 + 120) * 60;
    let text = |second: i64| jiff::Timestamp::from_second(second).unwrap().to_string();
    scene.set_env("DISPATCH_CLOCK", &text(now));
    let place = "http://127.0.0.1:8799";
    scene.configure(&format!(
        "{SETTINGS}command = [\"codex\", \"exec\", \"--json\", \"-s\", \"workspace-write\", \
         \"-c\", 'model_providers.mock.base_url=\"{place}/v1\"', \"-\"]\n"
    ));
    // Only who is logged in as a subscriber is told about the reset by Claude Code.
    let limits = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/limits.py");
    let before = format!(
        "python3 {limits} 8799 {reset} > limits.out & trap \"kill $!\" EXIT\n\
         until grep -q ready limits.out; do :; done; rm limits.out\n\
         unset ANTHROPIC_API_KEY; export CLAUDE_CODE_OAUTH_TOKEN=dummy ANTHROPIC_BASE_URL={place}"
    );
    let plan = scene.plan(ONE_EACH);
    launched_after(&scene, &before, &["run", &plan, "--yes"]).expect(3);
    let board = scene.json();
    assert_eq!(scene.statuses(), "1 QUEUED · 2 QUEUED", "{board:#}");
    let parked = board["notices"].as_array().unwrap().iter();
    let parked: Vec<&str> = parked.map(|notice| notice.as_str().unwrap()).collect();
    let minute = text(reset).replace('T', " ");
    for worker in ["claude", "codex"] {
        let said = format!("{worker} is parked until {} UTC", &minute[..16]);
        assert!(
            parked.iter().any(|notice| notice.starts_with(&said)),
            "{said}: {parked:#?}"
        );
    }
}

/// The lines of shell that point Copilot and opencode to the imitation, whose port is `PORT`.
const OTHERS: &str = "\
export COPILOT_OFFLINE=true COPILOT_MODEL=mock-model COPILOT_PROVIDER_API_KEY=dummy
export COPILOT_PROVIDER_BASE_URL=http://127.0.0.1:$PORT/v1
export OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1
export OPENCODE_CONFIG=\"$HOME/opencode.json\"
cat > \"$OPENCODE_CONFIG\" <<JSON
{\"model\":\"mock/mock-model\",\"permission\":{\"edit\":\"ask\",\"bash\":\"ask\"},\"provider\":{\"mock\":{
\"npm\":\"@ai-sdk/openai-compatible\",\"options\":{\"baseURL\":\"http://127.0.0.1:$PORT/v1\",
\"apiKey\":\"dummy\"},\"models\":{\"mock-model\":{\"name\":\"m\"}}}}}
JSON";

#[test]
fn copilot_and_agents_that_speak_acp_do_their_tasks() {
    let Some(scene) = scene() else { return };
    let copilot = [
        "COPILOT_OFFLINE",
        "COPILOT_MODEL",
        "COPILOT_PROVIDER_API_KEY",
        "COPILOT_PROVIDER_BASE_URL",
    ];
    let copilot = copilot.map(|name| format!("\"{name}\"")).join(", ");
    scene.configure(&format!(
        "[workers.opencode-acp]\ncommand = [\"opencode\", \"acp\"]\ndialect = \"acp\"\n\
         env = [\"OPENCODE_CONFIG\", \"OPENCODE_DISABLE_MODELS_FETCH\"]\n\
         [workers.copilot-acp]\ncommand = [\"copilot\", \"--acp\"]\ndialect = \"acp\"\n\
         permission_mode = \"all\"\nenv = [{copilot}]\n\
         [workers.copilot-refused]\ncommand = [\"copilot\", \"--acp\"]\ndialect = \"acp\"\n\
         env = [{copilot}]\n",
    ));
    let workers = ["copilot", "opencode-acp", "copilot-acp", "copilot-refused"];
    let mut plan = "# Others\n\n".to_owned();
    for (number, worker) in (1..).zip(workers) {
        plan.push_str(&format!(
            "{number}. [T{number}] {worker}\n   - worker: {worker}\n\n   WRITE {worker}.txt alpha\n"
        ));
    }
    let plan = scene.plan(&plan);
    let ended = launched_after(&scene, OTHERS, &["run", &plan, "--yes"]).expect(3);
    let statuses = "1 DONE · 2 DONE · 3 DONE · 4 FAILED";
    assert_eq!(scene.statuses(), statuses, "{}{}", ended.out, ended.err);
    assert_eq!(classes(&scene), ["none", "none", "none", "blocker"]);
    for (number, worker) in (1..4).zip(workers) {
        let branch = scene.branch(&format!("t{number}"));
        assert_eq!(
            scene.git(&["show", &format!("{branch}:{worker}.txt")]),
            "alpha"
        );
    }
}

#[test]
fn claude_and_codex_continue_their_sessions() {
    let Some(scene) = scene() else { return };
    let plan = "\
# Continued

1. [A] First
   - worker: claude
   - check: test \"$DISPATCH_ATTEMPT\" = 2

   WRITE a.txt alpha
2. [B] Second
   - worker: codex
   - check: test \"$DISPATCH_ATTEMPT\" = 2

   WRITE b.txt beta
";
    // A session is stored in the home folder, which both commands share.
    let plan = scene.plan(plan);
    let twice = format!(
        "dispatch='{}'\n\"$dispatch\" run {plan} --yes\n\"$dispatch\" retry 1 --continue",
        env!("CARGO_BIN_EXE_dispatch")
    );
    let ended = launched_after(&scene, &twice, &["retry", "2", "--continue"]).expect(0);
    let statuses = "1 DONE · 2 DONE";
    assert_eq!(scene.statuses(), statuses, "{}{}", ended.out, ended.err);
    for task in ["1", "2"] {
        let shown = scene.dispatch(&["show", task, "--json"]).expect(0).out;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let session = |at: usize| {
            shown["attempts"][at]["session"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(session(0), session(1));
    }
}

#[test]
fn each_makes_a_plan_without_tools_that_write() {
    let Some(mut scene) = scene() else { return };
    let place = "http://127.0.0.1:8798";
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/plans/ok/sample.md");
    let sample = std::fs::read_to_string(sample).unwrap();
    let answer = scene.root.join("answer.txt");
    std::fs::write(
        &answer,
        format!("Here it is.\n\n````markdown\n{sample}````\n"),
    )
    .unwrap();
    let opencode = scene.root.join("opencode.json");
    let provider = format!(
        "{{\"provider\": {{\"mock\": {{\"npm\": \"@ai-sdk/openai-compatible\", \"options\": \
         {{\"baseURL\": \"{place}/v1\", \"apiKey\": \"none\"}}, \"models\": {{\"m\": {{}}}}}}}}}}"
    );
    std::fs::write(&opencode, provider).unwrap();
    scene.set_env("OPENCODE_CONFIG", opencode.to_str().unwrap());
    let codex = "[\"codex\", \"exec\", \"--json\", \"-s\", \"{permission_mode}\", \"-c\"";
    scene.configure(&format!(
        "{SETTINGS}command = {codex}, 'model_providers.mock.base_url=\"{place}/v1\"', \"-\"]\n\
         [workers.opencode]\nmodel = \"mock/m\"\n[run]\nworker = \"codex\"\n"
    ));
    let answers = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/answers.py");
    let (text, log) = (answer.display(), scene.root.join("tools"));
    let before = format!(
        "python3 {answers} 8798 {text} {log} > ../answers.out & trap \"kill $!\" EXIT\n\
         until grep -q ready ../answers.out; do :; done; rm ../answers.out\n\
         export ANTHROPIC_BASE_URL={place}",
        log = log.display()
    );
    let fingerprint = scene.fingerprint();
    for worker in ["claude", "codex", "opencode"] {
        let _ = std::fs::remove_file(&log);
        let output = format!("../{worker}.md");
        let args = [
            "plan", "new", "Build it", "--yes", "--worker", worker, "-o", &output,
        ];
        let ended = launched_after(&scene, &before, &args).expect(0);
        assert!(
            ended.err.contains(&format!("{worker}: 1 call, ")),
            "{}",
            ended.err
        );
        let saved = std::fs::read_to_string(scene.root.join(format!("{worker}.md"))).unwrap();
        assert_eq!(saved, sample, "{worker}");
        let tools = std::fs::read_to_string(&log).unwrap();
        let writes = tools
            .split_whitespace()
            .any(|tool| ["Edit", "Write"].contains(&tool));
        assert!(!writes, "{worker}: {tools}");
        fingerprint.assert_same(&scene.fingerprint());
    }
}
