//! Runs commands one after the other in a worktree, each contained like a worker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::fault;
use crate::base::files::{self, says_no_space};
use crate::base::regular_file;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::commands::junit::{TestResult, parse_junit};
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space;
use crate::engine::kernel::sweep::sweep;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::spec::confinement::{Needs, resource_limits, sandbox};
use crate::engine::spec::exchange_folder;
use crate::exec::{
    self, Executor, Exit, Job, JobEnd, JobStatus, Sandbox, StopSignal, kill_orphans,
};
use crate::failure::excerpt;
use crate::git::worktree::Worktree;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The length of the end of a check's output that the journal keeps.
const TAIL_BYTES: usize = 4096;

/// The length of the end of a check's output that is searched for failures.
const SEARCHED_BYTES: u64 = 64 * 1024;

/// The extension of the file beside a command's log that names the command.
pub const COMMAND: &str = "command";

/// The variable with the file to which a check may write its tests, as JUnit XML.
const JUNIT_FILE: &str = "DISPATCH_JUNIT_FILE";

/// The largest JUnit file that is read.
const JUNIT_LIMIT: u64 = 64 * 1024 * 1024;

/// The conditions under which commands run.
pub struct CheckRun<'a> {
    /// The run.
    pub context: &'a Context,
    /// The folder of their records and logs; each gets a folder in it.
    pub folder: PathBuf,
    /// The worktree.
    pub cwd: &'a Path,
    /// Files that they leave in the worktree may be removed.
    pub is_swept: bool,
    /// Their environment.
    pub env: BTreeMap<String, String>,
    /// The time limit of each.
    pub timeout: Duration,
    /// The id by which their processes are found.
    pub cookie: String,
    /// The handle that cancels them.
    pub cancel: &'a CancelHandle,
    /// The worktree to whose files they are confined like a worker; they run free if absent.
    pub confined_to: Option<&'a Worktree>,
}

impl CheckRun<'_> {
    /// Runs the commands in order and stops after the first that does not pass.
    ///
    /// # Errors
    /// When a process cannot be started at all.
    pub async fn run(&self, commands: &[String]) -> Result<Vec<CheckResult>, EngineError> {
        self.end_orphans().await?;
        let mut results = Vec::new();
        for command in commands {
            let result = self.run_one(command).await?;
            let passed = result.result == CheckOutcome::Passed;
            results.push(result);
            if !passed {
                break;
            }
        }
        Ok(results)
    }

    /// Runs all commands in order, whether they pass or not, until the run is stopped.
    ///
    /// # Errors
    /// When a process cannot be started at all.
    pub async fn run_all(&self, commands: &[String]) -> Result<Vec<CheckResult>, EngineError> {
        self.end_orphans().await?;
        let mut results = Vec::new();
        for command in commands {
            results.push(self.run_one(command).await?);
            if self.cancel.is_cancelled() {
                break;
            }
        }
        Ok(results)
    }

    /// Runs one program, given as an argument list.
    ///
    /// # Errors
    /// When its process cannot be started at all.
    pub async fn run_program(&self, argv: &[String]) -> Result<CheckResult, EngineError> {
        self.end_orphans().await?;
        self.run_argv(&argv.join(" "), argv).await
    }

    async fn run_one(&self, command: &str) -> Result<CheckResult, EngineError> {
        let argv = ["sh", "-c", command].map(str::to_owned);
        self.run_argv(command, &argv).await
    }

    async fn run_argv(&self, command: &str, argv: &[String]) -> Result<CheckResult, EngineError> {
        let folder = self.free_folder();
        write_label(&folder, command);
        let exchange = exchange_folder(&folder);
        let failed = |error| EngineError::File(exchange.display().to_string(), error);
        files::private_folder(&exchange).map_err(failed)?;
        let junit = exchange.join("junit.xml");
        let job = self.job(argv, &junit, self.sandbox(exchange)?);
        fault::point("check", "before it starts");
        let running = self.context.executor.start(&folder, &job)?;
        fault::point("check", "started");
        self.cancel.attach(running.stopper());
        let status = running.wait().await?;
        fault::point("check", "ended");
        let (result, millis, dropped) = match status {
            JobStatus::Ended(end) => (outcome(&end), end.millis, end.dropped_bytes),
            _ => (CheckOutcome::NotRun, 0, 0),
        };
        let tail = exec::log::tail(&folder, SEARCHED_BYTES).unwrap_or_default();
        let tail = excerpt::end(&String::from_utf8_lossy(&tail), TAIL_BYTES);
        // On a full disk the message about it may be missing from the log, too.
        let may_lack_room = (self.is_swept && dropped > 0) || says_no_space(&tail);
        if result == CheckOutcome::Failed && may_lack_room && self.failed_on_full_disk() {
            return Err(EngineError::NoRoom {
                command: command.to_owned(),
                said: full_disk_line(&tail),
            });
        }
        Ok(CheckResult {
            command: command.to_owned(),
            failed_tests: match result {
                CheckOutcome::Failed => failed_tests(&junit),
                _ => Vec::new(),
            },
            result,
            millis,
            tail,
            fixed_tests: Vec::new(),
            against_base: None,
            flaky: false,
        })
    }

    /// Returns `true` if a check failed because the disk is full, which says nothing about the tree.
    /// If disk space is available again once its own files are removed, it filled the disk itself, and that
    /// is a failure.
    fn failed_on_full_disk(&self) -> bool {
        let (repo, settings) = (&self.context.repo, &self.context.settings);
        let is_short =
            || disk_space::shortage(repo, settings, WorktreeSize::default(), 0).is_some();
        if !is_short() {
            return false;
        }
        let swept = self.is_swept && self.sweep_worktree();
        !swept || is_short()
    }

    /// Removes the files that the check made in its worktree; `false` if it has none, or they stay.
    fn sweep_worktree(&self) -> bool {
        let repo = &self.context.repo;
        let worktree = repo.find_worktree(self.cwd);
        let git = worktree.and_then(|worktree| repo.git_in(&worktree).ok());
        git.is_some_and(|git| sweep(&git).is_ok())
    }

    /// Kills commands in the same worktree that a dead dispatch process left running.
    async fn end_orphans(&self) -> Result<(), EngineError> {
        for folder in self.folders().take_while(|folder| folder.exists()) {
            end_job(self.context, &folder).await?;
        }
        Ok(())
    }

    /// Returns the first unused folder: a folder holds one job, so a repeated check gets another.
    fn free_folder(&self) -> PathBuf {
        self.folders()
            .find(|folder| !folder.exists())
            .unwrap_or_else(|| self.folder.clone())
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        (1..).map(|number: u32| self.folder.join(format!("check-{number}")))
    }

    fn sandbox(&self, exchange: PathBuf) -> Result<Option<Sandbox>, EngineError> {
        let Some(worktree) = self.confined_to else {
            return Ok(None);
        };
        let needs = Needs::of_reader(worktree, vec![exchange]);
        sandbox((&self.context.repo, &self.context.settings), None, &needs)
    }

    fn job(&self, argv: &[String], junit: &Path, sandbox: Option<Sandbox>) -> Job {
        let mut env = self.env.clone();
        env.insert(JUNIT_FILE.to_owned(), junit.display().to_string());
        Job {
            argv: argv.to_vec(),
            cwd: self.cwd.to_owned(),
            env,
            stdin: None,
            timeout: Some(self.timeout),
            stall_timeout: None,
            grace: Duration::from_secs(5),
            max_log: self.context.settings.run.max_log,
            cookie: self.cookie.clone(),
            keeps_room: self.is_swept,
            sandbox,
            limits: resource_limits(&self.context.settings),
        }
    }
}

/// Returns the output line that reports a full disk.
fn full_disk_line(tail: &str) -> String {
    let line = tail.lines().rfind(|line| says_no_space(line));
    one_line(line.unwrap_or("No space left on device for its output"))
}

/// Writes the label of a command's log; the command runs without it, too.
pub fn write_label(place: &Path, command: &str) {
    let file = place.with_extension(COMMAND);
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let _ = folder.and_then(|()| fs::write(&file, command));
}

/// Returns the failed tests of a JUnit file; none if there is no file.
fn failed_tests(junit: &Path) -> Vec<String> {
    let text = regular_file::read(junit, JUNIT_LIMIT).ok();
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let tests = text.and_then(|text| parse_junit(&text)).unwrap_or_default();
    let failed = tests
        .into_iter()
        .filter(|(_, result)| *result == TestResult::Failed);
    failed.map(|(name, _)| name).collect()
}

/// Kills every process of the job in this folder, whose result is no longer wanted.
///
/// # Errors
/// When its record cannot be read, or its processes cannot be killed.
pub async fn end_job(context: &Context, folder: &Path) -> Result<(), EngineError> {
    end_job_in(context.executor.as_ref(), folder).await
}

/// Kills every process of the job in a folder of this executor.
///
/// # Errors
/// As [`end_job`].
pub async fn end_job_in(executor: &dyn Executor, folder: &Path) -> Result<(), EngineError> {
    let status = match executor.status(folder)? {
        JobStatus::Alive => {
            let running = executor.adopt(folder)?;
            running.stopper().stop(StopSignal::Kill);
            running.wait().await?
        }
        status => status,
    };
    if status == JobStatus::Lost {
        let lost = folder.to_owned();
        blocking(move || Ok(kill_orphans(&lost)?)).await?;
    }
    Ok(())
}

fn outcome(end: &JobEnd) -> CheckOutcome {
    match end.exit {
        Exit::Code(0) => CheckOutcome::Passed,
        Exit::TimedOut | Exit::Stalled => CheckOutcome::TimedOut,
        Exit::NotStarted(_) => CheckOutcome::NotRun,
        _ if end.stopped => CheckOutcome::NotRun,
        _ => CheckOutcome::Failed,
    }
}
