//! Switches off an agent's own sandbox where dispatch confines it.
//!
//! Inside a confinement by the kernel an agent cannot set up another: every command it runs would fail.

use crate::model::worker::Dialect;

/// The mode of Codex without a sandbox of its own.
const CODEX_FREE: &str = "danger-full-access";

/// Settings of Claude Code without a sandbox of its own.
const CLAUDE_FREE: &str = r#"{"sandbox":{"enabled":false}}"#;

/// Returns the command without the agent's own sandbox; `None` if it has none that is known. A mode in
/// which the agent only reads stays.
pub fn without_own_sandbox(dialect: Dialect, command: &[String]) -> Option<Vec<String>> {
    let program = command.first()?.rsplit('/').next()?;
    match (dialect, program) {
        (Dialect::Codex, "codex") => codex(command),
        (Dialect::Claude, "claude") => claude(command),
        _ => None,
    }
}

fn codex(command: &[String]) -> Option<Vec<String>> {
    let mut free = command.to_vec();
    let mut has_changed = false;
    for at in 1..free.len() {
        let follows = matches!(free[at - 1].as_str(), "-s" | "--sandbox");
        let value = match free[at].as_str() {
            "workspace-write" if follows => CODEX_FREE.to_owned(),
            "--sandbox=workspace-write" => format!("--sandbox={CODEX_FREE}"),
            "--full-auto" => format!("--sandbox={CODEX_FREE}"),
            _ => continue,
        };
        free[at] = value;
        has_changed = true;
    }
    has_changed.then_some(free)
}

fn claude(command: &[String]) -> Option<Vec<String>> {
    let has_settings = |word: &String| word == "--settings" || word.starts_with("--settings=");
    if command.iter().any(has_settings) {
        return None;
    }
    let mut free = command.to_vec();
    free.splice(1..1, ["--settings", CLAUDE_FREE].map(str::to_owned));
    Some(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_sandbox_changes() {
        let free = |dialect, command: &str| {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            let free = without_own_sandbox(dialect, &words);
            free.map_or_else(|| "unchanged".to_owned(), |words| words.join(" "))
        };
        let said = [
            free(Dialect::Codex, "codex exec --json -s workspace-write -"),
            free(
                Dialect::Codex,
                "/opt/codex exec --sandbox=workspace-write -",
            ),
            free(Dialect::Codex, "codex exec --full-auto -"),
            free(Dialect::Codex, "codex exec -s read-only -"),
            free(Dialect::Codex, "wrapper -s workspace-write"),
            free(Dialect::Claude, "claude -p --permission-mode plan"),
            free(Dialect::Claude, "claude -p --settings mine.json"),
            free(Dialect::Text, "claude -p"),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        codex exec --json -s danger-full-access -
        /opt/codex exec --sandbox=danger-full-access -
        codex exec --sandbox=danger-full-access -
        unchanged
        unchanged
        claude --settings {"sandbox":{"enabled":false}} -p --permission-mode plan
        unchanged
        unchanged
        "#);
    }
}
