//! The commands of `[worktree] setup` and `teardown`, and where their output is kept.
//!
//! What fails here is no fault of a worker's: it is said as a failure of its own kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::process::Program;
use crate::base::text::{clip, error_chain, one_line};
use crate::engine::EngineError;
use crate::engine::commands::runner::{self, COMMAND, CheckRun, label};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::spec::environment::environment;
use crate::exec::log;
use crate::git::Repo;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::integration::{CheckOutcome, CheckResult};
use crate::worker::environment::check_environment;

/// The longest message, in characters.
const MESSAGE: usize = 200;

/// How many of the last lines of a command say why it failed.
const LAST_LINES: usize = 12;

/// Why a worktree is not fit for its worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetUpFailure {
    /// What went wrong, in one line.
    pub what: String,
    /// The last lines of the command's output, if there are any.
    pub said: Option<String>,
    /// How long everything took, in milliseconds.
    pub millis: u64,
}

/// What one command of a set-up or teardown, or one check, wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The command, as far as that is known.
    pub command: String,
    /// Its output.
    pub output: Vec<u8>,
}

impl SetUpFailure {
    /// A file could not be brought into the worktree. It is written down where the output of the
    /// commands is.
    pub(super) fn of_files(
        context: &Context,
        spec: &AttemptSpec,
        error: &EngineError,
        since: Instant,
    ) -> SetUpFailure {
        let what = format!("set-up failed: {}", one_line(&error_chain(error)));
        let folder = set_up_folder(&context.repo, &context.run, spec.task, spec.attempt);
        let line = format!("{}\n", error_chain(error));
        store(
            context,
            &folder.join("files"),
            "files to copy and to link",
            line.as_bytes(),
        );
        SetUpFailure {
            what: clip(&what, MESSAGE),
            said: None,
            millis: millis(since),
        }
    }

    fn of_command(failed: &CheckResult, since: Instant) -> SetUpFailure {
        let lines: Vec<&str> = failed.tail.lines().map(str::trim_end).collect();
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let last = lines
            .last()
            .map_or(String::new(), |last| format!(": {last}"));
        let how = failed.result.word();
        let what = format!("set-up `{}` {how}{last}", failed.command);
        let last_lines = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        SetUpFailure {
            what: clip(&one_line(&what), MESSAGE),
            said: (!last_lines.is_empty()).then_some(last_lines),
            millis: millis(since),
        }
    }
}

/// Runs `[worktree] setup`; the failure of the first command that does not exit 0.
///
/// # Errors
/// When a process cannot be started at all.
pub(super) async fn set_up(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    cancel: &CancelHandle,
    base: Oid,
    worktree: &Worktree,
    since: Instant,
) -> Result<Option<SetUpFailure>, EngineError> {
    let commands = &context.settings.worktree.setup;
    if commands.is_empty() {
        return Ok(None);
    }
    let setup = CheckRun {
        context,
        folder: set_up_folder(&context.repo, &context.run, spec.task, spec.attempt),
        cwd: &worktree.path,
        is_swept: false,
        env: environment(context, spec, base),
        timeout: context.settings.run.timeout,
        cookie: format!("{}/{}/{}/setup", context.run, spec.task.0, spec.attempt),
        cancel,
    };
    let results = setup.run(commands).await?;
    let mut results = results.iter();
    let failed = results.find(|result| result.result != CheckOutcome::Passed);
    // One that was stopped with the run is no failure.
    let failed = failed.filter(|_| !cancel.is_cancelled());
    Ok(failed.map(|failed| SetUpFailure::of_command(failed, since)))
}

/// Makes sure that no command of a set-up is alive that a dispatch which died had started.
///
/// # Errors
/// When what is written there cannot be read, or its processes cannot be ended.
pub async fn end_set_up(context: &Context, spec: &AttemptSpec) -> Result<(), EngineError> {
    let folder = set_up_folder(&context.repo, &context.run, spec.task, spec.attempt);
    for place in places(&folder) {
        runner::end_job(context, &place).await?;
    }
    Ok(())
}

/// Runs `[worktree] teardown`; a worktree whose commands fail stays, with what they were to free.
///
/// # Errors
/// When a command cannot be started or does not exit 0.
pub fn tear_down(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    let folder = teardown_folder(&context.repo, &context.run, &worktree.path);
    for (command, number) in context.settings.worktree.teardown.iter().zip(1..) {
        if !worktree.path.is_dir() {
            return Ok(());
        }
        let shell = Program::new("sh")
            .arg("-c")
            .arg(command)
            .folder(&worktree.path);
        let env = check_environment(std::env::vars_os());
        let finished = shell.environment(env).output()?;
        let said = [finished.stdout, finished.stderr].concat();
        store(context, &place(&folder, number), command, &said);
        if !finished.status.success() {
            let said = String::from_utf8_lossy(&said);
            let mut lines = said.lines().rev().map(str::trim);
            let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
            return Err(EngineError::TearDown {
                command: command.clone(),
                worktree: worktree.path.clone(),
                said: clip(&one_line(last), MESSAGE),
            });
        }
    }
    Ok(())
}

/// Where the output of an attempt's set-up is.
pub fn set_up_folder(
    repo: &Repo,
    run: &RunId,
    task: TaskNumber,
    attempt: AttemptNumber,
) -> PathBuf {
    repo.attempt_folder(run.as_str(), task.0, attempt)
        .join("setup")
}

/// Where the output of the teardown of a worktree is.
pub fn teardown_folder(repo: &Repo, run: &RunId, worktree: &Path) -> PathBuf {
    let name = worktree.file_name().unwrap_or_default();
    repo.run_folder(run.as_str()).join("teardown").join(name)
}

/// Everything that was written below such a folder, command by command; nothing if there is none.
pub fn written(folder: &Path) -> Vec<Written> {
    let read = |place: PathBuf| Written {
        command: fs::read_to_string(place.with_extension(COMMAND)).unwrap_or_default(),
        output: log::read(&place).unwrap_or_default(),
    };
    places(folder).into_iter().map(read).collect()
}

/// The folders of the commands, in the order in which they ran.
fn places(folder: &Path) -> Vec<PathBuf> {
    let numbered = (1..).map(|number| place(folder, number));
    let files = std::iter::once(folder.join("files")).filter(|place| place.is_dir());
    files
        .chain(numbered.take_while(|place| place.is_dir()))
        .collect()
}

/// Where a check run puts its jobs.
fn place(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("check-{number}"))
}

fn store(context: &Context, place: &Path, command: &str, output: &[u8]) {
    label(place, command);
    log::store(place, output, context.settings.run.max_log);
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
