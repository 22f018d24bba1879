//! `dispatch demo`: creates a small repository and runs a plan of six shell tasks in it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Clock;
use crate::base::text::shell_path;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::conflicts::ConflictsArgs;
use crate::cli::conflicts::run;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::cli::run::{RunArgs, run_in};
use crate::config::FILE_NAME;
use crate::git::Git;
use crate::report::suggest;
use crate::ui::Ui;

/// Create a small repository and run six tasks in it; no network, no account
///
/// The tasks take a second or two each: two of them conflict, and one fails and is retried.
#[derive(Args, Debug, Clone)]
pub(crate) struct DemoArgs {
    /// The folder to create it in, empty or absent [default: a new temporary folder]
    dir: Option<PathBuf>,
    /// Let the tasks end at once
    #[arg(long)]
    fast: bool,
}

const PLAN: &str = include_str!("plan.md");

const CONFIG: &str = "[retry]\nbase_delay = \"1s\"\n\n[assemble]\ncheck = [\"sh tests/all.sh\"]\n";

const FILES: [(&str, &str); 2] = [
    ("src/greet.sh", "echo \"Hello, $1!\"\n"),
    (
        "tests/all.sh",
        "for test in tests/*.sh; do\n  [ \"$test\" = tests/all.sh ] || sh \"$test\" || exit 1\ndone\n",
    ),
];

/// Runs the subcommand; the exit code is 0 if the demo ended as planned.
///
/// # Errors
/// When the folder cannot be used, or git cannot create a repository in it.
pub(crate) fn run(args: DemoArgs, ui: &Ui) -> CommandResult {
    let folder = make_folder(args.dir)?;
    make_repository(&folder, args.fast)?;
    ui.status(&format!("a demo repository in {}", folder.display()));
    let here = RepoContext::at(&folder)?;
    let run_args = RunArgs {
        plan: folder.join("PLAN.md"),
        config: Some(folder.join(FILE_NAME)),
        consent: ConfirmArgs { yes: true },
        plain: true,
        ..RunArgs::default()
    };
    let exit = run_in(&here, run_args, ui)?;
    let run = here.find_run(None, DefaultRun::Latest)?;
    ui.answer("\nConflicts between the branches\n\n");
    run::of_run(&here, &run, &ConflictsArgs::default(), ui)?;
    let mut look: Vec<String> = path_line().into_iter().collect();
    look.extend([
        format!("cd {}", shell_path(&folder)),
        suggest::status(&run),
        format!("git log --oneline --graph dispatch/{run}/integration"),
        format!("git log -p dispatch/{run}/integration -- DISPATCH.md"),
        format!("git log refs/dispatch/runs/{run}"),
        suggest::review(&run),
        suggest::land(&run),
    ]);
    ui.answer(&format!("\nLook around\n\n    {}\n", look.join("\n    ")));
    // Two tasks conflict on purpose.
    match exit {
        ExitStatus::NeedsAttention => Ok(ExitStatus::Ok),
        ExitStatus::Interrupted => Ok(exit),
        other => Err(CommandError::failed(format!(
            "the demo did not end as planned: {other:?}"
        ))),
    }
}

/// Returns the line that puts this program on `PATH`, unless it is there (`cargo run`).
fn path_line() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_known = std::env::split_paths(&path).any(|folder| folder.join("dispatch").is_file());
    (!is_known).then(|| format!("export PATH=\"{}:$PATH\"", folder.display()))
}

fn make_folder(wanted: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    let failed = |folder: &Path, error: std::io::Error| {
        CommandError::failed(format!("could not use {}: {error}", folder.display()))
    };
    let Some(folder) = wanted else {
        let temporary = tempfile::Builder::new().prefix("dispatch-demo-").tempdir();
        let root = temporary
            .map_err(|error| failed(&std::env::temp_dir(), error))?
            .keep();
        let folder = root.join("garden");
        fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
        return Ok(folder);
    };
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let folder = folder
        .canonicalize()
        .map_err(|error| failed(&folder, error))?;
    let mut entries = fs::read_dir(&folder).map_err(|error| failed(&folder, error))?;
    if entries.next().is_some() {
        return Err(
            CommandError::failed(format!("{} is not empty", folder.display()))
                .hint("name a folder that is empty or does not exist"),
        );
    }
    Ok(folder)
}

/// Removes the leading `sleep N; ` of every command.
fn without_pauses(plan: &str) -> String {
    let line = |line: &str| match line.split_once("run: sleep ") {
        Some((before, rest)) => {
            let command = rest.split_once("; ").map_or(rest, |(_, command)| command);
            format!("{before}run: {command}\n")
        }
        None => format!("{line}\n"),
    };
    plan.lines().map(line).collect()
}

fn make_repository(folder: &Path, fast: bool) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("could not write {}: {error}", folder.display()))
    };
    let (plan, config) = match fast {
        true => (without_pauses(PLAN), CONFIG.replace("1s", "300ms")),
        false => (PLAN.to_owned(), CONFIG.to_owned()),
    };
    let rendered = [("PLAN.md", plan.as_str()), (".dispatch.toml", &config)];
    for (name, text) in FILES.into_iter().chain(rendered) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(path, text).map_err(failed)?;
    }
    // With a frozen clock the commits have the same names every time.
    let date = format!("@{} +0000", Clock::from_env().now().as_second());
    let git = Git::at(folder)
        .env("GIT_AUTHOR_DATE", date.clone())
        .env("GIT_COMMITTER_DATE", date);
    git.run(&["init", "--quiet", "--initial-branch=main"])?;
    git.run(&["config", "user.name", "Demo"])?;
    git.run(&["config", "user.email", "demo@example.com"])?;
    git.run(&["config", "commit.gpgSign", "false"])?;
    git.run(&["add", "--all"])?;
    git.run(&["commit", "--quiet", "--message", "A small project"])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_demo_differs_by_its_pauses_only() {
        let fast = without_pauses(PLAN);
        assert!(PLAN.contains("sleep") && !fast.contains("sleep"), "{fast}");
        let pairs = PLAN.lines().zip(fast.lines());
        let kept =
            pairs.filter(|(slow, fast)| slow.ends_with(fast.trim_start_matches("   - run: ")));
        assert_eq!(kept.count(), PLAN.lines().count());
    }
}
