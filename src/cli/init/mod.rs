//! `dispatch init`: writes a first `.dispatch.toml` from the repository and the programs on `PATH`.

pub(crate) mod detect;

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::text::error_chain;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::init::detect::{Findings, survey};
use crate::cli::repo_context::RepoContext;
use crate::config::variable::Overrides;
use crate::config::{self, FILE_NAME};
use crate::engine::trust;
use crate::git::Repo;
use crate::ui::Ui;

/// Write a first .dispatch.toml for the agents, build tool and tests found here
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct InitArgs {
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    /// Only print the file
    #[arg(long)]
    print: bool,
}

/// Runs the subcommand; `--print` works outside a repository as well.
///
/// # Errors
/// When the file exists already, or cannot be written.
pub(crate) fn run(args: InitArgs, ui: &Ui) -> CommandResult {
    if args.print && RepoContext::open_if_any()?.is_none() {
        return run_in(args, &env::current_dir().unwrap_or_default(), ui);
    }
    let repo = RepoContext::open_to_read()?.repo;
    run_in(args, &repo.top, ui)?;
    if !args.print
        && let Err(error) = trust_new(&repo)
    {
        ui.warning(&format!(
            "your consent to {FILE_NAME} is not recorded: {}",
            error.message
        ));
    }
    Ok(ExitStatus::Ok)
}

/// Records consent to the file that was just written: its commands are those of dispatch's own table.
fn trust_new(repo: &Repo) -> Result<(), CommandError> {
    let settings = config::load(&repo.top, None, &Overrides::default())?;
    match &settings.brought {
        Some(brought) => Ok(trust::grant(repo, brought)?),
        None => Ok(()),
    }
}

/// Writes, or prints, the file for this folder.
fn run_in(args: InitArgs, top: &Path, ui: &Ui) -> CommandResult {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let text = render(&survey(top, &folders));
    if args.print {
        ui.answer(&text);
        return Ok(ExitStatus::Ok);
    }
    write(&top.join(FILE_NAME), &text, args.force)?;
    ui.status(&format!("wrote {FILE_NAME}"));
    ui.hint("review and commit it, then write a plan and check it with `dispatch plan check`");
    Ok(ExitStatus::Ok)
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), CommandError> {
    let written = if force {
        fs::write(file, text)
    } else {
        File::create_new(file).and_then(|mut file| file.write_all(text.as_bytes()))
    };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::failed(format!("{FILE_NAME} exists already"))
            .hint("`dispatch init --print` shows the new file")
            .hint("`dispatch init --force` replaces the file"),
        _ => CommandError::failed(format!(
            "could not write {FILE_NAME}: {}",
            error_chain(&error)
        )),
    })
}

const HEAD: &str = "\
# Settings of dispatch for this repository, written by `dispatch init`.
# All settings and their defaults: `dispatch help configuration`.
";

fn render(findings: &Findings) -> String {
    let mut text = HEAD.to_owned();
    render_run(&mut text, &findings.workers);
    render_assemble(&mut text, &findings.checks);
    render_worktree(&mut text, findings);
    text
}

fn render_run(text: &mut String, workers: &[&str]) {
    text.push_str("\n[run]\n");
    match workers {
        [] => text.push_str(
            "# No coding agent was found on PATH, so a task needs a `run` line or a worker of your own.\n\
             worker = \"shell\"\n",
        ),
        [first, rest @ ..] => {
            if !rest.is_empty() {
                let _ = writeln!(text, "# Also found on PATH: {}.", rest.join(", "));
            }
            let _ = writeln!(text, "worker = {}", quoted(first));
        }
    }
}

fn render_assemble(text: &mut String, checks: &[(String, &str)]) {
    text.push_str(
        "\n# Checks that must pass on the assembled branch before it can be landed.\n[assemble]\n",
    );
    if checks.is_empty() {
        text.push_str("# No build tool was found; add the command that tests this project.\n");
        text.push_str("check = []\n");
        return;
    }
    text.push_str("check = [\n");
    for (command, file) in checks {
        let _ = writeln!(text, "  {}, # from {file}", quoted(command));
    }
    text.push_str("]\n");
}

fn render_worktree(text: &mut String, findings: &Findings) {
    if findings.setup.is_empty() && findings.copies.is_empty() && findings.keep.is_empty() {
        return;
    }
    text.push_str(
        "\n# Commands that prepare a new worktree; remove a `#` if workers need it.\n[worktree]\n",
    );
    if !findings.setup.is_empty() {
        let _ = writeln!(text, "#setup = {}", list(&findings.setup));
    }
    if !findings.copies.is_empty() {
        text.push_str(
            "# Untracked files that are copied into each worktree: every worker can read them.\n",
        );
        let _ = writeln!(text, "#copy = {}", list(&findings.copies));
    }
    if !findings.keep.is_empty() {
        text.push_str(
            "# Worktrees that one task after another uses, with these caches. Packages come from the stores that\n\
             # all worktrees share (~/.cargo, ~/.npm, the stores of pnpm and uv), so they need not be copied.\n\
             #pool = \"auto\"\n",
        );
        let _ = writeln!(text, "#keep = {}", list(&owned(&findings.keep)));
    }
    if !findings.setup_when.is_empty() {
        let _ = writeln!(text, "#setup_when = {}", list(&owned(&findings.setup_when)));
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn list(items: &[String]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", quoted.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::config::{Settings, Sources, resolve};

    use super::detect::tests::found;
    use super::*;

    fn resolved(text: &str) -> Settings {
        let sources = Sources {
            repo_file: Some((FILE_NAME.into(), text.to_owned())),
            ..Sources::default()
        };
        resolve(&sources).unwrap()
    }

    #[test]
    fn the_file_says_what_was_found() {
        let (_folder, findings) = found(
            &[
                ("Cargo.toml", "[package]"),
                ("package.json", r#"{"scripts": {"test": "vitest"}}"#),
                ("pnpm-lock.yaml", ""),
                (
                    ".worktreeinclude",
                    "# secrets\n/.env\nsecrets/*.json\nnode_modules/\n",
                ),
                (".env", ""),
                (".envrc", ""),
            ],
            &["cursor-agent", "codex", "claude"],
        );
        insta::assert_snapshot!(render(&findings), @r#"
        # Settings of dispatch for this repository, written by `dispatch init`.
        # All settings and their defaults: `dispatch help configuration`.

        [run]
        # Also found on PATH: codex, cursor.
        worker = "claude"

        # Checks that must pass on the assembled branch before it can be landed.
        [assemble]
        check = [
          "cargo test", # from Cargo.toml
          "pnpm test", # from package.json
        ]

        # Commands that prepare a new worktree; remove a `#` if workers need it.
        [worktree]
        #setup = ["pnpm install --frozen-lockfile"]
        # Untracked files that are copied into each worktree: every worker can read them.
        #copy = [".env", "secrets/*.json", ".envrc"]
        # Worktrees that one task after another uses, with these caches. Packages come from the stores that
        # all worktrees share (~/.cargo, ~/.npm, the stores of pnpm and uv), so they need not be copied.
        #pool = "auto"
        #keep = ["target", "node_modules"]
        #setup_when = ["pnpm-lock.yaml"]
        "#);
    }

    #[test]
    fn an_empty_repository_gets_a_file_that_says_so() {
        let (_folder, findings) = found(&[], &[]);
        insta::assert_snapshot!(render(&findings), @r#"
        # Settings of dispatch for this repository, written by `dispatch init`.
        # All settings and their defaults: `dispatch help configuration`.

        [run]
        # No coding agent was found on PATH, so a task needs a `run` line or a worker of your own.
        worker = "shell"

        # Checks that must pass on the assembled branch before it can be landed.
        [assemble]
        # No build tool was found; add the command that tests this project.
        check = []
        "#);
        assert_eq!(resolved(&render(&findings)), Settings::default());
    }

    #[test]
    fn the_file_resolves_also_with_every_line_uncommented() {
        let files = [
            ("package.json", r#"{"scripts": {"test": "say \"hi\""}}"#),
            (".worktreeinclude", "a\"b\n"),
        ];
        let (_folder, findings) = found(&files, &["aider"]);
        let text = render(&findings);
        assert_eq!(resolved(&text).run.worker, "aider");
        assert_eq!(resolved(&text).assemble.check, ["npm test"]);
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        };
        let all = resolved(&text.lines().map(uncommented).collect::<String>());
        assert_eq!(all.worktree.setup, ["npm install"]);
        assert_eq!(all.worktree.copy, ["a\"b"]);
    }

    #[test]
    fn a_file_that_is_there_is_not_replaced_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let (top, ui) = (folder.path(), Ui::non_interactive().quiet(true));
        let file = top.join(FILE_NAME);
        fs::write(&file, "mine").unwrap();
        let plain = InitArgs::default();
        let error = run_in(plain, top, &ui).unwrap_err();
        assert_eq!(error.message, ".dispatch.toml exists already");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

        let forced = InitArgs {
            force: true,
            ..plain
        };
        assert_eq!(run_in(forced, top, &ui).unwrap(), ExitStatus::Ok);
        assert!(fs::read_to_string(&file).unwrap().starts_with(HEAD));
    }
}
