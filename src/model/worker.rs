//! A worker profile: its command, prompt, output dialect and limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A configured worker profile.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Worker {
    /// The name in plans and in the configuration.
    pub name: String,
    /// The program and its arguments; empty for `shell`, whose command is the task's `run`.
    ///
    /// `{prompt_file}`, `{prompt}`, `{worktree}`, `{run}`, `{task}`, `{attempt}`, `{model}`,
    /// `{permission_mode}`, `{max_turns}` and `{max_cost}` are replaced inside each argument.
    pub command: Vec<String>,
    /// The command that continues a session (`{session}`), in place of `command`; empty if there is
    /// none.
    #[serde(default)]
    pub resume: Vec<String>,
    /// The command that opens a session on a terminal (`{session}`), for `dispatch attach`; empty if
    /// there is none.
    #[serde(default)]
    pub attach: Vec<String>,
    /// The way the prompt is passed.
    pub prompt: PromptBy,
    /// The dialect of the output.
    pub dialect: Dialect,
    /// The model, by the agent's name for it.
    #[serde(default)]
    pub model: Option<String>,
    /// The permission mode, by the agent's name for it.
    #[serde(default)]
    pub permission_mode: Option<String>,
    /// Additional environment variables that are passed on.
    pub env: Vec<String>,
    /// The maximum number of concurrent attempts; no limit of its own if absent.
    pub concurrency: Option<usize>,
    /// The minimum time between two starts.
    pub stagger: Option<Duration>,
    /// The time limit of an attempt, if not the run's.
    pub timeout: Option<Duration>,
    /// The time limit without output, if not the run's.
    pub stall_timeout: Option<Duration>,
    /// The maximum number of turns of an attempt.
    #[serde(default)]
    pub max_turns: Option<usize>,
    /// The maximum cost of an attempt in dollars.
    #[serde(default)]
    pub max_cost: Option<f64>,
    /// The profiles used while this one is parked.
    pub fallback: Vec<String>,
    /// `true` if a retry continues in the worktree of the failed attempt.
    pub retry_in_place: bool,
    /// The confinement of its attempts, if not that of all workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Confinement>,
    /// The isolation of its attempts, if more than that of all workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// The files and folders of the agent itself, which a confined attempt may change: `~/.codex`,
    /// `$CODEX_HOME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<String>,
    /// The executor of its attempts, if not that of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
}

/// The isolation of an attempt's git from the repository.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A linked worktree. In the sandbox its worker has a git folder of its own, too.
    #[default]
    Worktree,
    /// While its worker runs, a git folder of its own that only reads the repository's objects.
    Clone,
}

/// The ways to confine a worker.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confinement {
    /// Not at all.
    Off,
    /// It changes only its own files, enforced by the kernel.
    #[default]
    Write,
    /// It also sees only its own files, in namespaces of its own (bubblewrap).
    Strict,
    /// A program of the user confines it.
    Command,
}

impl Confinement {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Confinement::Off => "off",
            Confinement::Write => "write",
            Confinement::Strict => "strict",
            Confinement::Command => "command",
        }
    }
}

impl Worker {
    /// Returns a profile with this name and defaults otherwise.
    pub fn named(name: &str) -> Worker {
        Worker {
            name: name.to_owned(),
            command: Vec::new(),
            resume: Vec::new(),
            attach: Vec::new(),
            prompt: PromptBy::default(),
            dialect: Dialect::default(),
            model: None,
            permission_mode: None,
            env: Vec::new(),
            concurrency: None,
            stagger: None,
            timeout: None,
            stall_timeout: None,
            max_turns: None,
            max_cost: None,
            fallback: Vec::new(),
            retry_in_place: false,
            sandbox: None,
            isolation: None,
            state: Vec::new(),
            executor: None,
        }
    }

    /// Returns the profile of an attempt that offers what the user made: its command does nothing.
    #[must_use]
    pub fn by_hand(self) -> Worker {
        Worker {
            command: vec!["true".to_owned()],
            prompt: PromptBy::File,
            dialect: Dialect::Text,
            ..self
        }
    }

    /// Returns `true` if an attempt can continue a session of its agent.
    pub fn can_continue(&self) -> bool {
        !self.resume.is_empty() || self.dialect == Dialect::Acp
    }

    /// Returns the option in its command that makes the agent read-only, such as `-s read-only`.
    pub fn read_only_option(&self) -> Option<String> {
        let (options, mode): (&[&str], &str) = match self.dialect {
            Dialect::Codex => (&["-s", "--sandbox"], "read-only"),
            Dialect::Claude => (&["--permission-mode"], "plan"),
            Dialect::Gemini => (&["--approval-mode"], "plan"),
            _ => return None,
        };
        let given = self.permission_mode.as_deref().unwrap_or_default();
        let command: Vec<String> = self
            .command
            .iter()
            .map(|argument| argument.replace("{permission_mode}", given))
            .collect();
        options.iter().find_map(|option| {
            let joined = format!("{option}={mode}");
            let is_apart = |pair: &[String]| pair[0] == *option && pair[1] == mode;
            let is_there = command.contains(&joined) || command.windows(2).any(is_apart);
            is_there.then(|| format!("{option} {mode}"))
        })
    }
}

/// The way the prompt is passed to a worker.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PromptBy {
    /// As the file `DISPATCH_PROMPT_FILE` (and `{prompt_file}`) only; standard input is empty.
    #[default]
    File,
    /// On standard input.
    Stdin,
    /// In place of `{prompt}`, or as the last argument.
    Argument,
    /// As a line of JSON on standard input, which stays open for messages (Claude Code,
    /// `--input-format stream-json`).
    Stream,
}

impl PromptBy {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            PromptBy::File => "file",
            PromptBy::Stdin => "stdin",
            PromptBy::Argument => "argument",
            PromptBy::Stream => "stream",
        }
    }
}

/// The dialect of a worker's output.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Plain text; only the result file has structure.
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
    /// GitHub Copilot CLI, `-p … --output-format json`.
    Copilot,
    /// Antigravity CLI, `agy -p … --output-format stream-json`.
    Antigravity,
    /// Any agent that speaks the Agent Client Protocol; dispatch is its client.
    Acp,
}

impl Dialect {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Text => "text",
            Dialect::Claude => "claude",
            Dialect::Codex => "codex",
            Dialect::Gemini => "gemini",
            Dialect::Opencode => "opencode",
            Dialect::Aider => "aider",
            Dialect::Goose => "goose",
            Dialect::Copilot => "copilot",
            Dialect::Antigravity => "antigravity",
            Dialect::Acp => "acp",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn worker(dialect: Dialect, command: &str, mode: &str) -> Worker {
        Worker {
            command: command.split(' ').map(str::to_owned).collect(),
            prompt: PromptBy::Stdin,
            dialect,
            permission_mode: Some(mode.to_owned()),
            ..Worker::named("agent")
        }
    }

    #[test]
    fn a_read_only_option_is_found_in_the_command() {
        let said = |dialect, command: &str, mode: &str| {
            worker(dialect, command, mode)
                .read_only_option()
                .unwrap_or_else(|| "-".to_owned())
        };
        let placed = "codex exec --json -s {permission_mode} -";
        let said = [
            said(Dialect::Codex, placed, "read-only"),
            said(Dialect::Codex, placed, "workspace-write"),
            said(Dialect::Codex, "codex exec --sandbox=read-only -", ""),
            said(Dialect::Codex, "codex exec -", "read-only"),
            said(Dialect::Claude, "claude -p --permission-mode plan", ""),
            said(Dialect::Gemini, "gemini --approval-mode plan", ""),
            said(Dialect::Text, "sh -s read-only", "read-only"),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        -s read-only
        -
        --sandbox read-only
        -
        --permission-mode plan
        --approval-mode plan
        -
        ");
    }
}
