//! A worker profile: which program does the work, how it is told, what its output looks like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A configured worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Worker {
    /// The name plans and the configuration use.
    pub name: String,
    /// The program and its arguments; `{prompt_file}`, `{prompt}`, `{worktree}`, `{run}`, `{task}`,
    /// `{attempt}`, `{model}`, `{permission_mode}`, `{max_turns}`, `{max_cost}` are replaced inside each argument. Empty for `shell`, whose command is the
    /// task's `run`.
    pub command: Vec<String>,
    /// How the prompt reaches it.
    pub prompt: PromptBy,
    /// How its output is read.
    pub dialect: Dialect,
    /// The model its agent is to use, in the agent's words.
    #[serde(default)]
    pub model: Option<String>,
    /// What its agent may do without asking, in the agent's words.
    #[serde(default)]
    pub permission_mode: Option<String>,
    /// Variables of the environment that it may see besides the ordinary ones.
    pub env: Vec<String>,
    /// How many of it may be alive at once; no limit of its own when absent.
    pub concurrency: Option<usize>,
    /// The least time between two starts of it; none when absent.
    pub stagger: Option<Duration>,
    /// Longest time an attempt may take, if not the run's.
    pub timeout: Option<Duration>,
    /// Longest time an attempt may be silent, if not the run's.
    pub stall_timeout: Option<Duration>,
    /// How many turns an attempt may take.
    #[serde(default)]
    pub max_turns: Option<usize>,
    /// How many dollars an attempt may cost.
    #[serde(default)]
    pub max_cost: Option<f64>,
    /// Profiles that take over when this one is parked.
    pub fallback: Vec<String>,
    /// A retry goes on in the worktree of the failed attempt.
    pub retry_in_place: bool,
}

/// How the prompt reaches a worker.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PromptBy {
    /// Only as the file `DISPATCH_PROMPT_FILE` (and `{prompt_file}`); standard input is empty.
    #[default]
    File,
    /// On standard input.
    Stdin,
    /// In place of `{prompt}`, or as the last argument.
    Argument,
}

impl PromptBy {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            PromptBy::File => "file",
            PromptBy::Stdin => "stdin",
            PromptBy::Argument => "argument",
        }
    }
}

/// The language of a worker's output.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Anything; only the result file says more.
    #[default]
    Text,
    /// Claude Code, `--output-format stream-json`.
    Claude,
    /// Codex, `exec --json`.
    Codex,
    /// Gemini, `-o stream-json`.
    Gemini,
    /// opencode, `run --format json`.
    Opencode,
    /// aider's plain output.
    Aider,
    /// goose, `run --output-format stream-json -q`.
    Goose,
}

impl Dialect {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Text => "text",
            Dialect::Claude => "claude",
            Dialect::Codex => "codex",
            Dialect::Gemini => "gemini",
            Dialect::Opencode => "opencode",
            Dialect::Aider => "aider",
            Dialect::Goose => "goose",
        }
    }
}
