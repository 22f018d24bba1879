//! Makes an agent read-only, for calls whose answer counts and not their changes.

use std::path::Path;

use crate::model::worker::{Dialect, Worker};
use crate::worker::command::PERMISSION_MODE;

/// The read-only mode of a program.
struct ReadOnly {
    program: &'static str,
    /// The permission mode, where the command has a place for it.
    mode: Option<&'static str>,
    /// The options that take the mode in a command without that place.
    options: &'static [&'static str],
    /// Further arguments, before the last ones of the command.
    arguments: &'static [&'static str],
    /// Arguments that allow what the mode would ask for.
    removed: &'static [&'static str],
}

/// The programs with a read-only mode. Claude's mode `plan` would make it write its plan into a file
/// of its own and ask for approval, so its tools for edits are switched off instead.
const PROGRAMS: &[ReadOnly] = &[
    ReadOnly {
        program: "claude",
        mode: Some("default"),
        options: &["--permission-mode"],
        arguments: &["--disallowedTools=Edit,MultiEdit,Write,NotebookEdit"],
        removed: &["--dangerously-skip-permissions"],
    },
    ReadOnly {
        program: "codex",
        mode: Some("read-only"),
        options: &["-s", "--sandbox"],
        arguments: &[],
        removed: &[],
    },
    ReadOnly {
        program: "gemini",
        mode: Some("plan"),
        options: &["--approval-mode"],
        arguments: &[],
        removed: &[],
    },
    ReadOnly {
        program: "opencode",
        mode: None,
        options: &[],
        arguments: &["--agent", "plan"],
        removed: &["--auto"],
    },
    // Denials count more than `--allow-all-tools`, without which it asks for every tool.
    ReadOnly {
        program: "copilot",
        mode: None,
        options: &[],
        arguments: &["--deny-tool=write", "--deny-tool=shell"],
        removed: &["--allow-all", "--yolo", "--allow-all-paths"],
    },
    ReadOnly {
        program: "agy",
        mode: Some("plan"),
        options: &["--mode"],
        arguments: &[],
        removed: &["--dangerously-skip-permissions"],
    },
    ReadOnly {
        program: "aider",
        mode: None,
        options: &[],
        arguments: &["--chat-mode", "ask"],
        removed: &[],
    },
];

/// Returns the worker in the read-only mode of its program; unchanged if that has none. An agent that
/// speaks ACP gets its answers from dispatch's own client, which is told to allow reading alone.
pub fn read_only(worker: &Worker) -> Worker {
    if worker.dialect == Dialect::Acp {
        return worker.clone();
    }
    let program = worker.command.first().map(Path::new);
    let name = program.and_then(Path::file_name).unwrap_or_default();
    let Some(known) = PROGRAMS.iter().find(|known| *known.program == *name) else {
        return worker.clone();
    };
    let mut limited = worker.clone();
    let is_removed = |argument: &String| known.removed.contains(&argument.as_str());
    limited.command.retain(|argument| !is_removed(argument));
    if let Some(mode) = known.mode {
        limited.permission_mode = Some(mode.to_owned());
        set_mode(&mut limited.command, known.options, mode);
    }
    // Options come before the prompt, which may be the last argument.
    let end = limited.command.len();
    let at = if end > 1 && !limited.command[1].starts_with('-') {
        2
    } else {
        1
    };
    let arguments = known.arguments.iter().map(|text| (*text).to_owned());
    limited.command.splice(at..at, arguments);
    limited
}

/// Replaces the value of an option: `-s workspace-write`, `--sandbox=workspace-write`.
fn set_mode(command: &mut [String], options: &[&str], mode: &str) {
    for at in 0..command.len() {
        let (before, rest) = command.split_at_mut(at);
        let argument = &mut rest[0];
        let follows = before
            .last()
            .is_some_and(|option| options.contains(&option.as_str()));
        let joined = options
            .iter()
            .find(|option| argument.starts_with(&format!("{option}=")));
        if follows && argument != PERMISSION_MODE {
            mode.clone_into(argument);
        } else if let Some(option) = joined {
            *argument = format!("{option}={mode}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(command: &str) -> String {
        let worker = Worker {
            command: command.split(' ').map(str::to_owned).collect(),
            permission_mode: Some("everything".to_owned()),
            ..Worker::named("agent")
        };
        let limited = read_only(&worker);
        let mode = limited.permission_mode.unwrap_or_default();
        format!("{} ({mode})", limited.command.join(" "))
    }

    #[test]
    fn an_agent_with_a_read_only_mode_gets_it() {
        let said = [
            "/usr/bin/claude -p --permission-mode {permission_mode}",
            "codex exec --json -s {permission_mode} -",
            "codex exec --sandbox=workspace-write -",
            "codex exec -s workspace-write -",
            "gemini -p {prompt} --approval-mode yolo",
            "opencode run --format json --auto {prompt}",
            "aider --message-file {prompt_file}",
            "copilot --output-format json --allow-all-tools --no-ask-user",
            "agy -p {prompt} --mode {permission_mode} --dangerously-skip-permissions",
            "./planner -s x",
        ]
        .map(limited);
        insta::assert_snapshot!(said.join("\n"), @r"
        /usr/bin/claude --disallowedTools=Edit,MultiEdit,Write,NotebookEdit -p --permission-mode {permission_mode} (default)
        codex exec --json -s {permission_mode} - (read-only)
        codex exec --sandbox=read-only - (read-only)
        codex exec -s read-only - (read-only)
        gemini -p {prompt} --approval-mode plan (plan)
        opencode run --agent plan --format json {prompt} (everything)
        aider --chat-mode ask --message-file {prompt_file} (everything)
        copilot --deny-tool=write --deny-tool=shell --output-format json --allow-all-tools --no-ask-user (everything)
        agy -p {prompt} --mode {permission_mode} (plan)
        ./planner -s x (everything)
        ");
    }
}
