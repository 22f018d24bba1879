//! The plugin inside the real programs of coding agents: opt-in, as the tests of `real_agents` are.
//!
//! `claude`, `codex`, `opencode` and `python3` must be on `PATH` and `DISPATCH_AGENT_LAUNCHER` be set. A
//! scripted model (`fixtures/agents/drive.py`) calls the tools that the agent offers it.

use std::path::Path;

use serde_json::Value;

use crate::harness::Scene;
use crate::real_agents::{launched_after, scene};

/// The turns of a conversation, as the scripted model noted them.
fn turns(scene: &Scene) -> Vec<Value> {
    let log = std::fs::read_to_string(scene.root.join("turns")).unwrap_or_default();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs lines of shell with the scripted model at `$MODEL`, in the repository.
fn converse(scene: &Scene, lines: &str) -> String {
    let project = env!("CARGO_MANIFEST_DIR");
    let bin = Path::new(env!("CARGO_BIN_EXE_dispatch")).parent().unwrap();
    let root = scene.root.display();
    let before = format!(
        "set -e\n\
         export PATH={}:$PATH MODEL=http://127.0.0.1:8799\n\
         git clone -q {project} {root}/clone\n\
         python3 {project}/fixtures/agents/drive.py 8799 {root}/turns > {root}/ready & trap \"kill $!\" EXIT\n\
         until grep -q ready {root}/ready; do :; done\n\
         {{ {lines}; }} > {root}/said 2>&1 || cat {root}/said >&2",
        bin.display()
    );
    let ended = launched_after(scene, &before, &["history", "--json"]);
    format!("{}{}", ended.out, ended.err)
}

/// Checks that the agent found the skill and the tools, and drove a run to its report.
#[track_caller]
fn assert_driven(scene: &Scene, said: &str) {
    let turns = turns(scene);
    let last = turns
        .last()
        .unwrap_or_else(|| panic!("the model was not asked: {said}"));
    assert_eq!(last["skill"], true, "the skill was not offered: {said}");
    let tools = last["tools"].as_array().unwrap().iter();
    let tools: Vec<&str> = tools.filter_map(Value::as_str).collect();
    for tool in [
        "plan_validate",
        "run_start",
        "run_wait",
        "run_report",
        "land",
    ] {
        assert!(
            tools.iter().any(|name| name.ends_with(tool)),
            "{tool} in {tools:?}"
        );
    }
    assert!(
        last["last"].to_string().contains("Dispatch Complete"),
        "{turns:#?}\n{said}"
    );
    assert_eq!(scene.run_names().len(), 1, "{said}");
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
}

#[test]
fn claude_drives_a_run_with_the_plugin_of_a_fresh_clone() {
    let Some(scene) = scene() else { return };
    let before = scene.fingerprint();
    let said = converse(
        &scene,
        "claude plugin validate --strict ../clone/plugin && \
         claude plugin marketplace add ../clone/plugin && \
         claude plugin install dispatch@dispatch && \
         ANTHROPIC_BASE_URL=$MODEL claude -p 'Build it' --allowedTools mcp__plugin_dispatch_dispatch",
    );
    assert_driven(&scene, &said);
    before.assert_same(&scene.fingerprint());
}

#[test]
fn codex_drives_a_run_with_the_plugin_of_a_fresh_clone() {
    let Some(scene) = scene() else { return };
    let before = scene.fingerprint();
    let said = converse(
        &scene,
        "codex plugin marketplace add ../clone/plugin && \
         codex plugin add dispatch@dispatch && \
         codex exec --dangerously-bypass-approvals-and-sandbox \
         -c \"model_providers.mock.base_url=\\\"$MODEL/v1\\\"\" 'Build it'",
    );
    assert_driven(&scene, &said);
    before.assert_same(&scene.fingerprint());
}

#[test]
fn opencode_drives_a_run_with_the_skill_and_the_server_that_are_installed() {
    let Some(scene) = scene() else { return };
    let said = converse(
        &scene,
        "dispatch plugin install --agent opencode --yes && \
         export OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1 && \
         printf '{\"provider\":{\"mock\":{\"npm\":\"@ai-sdk/openai-compatible\",\"options\":{\"baseURL\":\
         \"%s/v1\",\"apiKey\":\"x\"},\"models\":{\"m\":{}}}}}' $MODEL > opencode.json && \
         opencode run --format json --auto -m mock/m 'Build it'",
    );
    assert_driven(&scene, &said);
}
