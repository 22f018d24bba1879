//! `dispatch demo [DIR]`: a small real repository and a plan of six shell tasks, run for real.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Clock;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::conflicts::ConflictsArgs;
use crate::cli::conflicts::run;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::cli::run::{RunArgs, run_in};
use crate::git::Git;
use crate::report::suggest;
use crate::ui::Ui;

/// Make a small repository and run six tasks in it; no network, no account
#[derive(Args, Debug, Clone)]
pub(crate) struct DemoArgs {
    /// Where to make it; must be empty or absent [default: a new temporary folder]
    dir: Option<PathBuf>,
}

const FILES: [(&str, &str); 4] = [
    ("src/greet.sh", "echo \"Hello, $1!\"\n"),
    (
        "tests/all.sh",
        "for test in tests/*.sh; do\n  [ \"$test\" = tests/all.sh ] || sh \"$test\" || exit 1\ndone\n",
    ),
    (
        ".dispatch.toml",
        "[retry]\nbase_delay = \"300ms\"\n\n[assemble]\ncheck = [\"sh tests/all.sh\"]\n",
    ),
    ("PLAN.md", include_str!("demo/plan.md")),
];

/// Runs the subcommand; 0 when the demo came out as planned.
///
/// # Errors
/// When the folder cannot be used, or git cannot make a repository there.
pub(crate) fn run(args: DemoArgs, ui: &Ui) -> CommandResult {
    let folder = make_folder(args.dir)?;
    make_repository(&folder)?;
    ui.status(&format!("a demo repository in {}", folder.display()));
    let here = RepoContext::at(&folder)?;
    let run_args = RunArgs {
        plan: folder.join("PLAN.md"),
        consent: ConfirmArgs { yes: true },
        ..RunArgs::default()
    };
    let exit = run_in(&here, run_args, ui)?;
    let run = here.find_run(None, DefaultRun::Latest)?;
    ui.answer("\nConflicts between the branches\n\n");
    run::of_run(&here, &run, &ConflictsArgs::default(), ui)?;
    let mut look: Vec<String> = path_line().into_iter().collect();
    look.extend([
        format!("cd {}", folder.display()),
        suggest::status(&run),
        format!("git log --oneline --graph dispatch/{run}/integration"),
        format!("git log -p dispatch/{run}/integration -- DISPATCH.md"),
        format!("git log refs/dispatch/runs/{run}"),
        suggest::review(&run),
        suggest::land(&run),
    ]);
    ui.answer(&format!("\nLook around\n\n    {}\n", look.join("\n    ")));
    // Two tasks are meant to conflict, so a person being needed is the planned outcome.
    match exit {
        ExitStatus::NeedsAttention => Ok(ExitStatus::Ok),
        ExitStatus::Interrupted => Ok(exit),
        other => Err(CommandError::failed(format!(
            "the demo ended with {other:?}, not as planned"
        ))),
    }
}

/// How to reach this program by its name, where that does not work yet (`cargo run`).
fn path_line() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_known = std::env::split_paths(&path).any(|here| here.join("dispatch").is_file());
    (!is_known).then(|| format!("export PATH=\"{}:$PATH\"", folder.display()))
}

fn make_folder(wanted: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    let failed = |here: &Path, error: std::io::Error| {
        CommandError::failed(format!("{} cannot be used: {error}", here.display()))
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

fn make_repository(folder: &Path) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("{} cannot be written: {error}", folder.display()))
    };
    for (name, text) in FILES {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        fs::write(path, text).map_err(failed)?;
    }
    // A frozen clock makes the whole demo come out the same.
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
