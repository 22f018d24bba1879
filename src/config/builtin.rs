//! The built-in worker profiles.
//!
//! The command lines are known to work without a terminal: output in a machine's
//! format, edits allowed in the working directory, no prompts. Agents do not commit: dispatch does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::worker::{Dialect, PromptBy, Worker};

/// The worker whose command is the task's `run`.
pub const SHELL: &str = "shell";

/// A coding agent that is known by name.
#[derive(Clone, Copy, Debug)]
pub struct KnownAgent {
    /// The name of its worker profile.
    pub worker: &'static str,
    /// The program to look for.
    pub program: &'static str,
}

/// Every known agent, the ones tried most first.
pub const AGENTS: &[KnownAgent] = &[
    agent("claude", "claude"),
    agent("codex", "codex"),
    agent("copilot", "copilot"),
    agent("gemini", "gemini"),
    agent("opencode", "opencode"),
    agent("aider", "aider"),
    agent("goose", "goose"),
    agent("cursor", "cursor-agent"),
    agent("antigravity", "agy"),
];

/// Agents that start at the same moment trip over their own settings file and over limits of their
/// provider that count bursts.
const STAGGER: Duration = Duration::from_millis(500);

const fn agent(worker: &'static str, program: &'static str) -> KnownAgent {
    KnownAgent { worker, program }
}

/// The built-in workers by name.
pub fn workers() -> BTreeMap<String, Worker> {
    let all = [
        profile(SHELL, "", PromptBy::File, Dialect::Text, ""),
        keeping(
            "~/.claude ~/.claude.json $CLAUDE_CONFIG_DIR",
            attaching("claude --resume {session}", claude()),
        ),
        keeping(
            "~/.codex $CODEX_HOME",
            attaching("codex resume {session}", codex()),
        ),
        keeping(
            "~/.copilot ~/.cache/copilot $COPILOT_HOME",
            attaching("copilot --resume={session}", copilot()),
        ),
        keeping("~/.gemini", gemini()),
        keeping(
            "~/.local/share/opencode ~/.local/state/opencode ~/.config/opencode ~/.cache/opencode \
             $OPENCODE_CONFIG $OPENCODE_CONFIG_DIR",
            attaching("opencode --session {session}", opencode()),
        ),
        keeping("~/.aider", aider()),
        keeping(
            "~/.config/goose ~/.local/share/goose ~/.local/state/goose",
            goose(),
        ),
        keeping("~/.cursor ~/.config/cursor", cursor()),
        keeping(
            "~/.antigravity ~/.gemini ~/.config/antigravity",
            attaching("agy --conversation {session}", antigravity()),
        ),
    ];
    all.into_iter().map(|w| (w.name.clone(), w)).collect()
}

/// The words of `command` and `env` are separated by spaces; no built-in argument has one inside.
fn profile(name: &str, command: &str, prompt: PromptBy, dialect: Dialect, env: &str) -> Worker {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Worker {
        command: words(command),
        prompt,
        dialect,
        env: words(env),
        stagger: (!command.is_empty()).then_some(STAGGER),
        ..Worker::named(name)
    }
}

/// Sets the default permissions of an agent.
fn permitting(mode: &str, worker: Worker) -> Worker {
    Worker {
        permission_mode: Some(mode.to_owned()),
        ..worker
    }
}

/// Sets the command that continues a session.
fn continuing(command: &str, worker: Worker) -> Worker {
    Worker {
        resume: command.split_whitespace().map(str::to_owned).collect(),
        ..worker
    }
}

/// Sets the files and folders in which an agent keeps its sessions, logs and logins.
fn keeping(state: &str, worker: Worker) -> Worker {
    Worker {
        state: state.split_whitespace().map(str::to_owned).collect(),
        ..worker
    }
}

/// Sets the command that opens a session on a terminal.
fn attaching(command: &str, worker: Worker) -> Worker {
    Worker {
        attach: command.split_whitespace().map(str::to_owned).collect(),
        ..worker
    }
}

/// `stream-json` needs `--verbose`; `acceptEdits` allows edits and refuses commits.
fn claude() -> Worker {
    let worker = profile(
        "claude",
        "claude -p --output-format stream-json --verbose --permission-mode {permission_mode} \
         --model {model} --max-turns {max_turns} --max-budget-usd {max_cost}",
        PromptBy::Stdin,
        Dialect::Claude,
        "ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL ANTHROPIC_MODEL \
         CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CONFIG_DIR",
    );
    continuing(
        "claude -p --resume {session} --output-format stream-json --verbose \
         --permission-mode {permission_mode} --model {model} --max-turns {max_turns} \
         --max-budget-usd {max_cost}",
        permitting("acceptEdits", worker),
    )
}

/// Its own default sandbox is read-only, in which it does nothing and reports success.
fn codex() -> Worker {
    let worker = profile(
        "codex",
        "codex exec --json -s {permission_mode} -m {model} -",
        PromptBy::Stdin,
        Dialect::Codex,
        "OPENAI_API_KEY OPENAI_BASE_URL CODEX_API_KEY CODEX_HOME",
    );
    continuing(
        "codex exec --json -s {permission_mode} -m {model} resume {session} -",
        permitting("workspace-write", worker),
    )
}

/// Without `--allow-all-tools` it refuses every tool that would have to ask, and reports success. Its
/// file tools stay inside the worktree and the folder for temporary files; commands do not.
fn copilot() -> Worker {
    let worker = profile(
        "copilot",
        "copilot --output-format json --allow-all-tools --no-ask-user --no-auto-update \
         --model {model}",
        PromptBy::Stdin,
        Dialect::Copilot,
        "COPILOT_GITHUB_TOKEN GH_TOKEN GITHUB_TOKEN COPILOT_HOME COPILOT_MODEL \
         COPILOT_PROVIDER_BASE_URL COPILOT_PROVIDER_API_KEY",
    );
    continuing(
        "copilot --resume={session} --output-format json --allow-all-tools --no-ask-user \
         --no-auto-update --model {model}",
        worker,
    )
}

/// A new worktree is an untrusted folder, so trust is skipped; the default mode has no write tools.
fn gemini() -> Worker {
    let worker = profile(
        "gemini",
        "gemini -p {prompt} -o stream-json --approval-mode {permission_mode} --skip-trust \
         -m {model}",
        PromptBy::Argument,
        Dialect::Gemini,
        "GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_GEMINI_BASE_URL GOOGLE_CLOUD_PROJECT \
         GOOGLE_CLOUD_LOCATION GOOGLE_GENAI_USE_VERTEXAI GOOGLE_APPLICATION_CREDENTIALS",
    );
    permitting("yolo", worker)
}

/// Without `--auto` it refuses what it would have to ask for, and reports success.
fn opencode() -> Worker {
    let worker = profile(
        "opencode",
        "opencode run --format json --auto -m {model} {prompt}",
        PromptBy::Argument,
        Dialect::Opencode,
        "OPENCODE_CONFIG OPENCODE_API_KEY ANTHROPIC_API_KEY OPENAI_API_KEY GEMINI_API_KEY \
         GOOGLE_GENERATIVE_AI_API_KEY OPENROUTER_API_KEY",
    );
    continuing(
        "opencode run --format json --auto --session {session} -m {model} {prompt}",
        worker,
    )
}

/// Its history files would land in the worktree and so in the candidate: they go nowhere.
fn aider() -> Worker {
    profile(
        "aider",
        "aider --message-file {prompt_file} --yes-always --no-pretty --no-stream \
         --no-check-update --analytics-disable --no-show-release-notes \
         --no-suggest-shell-commands --no-auto-commits --no-gitignore \
         --chat-history-file /dev/null --input-history-file /dev/null --model {model}",
        PromptBy::File,
        Dialect::Aider,
        "OPENAI_API_KEY OPENAI_API_BASE ANTHROPIC_API_KEY GEMINI_API_KEY DEEPSEEK_API_KEY \
         OPENROUTER_API_KEY AIDER_MODEL",
    )
}

fn goose() -> Worker {
    profile(
        "goose",
        "goose run --no-session -i {prompt_file} --output-format stream-json -q \
         --model {model} --max-turns {max_turns}",
        PromptBy::File,
        Dialect::Goose,
        "GOOSE_PROVIDER GOOSE_MODEL ANTHROPIC_API_KEY OPENAI_API_KEY GOOGLE_API_KEY \
         OPENROUTER_API_KEY",
    )
}

/// Its output follows that of Claude Code.
fn cursor() -> Worker {
    profile(
        "cursor",
        "cursor-agent -p --output-format stream-json --force --trust --workspace {worktree} \
         --model {model} {prompt}",
        PromptBy::Argument,
        Dialect::Claude,
        "CURSOR_API_KEY",
    )
}

/// Its own limit of five minutes would cut the work short and report success.
fn antigravity() -> Worker {
    let worker = profile(
        "antigravity",
        "agy -p {prompt} --output-format stream-json --mode {permission_mode} \
         --print-timeout 24h --model {model}",
        PromptBy::Argument,
        Dialect::Antigravity,
        "GOOGLE_CLOUD_PROJECT AGY_CLI_DISABLE_AUTO_UPDATE",
    );
    continuing(
        "agy --conversation {session} -p {prompt} --output-format stream-json \
         --mode {permission_mode} --print-timeout 24h --model {model}",
        permitting("accept-edits", worker),
    )
}
