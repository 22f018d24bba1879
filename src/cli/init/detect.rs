//! Detects agents, build tools, and files that workers need, in the repository and on `PATH`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base::files::read_if_exists;
use crate::config::builtin::AGENTS;

/// The results of the detection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Findings {
    /// Worker profiles whose program is installed, the preferred one first.
    pub(crate) workers: Vec<&'static str>,
    /// The commands that test the project, each with the file it was derived from.
    pub(crate) checks: Vec<(String, &'static str)>,
    /// Commands that prepare a new worktree.
    pub(crate) setup: Vec<String>,
    /// Untracked files a worker probably needs.
    pub(crate) copies: Vec<String>,
    /// Folders with caches of the build tools.
    pub(crate) keep: Vec<&'static str>,
    /// The files that decide about a set-up.
    pub(crate) setup_when: Vec<&'static str>,
}

/// Inspects the top folder and the folders of `PATH`, without running anything.
pub(crate) fn survey(top: &Path, path: &[PathBuf]) -> Findings {
    let present = AGENTS
        .iter()
        .filter(|agent| path.iter().any(|f| is_program(&f.join(agent.program))));
    let tools = BUILD_TOOLS.iter().filter_map(|find| find(top));
    let keep = caches(top);
    let mut findings = Findings {
        workers: present.map(|agent| agent.worker).collect(),
        copies: without(copies(top), &keep),
        keep,
        ..Findings::default()
    };
    for tool in tools {
        findings.checks.push((tool.check, tool.file));
        findings.setup.extend(tool.setup);
    }
    if !findings.setup.is_empty() {
        let locks = LOCKS.into_iter().filter(|name| has(top, name));
        findings.setup_when = locks.collect();
    }
    if findings.checks.is_empty() {
        findings
            .checks
            .extend(make(top).map(|tool| (tool.check, tool.file)));
    }
    findings
}

/// Leaves out copies of kept folders: each worktree has its own, filled from the store that its package
/// manager shares among all of them.
fn without(copies: Vec<String>, keep: &[&str]) -> Vec<String> {
    let is_kept = |copy: &String| {
        let last = copy.trim_end_matches(['/', '*']).rsplit('/').next();
        last.is_some_and(|last| keep.contains(&last))
    };
    copies.into_iter().filter(|copy| !is_kept(copy)).collect()
}

/// Files that list packages with their versions.
const LOCKS: [&str; 5] = [
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "package-lock.json",
    "mix.lock",
];

/// Returns the folders in which the build tools of a project keep what they check before they use it.
fn caches(top: &Path) -> Vec<&'static str> {
    let of_tools = [
        ("Cargo.toml", &["target"][..]),
        ("package.json", &["node_modules"]),
        ("pyproject.toml", &[".venv"]),
        ("pom.xml", &["target"]),
        ("build.gradle", &[".gradle", "build"]),
        ("build.gradle.kts", &[".gradle", "build"]),
        ("mix.exs", &["_build", "deps"]),
    ];
    let mut found: Vec<&'static str> = Vec::new();
    for (file, folders) in of_tools {
        for folder in folders.iter().filter(|_| has(top, file)) {
            if !found.contains(folder) {
                found.push(folder);
            }
        }
    }
    found
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A build tool that a project uses.
struct Tool {
    file: &'static str,
    check: String,
    setup: Option<String>,
}

impl Tool {
    fn new(file: &'static str, check: &str) -> Tool {
        Tool {
            file,
            check: check.to_owned(),
            setup: None,
        }
    }
}

type FindTool = fn(&Path) -> Option<Tool>;

/// Every way to find a build tool except `make`, which often only calls one of these.
const BUILD_TOOLS: &[FindTool] = &[cargo, node, python, go, maven, gradle, mix, dotnet];

fn has(top: &Path, name: &str) -> bool {
    top.join(name).is_file()
}

fn text_of(top: &Path, name: &str) -> Option<String> {
    let bytes = read_if_exists(&top.join(name)).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn cargo(top: &Path) -> Option<Tool> {
    has(top, "Cargo.toml").then(|| Tool::new("Cargo.toml", "cargo test"))
}

fn node(top: &Path) -> Option<Tool> {
    #[derive(serde::Deserialize)]
    struct Package {
        #[serde(default)]
        scripts: BTreeMap<String, serde_json::Value>,
    }
    let package: Package = serde_json::from_str(&text_of(top, "package.json")?).ok()?;
    let test = package.scripts.get("test")?.as_str()?;
    // `npm init` writes this when there is no test.
    if test.contains("no test specified") {
        return None;
    }
    let locks = [
        (
            "pnpm-lock.yaml",
            "pnpm test",
            "pnpm install --frozen-lockfile",
        ),
        ("yarn.lock", "yarn test", "yarn install --frozen-lockfile"),
        ("bun.lock", "bun run test", "bun install --frozen-lockfile"),
        ("package-lock.json", "npm test", "npm ci"),
    ];
    let lock = locks.into_iter().find(|(lock, _, _)| has(top, lock));
    let (_, check, setup) = lock.unwrap_or(("", "npm test", "npm install"));
    Some(Tool {
        setup: Some(setup.to_owned()),
        ..Tool::new("package.json", check)
    })
}

fn python(top: &Path) -> Option<Tool> {
    let config = ["pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"];
    let mentions = |name: &&str| text_of(top, name).is_some_and(|text| text.contains("pytest"));
    let file = if has(top, "pytest.ini") {
        "pytest.ini"
    } else {
        config.into_iter().find(mentions)?
    };
    if has(top, "uv.lock") {
        return Some(Tool::new(file, "uv run pytest"));
    }
    if has(top, "poetry.lock") {
        return Some(Tool::new(file, "poetry run pytest"));
    }
    Some(Tool::new(file, "python -m pytest"))
}

fn go(top: &Path) -> Option<Tool> {
    has(top, "go.mod").then(|| Tool::new("go.mod", "go test ./..."))
}

fn maven(top: &Path) -> Option<Tool> {
    let program = if has(top, "mvnw") { "./mvnw" } else { "mvn" };
    has(top, "pom.xml").then(|| Tool::new("pom.xml", &format!("{program} -q test")))
}

fn gradle(top: &Path) -> Option<Tool> {
    let file = ["build.gradle.kts", "build.gradle"]
        .into_iter()
        .find(|name| has(top, name))?;
    let program = if has(top, "gradlew") {
        "./gradlew"
    } else {
        "gradle"
    };
    Some(Tool::new(file, &format!("{program} test")))
}

fn mix(top: &Path) -> Option<Tool> {
    has(top, "mix.exs").then(|| Tool {
        setup: Some("mix deps.get".to_owned()),
        ..Tool::new("mix.exs", "mix test")
    })
}

fn dotnet(top: &Path) -> Option<Tool> {
    let mut entries = fs::read_dir(top).ok()?.flatten();
    let is_solution = |name: &Path| name.extension().is_some_and(|e| e == "sln" || e == "slnx");
    let found = entries.any(|entry| is_solution(&entry.path()));
    found.then(|| Tool::new("the solution", "dotnet test"))
}

fn make(top: &Path) -> Option<Tool> {
    let just = ["justfile", "Justfile"]
        .into_iter()
        .find(|name| has_target(top, name));
    let makefile = ["GNUmakefile", "makefile", "Makefile"]
        .into_iter()
        .find(|name| has_target(top, name));
    let made = makefile.map(|file| Tool::new(file, "make test"));
    made.or(just.map(|file| Tool::new(file, "just test")))
}

/// Returns `true` if a file has a rule for the target `test`, not an assignment `test := …`.
fn has_target(top: &Path, file: &str) -> bool {
    let is_rule = |line: &str| {
        let rest = line.strip_prefix("test").map(str::trim_start);
        rest.and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| !rest.starts_with('='))
    };
    text_of(top, file).is_some_and(|text| text.lines().any(is_rule))
}

/// Lists files that git usually ignores and the project needs; those of `.worktreeinclude` come
/// first.
fn copies(top: &Path) -> Vec<String> {
    let usual = [
        ".env",
        ".env.local",
        ".env.development.local",
        ".env.test.local",
        ".envrc",
        ".npmrc",
        "local.properties",
        "config/master.key",
    ];
    let included = text_of(top, ".worktreeinclude").unwrap_or_default();
    let mut all: Vec<String> = included
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
        .map(|line| line.trim_start_matches('/').to_owned())
        .collect();
    for name in usual {
        if has(top, name) && !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Creates a repository with these files, and a folder of programs with these names.
    pub(in crate::cli::init) fn found(
        files: &[(&str, &str)],
        programs: &[&str],
    ) -> (tempfile::TempDir, Findings) {
        let folder = tempfile::tempdir().unwrap();
        let (top, bin) = (folder.path().join("top"), folder.path().join("bin"));
        for folder in [&top, &bin] {
            fs::create_dir(folder).unwrap();
        }
        for (name, text) in files {
            fs::write(top.join(name), text).unwrap();
        }
        for name in programs {
            let program = bin.join(name);
            fs::write(&program, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let findings = survey(&top, &[bin]);
        (folder, findings)
    }

    fn check(files: &[(&str, &str)]) -> String {
        let (_folder, findings) = found(files, &[]);
        let commands: Vec<_> = findings
            .checks
            .into_iter()
            .map(|(command, _)| command)
            .collect();
        commands.join(" && ")
    }

    #[test]
    fn the_test_command_is_read_off_the_build_files() {
        let script = r#"{"scripts": {"test": "jest"}}"#;
        let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        let pytest = "[tool.pytest.ini_options]";
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("Cargo.toml", "")], "cargo test"),
            (&[("package.json", script)], "npm test"),
            (&[("package.json", script), ("yarn.lock", "")], "yarn test"),
            (&[("package.json", none)], ""),
            (&[("package.json", "{}")], ""),
            (&[("package.json", "not json")], ""),
            (&[("pyproject.toml", pytest)], "python -m pytest"),
            (
                &[("pyproject.toml", pytest), ("uv.lock", "")],
                "uv run pytest",
            ),
            (&[("pyproject.toml", "[project]")], ""),
            (&[("go.mod", "")], "go test ./..."),
            (&[("pom.xml", ""), ("mvnw", "")], "./mvnw -q test"),
            (&[("build.gradle", "")], "gradle test"),
            (&[("mix.exs", "")], "mix test"),
            (&[("shop.sln", "")], "dotnet test"),
            (&[("Makefile", "all:\n\ntest: all\n")], "make test"),
            (&[("Makefile", "test := 1\ntests:\n")], ""),
            (&[("Makefile", "test:\n"), ("go.mod", "")], "go test ./..."),
            (&[("justfile", "test:\n")], "just test"),
            (
                &[("go.mod", ""), ("Cargo.toml", "")],
                "cargo test && go test ./...",
            ),
        ];
        for (files, expected) in cases {
            assert_eq!(check(files), *expected, "{files:?}");
        }
    }

    #[test]
    fn a_program_without_permission_to_run_is_no_agent() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("claude"), "").unwrap();
        let path = [folder.path().to_owned()];
        assert!(survey(folder.path(), &path).workers.is_empty());
    }
}
