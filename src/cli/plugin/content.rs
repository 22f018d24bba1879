//! The files of the plugin, compiled in.

/// A file of the plugin: its path in the folder, and its text.
pub(super) type PluginFile = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../plugin/", $path))),)*]
    };
}

/// All files of the plugin.
pub(super) const FILES: &[PluginFile] = files![
    ".agents/plugins/marketplace.json",
    ".claude-plugin/marketplace.json",
    ".claude-plugin/plugin.json",
    "README.md",
    "gemini-extension.json",
    "mcp.json",
    "plugin.json",
    "skills/dispatch/SKILL.md",
];

/// The text of the skill.
pub(super) const SKILL: &str = include_str!("../../../plugin/skills/dispatch/SKILL.md");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use crate::cli;

    use super::*;

    fn parse(path: &str) -> Value {
        let (_, text) = FILES.iter().find(|(known, _)| *known == path).unwrap();
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_compiled_in() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
        let mut open = vec![top.clone()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => {
                        let inner = path.strip_prefix(&top).unwrap();
                        found.push(inner.to_str().unwrap().to_owned());
                    }
                }
            }
        }
        found.sort();
        let known: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn every_manifest_has_the_version_and_the_name_of_the_program() {
        let manifests = [
            ".claude-plugin/plugin.json",
            "plugin.json",
            "gemini-extension.json",
        ];
        for path in manifests {
            let manifest = parse(path);
            assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"), "{path}");
            assert_eq!(manifest["name"], "dispatch", "{path}");
        }
        let server = serde_json::json!({"command": "dispatch", "args": ["mcp"]});
        for path in ["mcp.json", "gemini-extension.json"] {
            let found = &parse(path)["mcpServers"]["dispatch"];
            assert_eq!(found["command"], server["command"], "{path}");
            assert_eq!(found["args"], server["args"], "{path}");
        }
    }

    #[test]
    fn marketplaces_offer_the_folder_they_are_in() {
        let claude = parse(".claude-plugin/marketplace.json");
        assert_eq!(claude["plugins"][0]["source"], "./");
        let codex = parse(".agents/plugins/marketplace.json");
        assert_eq!(codex["plugins"][0]["source"]["path"], "./");
    }

    /// Returns the command lines in the code blocks for a shell.
    fn command_lines(text: &str) -> Vec<&str> {
        let mut lines = Vec::new();
        let mut is_shell = false;
        for line in text.lines() {
            match line {
                "```sh" => is_shell = true,
                "```" => is_shell = false,
                line if is_shell && !line.is_empty() => lines.push(line),
                _ => {}
            }
        }
        lines
    }

    /// Splits a command line into words, without its comment.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" # ").next().unwrap();
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_command_line_of_the_skill_is_understood() {
        let readme = FILES
            .iter()
            .find(|(path, _)| *path == "README.md")
            .unwrap()
            .1;
        let lines = [command_lines(SKILL), command_lines(readme)].concat();
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("dispatch "))
            .collect();
        assert!(lines.len() > 20, "only {} lines were found", lines.len());
        for line in lines {
            let parsed = cli::command().try_get_matches_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn commands_and_tools_named_in_the_text_exist() {
        let program = cli::command();
        for (at, _) in SKILL.match_indices("`dispatch ") {
            let rest = &SKILL[at + 1..];
            let line = &rest[..rest.find('`').unwrap()];
            let name = line.split_whitespace().nth(1).unwrap();
            assert!(program.find_subcommand(name).is_some(), "{line}");
        }
        let tools = crate::mcp::names();
        for tool in [
            "run_start",
            "run_wait",
            "run_status",
            "run_report",
            "task_log",
            "task_retry",
        ] {
            assert!(
                SKILL.contains(&format!("`{tool}`")) && tools.contains(&tool),
                "{tool}"
            );
        }
    }

    #[test]
    fn the_skill_keeps_the_limits_of_the_format() {
        let mut parts = SKILL.splitn(3, "---\n");
        assert_eq!(parts.next(), Some(""));
        let head = parts.next().unwrap();
        let field = |name: &str| {
            let line = head
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap()
        };
        assert_eq!(field("name"), "dispatch");
        assert!(field("description").chars().count() <= 1024);
        assert!(field("compatibility").chars().count() <= 500);
        assert!(SKILL.lines().count() < 300);
    }

    #[test]
    fn the_plan_in_the_skill_is_valid() {
        let start = SKILL.find("```markdown\n").unwrap() + "```markdown\n".len();
        let text = &SKILL[start..];
        let source = crate::plan::Source {
            name: "plan.md".to_owned(),
            format: crate::plan::Format::Markdown,
            text: text[..text.find("```").unwrap()].to_owned(),
        };
        let parsed = crate::plan::parse(&source, None, &|_| Err(String::new()));
        assert_eq!(parsed.diagnostics, []);
        assert_eq!(parsed.plan.unwrap().tasks().len(), 3);
    }
}
