//! Recorded outputs of real agents, one table for each, and hostile outputs.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::model::usage::Usage;
use crate::worker::dialect::*;

const FOLDER: &str = "/repo/worktree";

fn load(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents");
    let read = |path: String| fs::read(folder.join(path)).ok();
    let places = ["recorded", "composed"];
    let found = places.into_iter().find_map(|place| {
        let out =
            read(format!("{place}/{name}.jsonl")).or_else(|| read(format!("{place}/{name}.json")));
        let error = read(format!("{place}/{name}.stderr")).unwrap_or_default();
        Some([error, out?].concat())
    });
    found.unwrap_or_else(|| panic!("no output {name}"))
}

fn dialect(name: &str) -> Dialect {
    let agent = name.split('-').next().unwrap();
    serde_json::from_value(agent.into()).unwrap()
}

/// Parses in small pieces, so that every line is cut.
fn read(dialect: Dialect, output: &[u8]) -> Transcript {
    let mut reading = Reading::new(dialect, FOLDER);
    for piece in output.chunks(7) {
        reading.feed(piece);
    }
    reading.finish()
}

/// Renders the transcripts of outputs, one line for each part.
fn table(names: &[&str]) -> String {
    let mut table = String::new();
    for name in names {
        let said = read(dialect(name), &load(name));
        let verdict = match (said.is_success(), said.is_truncated()) {
            (true, _) => "success",
            (false, true) => "cut short",
            (false, false) => "no success",
        };
        let usage = said
            .usage
            .map_or("unknown".to_owned(), |usage| usage.to_string());
        writeln!(table, "{name}: {verdict}; {usage}; cost {}", said.cost).unwrap();
        let words = said.result.map(|result| result.text).unwrap_or_default();
        writeln!(table, "  says {:?}", words.replace("\n", "\\n")).unwrap();
        if let Some(error) = said.error {
            let status = error
                .status
                .map_or(String::new(), |status| status.to_string());
            let kind = error.kind.unwrap_or_default();
            let reset = error.reset_at.map_or(String::new(), |at| at.to_string());
            writeln!(
                table,
                "  error [{status}] [{kind}] [{reset}] {}",
                error.message
            )
            .unwrap();
        }
        for what in said.refusals {
            writeln!(table, "  refused {what}").unwrap();
        }
        for what in said.hindrances {
            writeln!(table, "  hindered {what}").unwrap();
        }
    }
    table
}

/// The steps a board would show one after the other.
fn steps(name: &str) -> String {
    let mut reading = Reading::new(dialect(name), FOLDER);
    let mut steps: Vec<String> = Vec::new();
    for line in load(name).split_inclusive(|byte| *byte == b'\n') {
        reading.feed(line);
        let step = reading.current_step().map(str::to_owned);
        steps.extend(step.filter(|step| steps.last() != Some(step)));
    }
    steps.join("\n")
}

#[test]
fn claude() {
    insta::assert_snapshot!(table(&[
        "claude-success",
        "claude-denied",
        "claude-max-turns",
        "claude-budget",
        "claude-err-400",
        "claude-err-401",
        "claude-err-429",
        "claude-err-500",
        "claude-err-529",
        "claude-limit",
        "claude-commit-refused",
        "claude-cursor",
    ]), @r#"
    claude-success: success; 200 tokens in, 40 tokens out; cost $0.0016
      says "Done. Files created: a.txt. Decisions: none. Issues: none."
    claude-denied: no success; 200 tokens in, 40 tokens out; cost $0.0016
      says "Done. Files created: -. Decisions: none. Issues: none."
      refused Bash make a.txt
    claude-max-turns: no success; 100 tokens in, 20 tokens out; cost $0.0008
      says "Reached maximum number of turns (1)"
      error [] [max-turns] [] Reached maximum number of turns (1)
    claude-budget: no success; 100 tokens in, 20 tokens out; cost $0.0008
      says "Reached maximum budget ($0.0001)"
      error [] [max-budget] [] Reached maximum budget ($0.0001)
    claude-err-400: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "Credit balance is too low"
      error [400] [billing_error] [] Credit balance is too low
    claude-err-401: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "Invalid API key · Fix external API key"
      error [401] [authentication_failed] [] Invalid API key · Fix external API key
    claude-err-429: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later."
      error [429] [rate_limit] [] API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later.
    claude-err-500: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "API Error: 500 Internal server error. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:8787)."
      error [500] [server_error] [] API Error: 500 Internal server error. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:8787).
    claude-err-529: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:8787)."
      error [529] [server_error] [] API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:8787).
    claude-limit: no success; 0 tokens in, 0 tokens out; cost $0.00
      says "You've hit your limit · resets 11am (UTC)"
      error [429] [usage-limit] [2026-11-22T11:00:00Z] You've hit your limit · resets 11am (UTC)
    claude-commit-refused: success; 1,050 tokens in (900 from a cache), 40 tokens out; cost $0.2500
      says "Wrote a.txt; I could not commit it."
    claude-cursor: success; unknown; cost unknown
      says "Wrote a.txt"
    "#);
}

#[test]
fn codex() {
    insta::assert_snapshot!(table(&[
        "codex-success",
        "codex-readonly",
        "codex-gitcommit",
        "codex-err-400",
        "codex-err-401",
        "codex-err-429",
        "codex-err-500",
        "codex-err-529",
        "codex-limit",
        "codex-work",
    ]), @r#"
    codex-success: success; 200 tokens in (80 from a cache), 40 tokens out; cost unknown
      says "Done. Files created: a.txt."
    codex-readonly: success; 200 tokens in (80 from a cache), 40 tokens out; cost unknown
      says "Done. Files created: a.txt."
    codex-gitcommit: success; 200 tokens in (80 from a cache), 40 tokens out; cost unknown
      says "Done. Files created: -."
    codex-err-400: no success; unknown; cost unknown
      says "Quota exceeded. Check your plan and billing details."
      error [] [] [] Quota exceeded. Check your plan and billing details.
    codex-err-401: no success; unknown; cost unknown
      says "unexpected status 401 Unauthorized: Incorrect API key provided: dummy., url: http://127.0.0.1:8787/v1/responses"
      error [401] [] [] unexpected status 401 Unauthorized: Incorrect API key provided: dummy., url: http://127.0.0.1:8787/v1/responses
    codex-err-429: no success; unknown; cost unknown
      says "exceeded retry limit, last status: 429 Too Many Requests"
      error [429] [] [] exceeded retry limit, last status: 429 Too Many Requests
    codex-err-500: no success; unknown; cost unknown
      says "We’re currently experiencing high demand, which may cause temporary errors."
      error [] [] [] We’re currently experiencing high demand, which may cause temporary errors.
    codex-err-529: no success; unknown; cost unknown
      says "unexpected status 503 Service Unavailable: The server is overloaded. Please try again later., url: http://127.0.0.1:8787/v1/responses"
      error [503] [] [] unexpected status 503 Service Unavailable: The server is overloaded. Please try again later., url: http://127.0.0.1:8787/v1/responses
    codex-limit: no success; unknown; cost unknown
      says "You've hit your usage limit. Visit https://example.com/usage to purchase more credits or try again at Nov 22nd, 2026 10:03 PM."
      error [] [] [] You've hit your usage limit. Visit https://example.com/usage to purchase more credits or try again at Nov 22nd, 2026 10:03 PM.
    codex-work: success; 1,500 tokens in (800 from a cache), 90 tokens out; cost unknown
      says "Routes written.\\nNothing else."
      hindered $ bash -lc 'cargo fetch' (Read-only file system)
    "#);
}

#[test]
fn gemini() {
    let json = read(Dialect::Gemini, &fs_json("gemini-success.json"));
    assert!(json.is_success());
    assert_eq!(json.last_words(), Some("Done. Files created: a.txt."));
    insta::assert_snapshot!(json.usage.unwrap(), @"300 tokens in, 60 tokens out");
    insta::assert_snapshot!(table(&[
        "gemini-success",
        "gemini-err-400",
        "gemini-turns",
        "gemini-json-error",
    ]), @r#"
    gemini-success: success; 300 tokens in, 60 tokens out; cost unknown
      says "Done. Files created: a.txt."
    gemini-err-400: no success; 0 tokens in, 0 tokens out; cost unknown
      says "API key not valid. Please pass a valid API key."
      error [] [ApiError] [] API key not valid. Please pass a valid API key.
    gemini-turns: cut short; unknown; cost unknown
      says ""
    gemini-json-error: no success; unknown; cost unknown
      says "Resource has been exhausted (e.g. check quota). Please retry in 20s."
      error [429] [ApiError] [] Resource has been exhausted (e.g. check quota). Please retry in 20s.
    "#);
}

fn fs_json(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents/recorded");
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn opencode() {
    insta::assert_snapshot!(table(&[
        "opencode-success",
        "opencode-err-401",
        "opencode-denied",
    ]), @r#"
    opencode-success: success; 200 tokens in, 40 tokens out; cost $0.0003
      says "Done. Files created: a.txt."
    opencode-err-401: no success; unknown; cost unknown
      says "Incorrect API key provided: dummy."
      error [401] [APIError] [] Incorrect API key provided: dummy.
    opencode-denied: no success; 1,150 tokens in (1,000 from a cache), 25 tokens out; cost $0.0020
      says ""
      refused edit a.txt
    "#);
}

#[test]
fn aider() {
    insta::assert_snapshot!(table(&["aider-work", "aider-auth"]), @r#"
    aider-work: success; 6,600 tokens in (1,200 from a cache), 200 tokens out; cost $0.0300
      says "Applied edit to src/a.ts"
    aider-auth: no success; unknown; cost unknown
      says ""
      error [] [AuthenticationError] [] litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: dummy.
    "#);
}

#[test]
fn goose() {
    insta::assert_snapshot!(table(&[
        "goose-work",
        "goose-err-429",
        "goose-network",
        "goose-error",
        "goose-turns",
        "goose-credits",
        "goose-cut",
    ]), @r#"
    goose-work: success; 1,000 tokens in, 234 tokens out; cost unknown
      says "Wrote a.txt; no decisions."
    goose-err-429: no success; unknown; cost unknown
      says "Rate limit exceeded: Too many requests (status 429)."
      error [429] [] [] Rate limit exceeded: Too many requests (status 429).
    goose-network: no success; unknown; cost unknown
      says "Network error: connection refused"
      error [] [network] [] Network error: connection refused
    goose-error: no success; unknown; cost unknown
      says "Authentication failed: invalid api key"
      error [] [] [] Authentication failed: invalid api key
    goose-turns: no success; 1,000 tokens in, 234 tokens out; cost unknown
      says "I've reached the maximum number of actions I can do without user input. Would you like me to continue?"
      error [] [max-turns] [] I've reached the maximum number of actions I can do without user input. Would you like me to continue?
    goose-credits: no success; unknown; cost unknown
      says "Please add credits to your account, then resend your message to continue."
      error [] [credits] [] Please add credits to your account, then resend your message to continue.
    goose-cut: cut short; unknown; cost unknown
      says ""
    "#);
    insta::assert_snapshot!(steps("goose-work"), @r"
    I will write
    I will write the file.
    text_editor a.txt
    Wrote a.txt;
    Wrote a.txt; no decisions.
    ");
}

#[test]
fn copilot() {
    insta::assert_snapshot!(table(&[
        "copilot-success",
        "copilot-denied",
        "copilot-err-400",
        "copilot-err-401",
        "copilot-err-429",
        "copilot-err-500",
    ]), @r#"
    copilot-success: success; unknown; cost unknown
      says "Done. Files created: a.txt."
    copilot-denied: no success; unknown; cost unknown
      says "Done. Files created: a.txt."
      refused bash printf '%s\n' 'alpha' > a.txt
    copilot-err-400: no success; unknown; cost unknown
      says "Failed to get response from the AI model; retried 5 times (total retry wait time: 57.18 seconds) Last error: 429 You exceeded your current quota, please check your plan and billing details."
      error [429] [rate_limit] [] Failed to get response from the AI model; retried 5 times (total retry wait time: 57.18 seconds) Last error: 429 You exceeded your current quota, please check your plan and billing details.
    copilot-err-401: no success; unknown; cost unknown
      says "Authentication failed with provider at http://127.0.0.1:8787/v1 (HTTP 401).\\n  Check your COPILOT_PROVIDER_API_KEY, COPILOT_PROVIDER_API_KEY_COMMAND, or COPILOT_PROVIDER_BEARER_TOKEN."
      error [401] [authentication] [] Authentication failed with provider at http://127.0.0.1:8787/v1 (HTTP 401).
      Check your COPILOT_PROVIDER_API_KEY, COPILOT_PROVIDER_API_KEY_COMMAND, or COPILOT_PROVIDER_BEARER_TOKEN.
    copilot-err-429: no success; unknown; cost unknown
      says "Failed to get response from the AI model; retried 5 times (total retry wait time: 55.03 seconds) Last error: 429 Rate limit reached for mock-model on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
      error [429] [rate_limit] [] Failed to get response from the AI model; retried 5 times (total retry wait time: 55.03 seconds) Last error: 429 Rate limit reached for mock-model on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.
    copilot-err-500: no success; unknown; cost unknown
      says "Failed to get response from the AI model; retried 5 times (total retry wait time: 17.02 seconds) Last error: 500 The server had an error."
      error [500] [query] [] Failed to get response from the AI model; retried 5 times (total retry wait time: 17.02 seconds) Last error: 500 The server had an error.
    "#);
    insta::assert_snapshot!(steps("copilot-err-401"), @"asks again after transient_auth_error");
}

#[test]
fn antigravity() {
    insta::assert_snapshot!(table(&[
        "antigravity-work",
        "antigravity-denied",
        "antigravity-timeout",
        "antigravity-auth",
        "antigravity-quota",
    ]), @r#"
    antigravity-work: success; 9,400 tokens in (8,800 from a cache), 52 tokens out; cost unknown
      says "Wrote a.txt."
    antigravity-denied: no success; 9,400 tokens in (8,800 from a cache), 52 tokens out; cost unknown
      says ""
      refused run cargo test
    antigravity-timeout: no success; unknown; cost unknown
      says "the answer is incomplete: print timeout"
      error [] [timeout] [] the answer is incomplete: print timeout
    antigravity-auth: no success; unknown; cost unknown
      says "authentication required: not signed in"
      error [] [] [] authentication required: not signed in
    antigravity-quota: no success; 9,400 tokens in (8,800 from a cache), 52 tokens out; cost unknown
      says "Individual quota reached. Resets in 3h34m13s."
      error [] [] [] Individual quota reached. Resets in 3h34m13s.
    "#);
    insta::assert_snapshot!(steps("antigravity-work"), @r"
    write_to_file a.txt
    Wrote
    Wrote a.txt.
    ");
}

#[test]
fn acp() {
    insta::assert_snapshot!(table(&[
        "acp-opencode",
        "acp-opencode-401",
        "acp-copilot-denied",
        "acp-told",
        "acp-auth",
        "acp-died",
        "acp-refusal",
        "acp-version",
    ]), @r#"
    acp-opencode: success; 100 tokens in, 20 tokens out; cost unknown
      says "Done. Files created: a.txt."
    acp-opencode-401: no success; unknown; cost unknown
      says "Internal error: Incorrect API key provided: dummy."
      error [] [error] [] Internal error: Incorrect API key provided: dummy.
    acp-copilot-denied: no success; 100 tokens in, 20 tokens out; cost unknown
      says "Info: Operation cancelled by user"
      refused write printf '%s\n' 'alpha' > a.txt
    acp-told: success; 200 tokens in, 40 tokens out; cost $0.2500
      says "Renamed it."
      hindered /etc/passwd is outside the worktree
    acp-auth: no success; unknown; cost unknown
      says "Authentication required; to log in: Run `scripted login`"
      error [] [authentication] [] Authentication required; to log in: Run `scripted login`
    acp-died: no success; unknown; cost unknown
      says "the agent exited before its turn ended (exit status: 3)"
      error [] [connection] [] the agent exited before its turn ended (exit status: 3)
    acp-refusal: no success; 100 tokens in, 20 tokens out; cost unknown
      says "the agent refused to continue"
      error [] [refusal] [] the agent refused to continue
    acp-version: no success; unknown; cost unknown
      says "Invalid request: unsupported ACP protocol version 9; this endpoint only supports ACP protocol version 1"
      error [] [error] [] Invalid request: unsupported ACP protocol version 9; this endpoint only supports ACP protocol version 1
    "#);
    insta::assert_snapshot!(steps("acp-told"), @r"
    2 of 2: write
    First
    was told: Use the new name
    edit a.txt
    Renamed
    Renamed it.
    ");
}

#[test]
fn every_recorded_output_is_in_a_table_above() {
    let source = include_str!("tests.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents");
    for place in ["recorded", "composed"] {
        for entry in fs::read_dir(folder.join(place)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.split('.').next().unwrap();
            assert!(source.contains(&format!("\"{stem}\"")), "{name}");
        }
    }
}

#[test]
fn sessions_have_names() {
    let names = [
        "claude-success",
        "codex-success",
        "gemini-success",
        "opencode-success",
        "copilot-success",
        "antigravity-work",
    ];
    let sessions = names.map(|name| read(dialect(name), &load(name)).session.unwrap());
    insta::assert_snapshot!(sessions.join("\n"), @r"
    c15ecd79-8e58-43ab-b372-974f1a10e10f
    01a229f8-0596-7ae1-ab34-b5a5f81f1a8a
    22f87297-fed1-4b7f-a86f-7d9d9a5f1d6a
    ses_dfde038dbffe5QprNHd7ZProuo
    0fb9be51-5a28-46e9-bdbc-19ef02540d9b
    055a398f-db14-4c5f-abbb-1bf03f8120a7
    ");
}

#[test]
fn steps_say_what_the_agent_does_without_the_path_of_the_worktree() {
    let all = [
        "claude-success",
        "claude-err-429",
        "codex-work",
        "gemini-success",
        "opencode-success",
        "copilot-success",
    ];
    insta::assert_snapshot!(all.map(steps).join("\n\n"), @r"
    Write a.txt
    Done. Files created: a.txt. Decisions: none. Issues: none.

    asks again after rate_limit (try 1)
    API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later.

    Reconnecting... 1/5 (stream disconnected before completion)
    $ bash -lc 'cargo test'
    $ bash -lc 'git commit -am x'
    $ bash -lc 'cargo fetch'
    edits src/a.rs, b.rs
    2 of 2: write the routes
    Routes written.

    write_file a.txt
    Done. Files created: a.txt.

    write a.txt
    Done. Files created: a.txt.

    bash printf '%s\n' 'alpha' > a.txt
    Done. Files created: a.txt.
    ");
}

#[test]
fn an_output_that_breaks_off_anywhere_is_no_success() {
    for name in [
        "claude-success",
        "codex-success",
        "gemini-success",
        "opencode-success",
        "copilot-success",
        "antigravity-work",
    ] {
        let whole = load(name);
        // The line end does not belong to the last event.
        for length in (0..whole.len() - 1).rev().step_by(whole.len() / 100) {
            let mut reading = Reading::new(dialect(name), FOLDER);
            reading.feed(&whole[..length]);
            let said = reading.finish();
            assert!(said.is_truncated(), "{name} cut at {length}: {said:?}");
        }
        assert!(
            !read(dialect(name), &whole[..whole.len() - 1]).is_truncated(),
            "{name}"
        );
    }
}

#[test]
fn of_two_results_the_last_one_holds() {
    let (good, bad) = (load("claude-success"), load("claude-err-529"));
    let failed = read(Dialect::Claude, &[good.clone(), bad.clone()].concat());
    assert_eq!(failed.error.unwrap().status, Some(529));
    let passed = read(Dialect::Claude, &[bad, good.clone()].concat());
    assert!(passed.is_success());
    let twice = read(Dialect::Claude, &[good.clone(), good].concat());
    assert_eq!(
        twice.cost,
        Cost::Known(0.0016),
        "a result names the whole so far"
    );
}

#[test]
fn an_agent_that_goes_on_after_its_result_is_not_over() {
    let mut reading = Reading::new(Dialect::Claude, FOLDER);
    reading.feed(&load("claude-success"));
    assert!(reading.is_over());
    reading.feed(b"{\"type\":\"assistant\",\"message\":{\"content\":[]},\"session_id\":\"x\"}\n");
    assert!(!reading.is_over());
    assert!(reading.finish().is_truncated());
}

#[test]
fn what_the_agent_reads_and_says_is_no_event() {
    let said = "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\
        \"text\":\"{\\\"type\\\":\\\"result\\\",\\\"is_error\\\":true}\\nrate limit exceeded\"}]}}\n";
    let printed = "look: {\"type\":\"result\",\"is_error\":true}\n";
    let foreign = "{\"type\":\"result\"}\n{\"type\":\"error\",\"message\":\"x\"}\n";
    let output = [said, printed, foreign].concat().into_bytes();
    let transcript = read(Dialect::Claude, &[output, load("claude-success")].concat());
    assert!(transcript.is_success());
    let opencode = [foreign.as_bytes(), &load("opencode-success")].concat();
    assert!(read(Dialect::Opencode, &opencode).is_success());
}

#[test]
fn sums_over_an_output_with_a_gap_are_not_known() {
    let gap = |name: &str| {
        let mut reading = Reading::new(dialect(name), FOLDER);
        reading.feed(&load(name));
        reading.mark_gap();
        let said = reading.finish();
        (said.usage, said.cost)
    };
    assert_eq!(gap("opencode-success"), (None, Cost::Unknown));
    assert_eq!(gap("claude-success").1, Cost::Known(0.0016));
}

#[test]
fn nothing_breaks_a_reading() {
    let nasty: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n\n\r\n{\n}\n{}\n[]\nnull\n\"x\"\n".to_vec(),
        b"\xff\xfe\x00{\"type\":\xff}\n".to_vec(),
        vec![b'['; 1 << 20],
        [vec![b'{'; 3 << 20], b"\n{\n".to_vec()].concat(),
        (0..300).flat_map(|_| b"{\"a\":".to_vec()).collect(),
        b"{\"type\":7}\n{\"type\":\"result\",\"result\":[]}\n{\"type\":\"assistant\",\"message\":3}\n".to_vec(),
        b"{\"type\":\"result\",\"is_error\":\"no\",\"subtype\":\"x\",\"modelUsage\":{\"m\":1},\"permission_denials\":[1,null]}\n".to_vec(),
        b"{\"type\":\"item.completed\",\"item\":[]}\n{\"type\":\"turn.failed\"}\n".to_vec(),
        b"{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":-1,\"output_tokens\":1e300}}\n".to_vec(),
        b"{\"type\":\"step_finish\",\"sessionID\":\"s\",\"part\":{\"tokens\":{\"input\":18446744073709551615,\"cache\":{\"read\":18446744073709551615}},\"cost\":-1}}\n".repeat(3),
        b"Tokens: x sent, 9e999k received. Cost: $ session\nlitellm.\n".to_vec(),
        b"permission requested: ; auto-rejecting\n".repeat(100),
        b"{\"type\":\"tool.execution_complete\",\"data\":{\"error\":{\"code\":\"denied\"}}}\n".repeat(100),
        b"{\"type\":\"session.error\"}\n{\"type\":\"result\",\"exitCode\":\"x\"}\n".to_vec(),
        b"{\"event\":\"step_update\"}\n{\"event\":\"result\",\"result\":{\"denied_actions\":[1,\"x\",{}]}}\n".to_vec(),
    ];
    let all = [
        Dialect::Text,
        Dialect::Claude,
        Dialect::Codex,
        Dialect::Gemini,
        Dialect::Opencode,
        Dialect::Aider,
        Dialect::Goose,
        Dialect::Copilot,
        Dialect::Antigravity,
        Dialect::Acp,
    ];
    for dialect in all {
        for output in &nasty {
            let mut reading = Reading::new(dialect, "");
            reading.feed(output);
            let said = reading.finish();
            assert!(said.refusals.len() <= 20 && said.stray.len() <= 12);
        }
        let everything = nasty.concat();
        read(dialect, &everything);
    }
}

#[test]
fn usage_of_a_cache_is_part_of_the_input() {
    let said = read(Dialect::Opencode, &load("opencode-denied"));
    let expected = Usage {
        input: 1150,
        output: 25,
        cached: Some(1000),
    };
    assert_eq!(said.usage, Some(expected));
}
