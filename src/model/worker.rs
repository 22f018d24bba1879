//! A worker profile: which program does the work, how it is told, what its output looks like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A configured worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Worker {
    /// The name plans and the configuration use.
    pub name: String,
    /// The program and its arguments; `{prompt_file}`, `{prompt}`, `{worktree}`, `{run}`, `{task}`,
    /// `{attempt}`, `{model}`, `{permission_mode}`, `{max_turns}`, `{max_cost}` are replaced inside each
    /// argument. Empty for `shell`, whose command is the task's `run`.
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

impl Worker {
    /// A profile with this name in which nothing is set.
    pub fn named(name: &str) -> Worker {
        Worker {
            name: name.to_owned(),
            command: Vec::new(),
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
        }
    }

    /// The option with which its command keeps the agent from changing any file: `-s read-only`.
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
    fn a_command_says_itself_that_its_agent_may_only_read() {
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
