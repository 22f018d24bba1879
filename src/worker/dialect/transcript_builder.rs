//! Builds a transcript from events, and describes events in words.

use serde_json::Value;

use crate::base::markdown::plain_line;
use crate::base::text::clip;
use crate::model::transcript::Transcript;
use crate::model::usage::{Cost, Usage};
use crate::model::worker::Dialect;

/// The longest text of an agent that is kept, in characters.
const TEXT_LIMIT: usize = 64 * 1024;

/// The longest description of a step or a refusal, in characters.
const STEP_LIMIT: usize = 200;

/// Number of refusals that are kept, and of hindrances.
const MOST_REFUSALS: usize = 20;

/// Number of lines without events that are kept: the last ones.
const MOST_STRAY: usize = 12;

/// The transcript so far, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct TranscriptBuilder {
    pub(super) transcript: Transcript,
    /// The current step of the agent.
    pub(super) step: Option<String>,
    /// The worktree with a slash at the end, which is removed from paths.
    folder: String,
    /// `true` if part of the output is missing, so that sums are unknown.
    pub(super) has_gap: bool,
}

impl TranscriptBuilder {
    pub(super) fn new(dialect: Dialect, folder: &str) -> TranscriptBuilder {
        TranscriptBuilder {
            transcript: Transcript {
                dialect,
                ..Transcript::default()
            },
            folder: format!("{}/", folder.trim_end_matches('/')),
            ..TranscriptBuilder::default()
        }
    }

    /// Parses the event on a line; any other line is kept as stray output.
    pub(super) fn event(&mut self, line: &str) -> Option<Value> {
        let line = line.trim();
        let event = match line.starts_with('{') {
            true => serde_json::from_str(line).ok(),
            false => {
                self.stray(line);
                None
            }
        };
        self.transcript.events += u64::from(event.is_some());
        event
    }

    pub(super) fn stray(&mut self, line: &str) {
        let line = plain_line(line, 2 * STEP_LIMIT);
        let stray = &mut self.transcript.stray;
        if !line.is_empty() {
            stray.push(line);
        }
        if stray.len() > MOST_STRAY {
            stray.remove(0);
        }
    }

    /// Records that the agent works on, so that an earlier final event does not count.
    pub(super) fn mark_active(&mut self) {
        self.transcript.terminal_seen = false;
    }

    pub(super) fn session(&mut self, name: Option<&str>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            self.transcript.session = Some(plain_line(name, STEP_LIMIT));
        }
    }

    /// Sets the current step to the first line of a text.
    pub(super) fn step(&mut self, words: &str) {
        let first = words.trim_start().lines().next().unwrap_or_default();
        let step = self.shown(first);
        if !step.is_empty() {
            self.step = Some(step);
        }
    }

    /// Records a refused use of a tool, except a commit, which dispatch makes itself.
    pub(super) fn refused_tool(&mut self, name: &str, input: &Value) {
        if !text(input, "/command").is_some_and(is_commit) {
            self.refused(&describe_tool(name, input));
        }
    }

    /// Records a refused permission.
    pub(super) fn refused(&mut self, what: &str) {
        let what = self.shown(what);
        add_once(&mut self.transcript.refusals, what);
    }

    /// Records a refusal that may not matter for the result.
    pub(super) fn hindered(&mut self, what: &str) {
        let what = self.shown(what);
        add_once(&mut self.transcript.hindrances, what);
    }

    /// Renders one safe line without the path of the worktree.
    fn shown(&self, words: &str) -> String {
        plain_line(&words.replace(&self.folder, ""), STEP_LIMIT)
    }

    /// Adds usage and cost.
    pub(super) fn add(&mut self, usage: Usage, cost: Cost) {
        let transcript = &mut self.transcript;
        (transcript.usage, transcript.cost) = match transcript.usage {
            None => (Some(usage), cost),
            Some(before) => (Some(before + usage), transcript.cost + cost),
        };
    }
}

fn add_once(list: &mut Vec<String>, what: String) {
    if !what.is_empty() && list.len() < MOST_REFUSALS && !list.contains(&what) {
        list.push(what);
    }
}

/// Returns `true` for a command that only commits, which dispatch does itself. Agents rarely have the
/// permission to write into the folder of a repository.
pub(super) fn is_commit(command: &str) -> bool {
    let command = command.trim().trim_start_matches("/bin/");
    let script = ["bash -lc ", "bash -c ", "sh -c "]
        .into_iter()
        .find_map(|shell| command.strip_prefix(shell));
    let command = script
        .unwrap_or(command)
        .trim_start_matches(['"', '\'', ' ']);
    let command = match command.strip_prefix("cd ") {
        Some(rest) => rest.split_once("&&").map_or("", |(_, rest)| rest),
        None => command,
    };
    let mut words = command.split_whitespace();
    words.next() == Some("git") && matches!(words.next(), Some("add" | "commit"))
}

/// Describes a use of a tool by its most telling input: `Write src/a.rs`, `Bash cargo test`.
pub(super) fn describe_tool(name: &str, input: &Value) -> String {
    const TELLING: [&str; 12] = [
        "file_path",
        "filePath",
        "path",
        "notebook_path",
        "command",
        "pattern",
        "url",
        "query",
        "description",
        "prompt",
        "subject",
        "title",
    ];
    let telling = TELLING.iter().find_map(|key| input.get(key)?.as_str());
    match telling {
        Some(telling) => format!("{name} {}", telling.replace(['\n', '\r'], " ")),
        None => name.to_owned(),
    }
}

/// Cuts a text to the limit.
pub(super) fn bounded(text: &str) -> String {
    clip(text, TEXT_LIMIT)
}

/// Appends to a text within the limit.
pub(super) fn extend(text: &mut String, more: &str) {
    if text.len() < TEXT_LIMIT {
        text.push_str(&clip(more, TEXT_LIMIT));
    }
}

/// Returns the string at a JSON pointer.
pub(super) fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str()
}

/// Returns the number at a JSON pointer, or 0.
pub(super) fn count(event: &Value, pointer: &str) -> u64 {
    event.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// Returns the HTTP status at a JSON pointer.
pub(super) fn status(event: &Value, pointer: &str) -> Option<u16> {
    let status = u16::try_from(event.pointer(pointer)?.as_u64()?).ok()?;
    (100..600).contains(&status).then_some(status)
}

/// Finds an HTTP status in a message: `unexpected status 401 Unauthorized`, `last status: 429 …`.
pub(super) fn status_in(message: &str) -> Option<u16> {
    let mut after = message.split("status").skip(1);
    after.find_map(|rest| {
        let rest = rest.trim_start_matches([':', ' ', '=']);
        let rest = rest.strip_prefix("code").unwrap_or(rest);
        let rest = rest.trim_start_matches([':', ' ', '=']);
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        let status = digits.parse().ok()?;
        (400..600).contains(&status).then_some(status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_found_in_messages() {
        let found = |message| status_in(message);
        assert_eq!(found("unexpected status 401 Unauthorized: x"), Some(401));
        assert_eq!(
            found("exceeded retry limit, last status: 429 Too Many"),
            Some(429)
        );
        assert_eq!(found("the status code 503 came"), Some(503));
        assert_eq!(found("status unknown after 500 lines"), None);
        assert_eq!(found("status 12345"), None);
    }

    #[test]
    fn only_what_begins_with_a_commit_is_one() {
        assert!(is_commit("git commit -m x"));
        assert!(is_commit("/bin/bash -lc 'git commit -am x'"));
        assert!(is_commit(" cd /w && git add -A && git commit -m x"));
        let others = ["rm -rf x && git commit", "git push", "git", "cd git add"];
        assert!(!others.into_iter().any(is_commit));
    }

    #[test]
    fn a_refused_commit_is_passed_over_and_anything_else_is_refused_once() {
        let mut builder = TranscriptBuilder::new(Dialect::Claude, "/w/auth");
        let tool = |key: &str, value: &str| serde_json::json!({ key: value });
        builder.refused_tool("Bash", &tool("command", "git add . && git commit -m x"));
        builder.refused_tool("Write", &tool("file_path", "/w/auth/src/a.rs"));
        builder.refused_tool("Write", &tool("file_path", "/w/auth/src/a.rs"));
        builder.refused_tool("Task", &Value::Null);
        assert_eq!(builder.transcript.refusals, ["Write src/a.rs", "Task"]);
    }
}
