//! Registers `dispatch mcp` with an agent, through the agent's own command.

use clap::ValueEnum;

use super::Scope;
use super::skill::SkillHome;
use crate::base::process::{Program, find_program};

/// A coding agent that reads skills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(super) enum Agent {
    Claude,
    Codex,
    Gemini,
    Opencode,
    Copilot,
}

impl Agent {
    /// All agents.
    pub(super) const ALL: [Agent; 5] = [
        Agent::Claude,
        Agent::Codex,
        Agent::Gemini,
        Agent::Opencode,
        Agent::Copilot,
    ];

    /// Returns the name, which is that of its program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Agent::Claude => "claude",
            Agent::Codex => "codex",
            Agent::Gemini => "gemini",
            Agent::Opencode => "opencode",
            Agent::Copilot => "copilot",
        }
    }

    /// Returns `true` if its program is installed.
    pub(super) fn is_installed(self) -> bool {
        find_program(self.name()).is_some()
    }

    /// Returns the folder of skills that it reads.
    pub(super) fn skill_home(self) -> SkillHome {
        match self {
            Agent::Claude => SkillHome::Claude,
            _ => SkillHome::Agents,
        }
    }

    /// Returns the command that registers the server.
    pub(super) fn add(self, scope: Scope) -> Vec<&'static str> {
        match self {
            Agent::Claude => vec![
                "claude",
                "mcp",
                "add",
                "--scope",
                scope.word(),
                "dispatch",
                "--",
                "dispatch",
                "mcp",
            ],
            Agent::Gemini => vec![
                "gemini",
                "mcp",
                "add",
                "--scope",
                scope.word(),
                "dispatch",
                "dispatch",
                "mcp",
            ],
            Agent::Codex | Agent::Opencode | Agent::Copilot => {
                vec![
                    self.name(),
                    "mcp",
                    "add",
                    "dispatch",
                    "--",
                    "dispatch",
                    "mcp",
                ]
            }
        }
    }

    /// Returns the command that removes the registration; `None` if the agent has none.
    pub(super) fn remove(self, scope: Scope) -> Option<Vec<&'static str>> {
        match self {
            Agent::Claude | Agent::Gemini => Some(vec![
                self.name(),
                "mcp",
                "remove",
                "--scope",
                scope.word(),
                "dispatch",
            ]),
            Agent::Codex | Agent::Copilot => Some(vec![self.name(), "mcp", "remove", "dispatch"]),
            Agent::Opencode => None,
        }
    }

    /// Describes the place of a registration that reaches further than the project; empty if none
    /// does.
    pub(super) fn reach(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Agent::Claude | Agent::Gemini, _) | (_, Scope::User) => "",
            _ => " (for all your projects: it has no setting for one)",
        }
    }
}

/// Runs a command of an agent.
///
/// # Errors
/// The last line of its output, if it failed or could not be run.
pub(super) fn run(command: &[&str], folder: &std::path::Path) -> Result<(), String> {
    let Some((program, args)) = command.split_first() else {
        return Ok(());
    };
    let finished = Program::new(program).args(args).folder(folder).output();
    let finished = finished.map_err(|error| error.to_string())?;
    if finished.status.success() {
        return Ok(());
    }
    let said = [finished.stdout, finished.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(last
        .unwrap_or("it failed without a message")
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_registers_the_server_with_its_own_command() {
        let line = |agent: Agent| {
            let scope = Scope::Project;
            let remove = agent.remove(scope).unwrap_or_default();
            format!("{}\n{}", agent.add(scope).join(" "), remove.join(" "))
        };
        let lines: Vec<String> = Agent::ALL.into_iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        claude mcp add --scope project dispatch -- dispatch mcp
        claude mcp remove --scope project dispatch
        codex mcp add dispatch -- dispatch mcp
        codex mcp remove dispatch
        gemini mcp add --scope project dispatch dispatch mcp
        gemini mcp remove --scope project dispatch
        opencode mcp add dispatch -- dispatch mcp

        copilot mcp add dispatch -- dispatch mcp
        copilot mcp remove dispatch
        ");
    }
}
