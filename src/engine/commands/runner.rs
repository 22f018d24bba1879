//! Check commands: run one after the other in a worktree, each under the same containment as a
//! worker, until one does not exit 0.

use crate::engine::kernel::worktree_size::WorktreeSize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::fault;
use crate::base::files::says_no_space;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::commands::junit::{TestResult, parse_junit};
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space;
use crate::engine::kernel::sweep::sweep;
use crate::exec::{self, Exit, Job, JobEnd, JobStatus, StopSignal, kill_orphans};
use crate::failure::excerpt;
use crate::git::Git;
use crate::model::integration::{CheckOutcome, CheckResult};

/// How much of a check's output is kept in the journal.
const TAIL_BYTES: usize = 4096;

/// How far from its end a check's output is looked through for what failed.
const SEARCHED_BYTES: u64 = 64 * 1024;

/// The end of the name of the file beside a command's output that says which command it was.
pub const COMMAND: &str = "command";

/// Where a check may write what became of its tests, as JUnit XML.
const JUNIT_FILE: &str = "DISPATCH_JUNIT_FILE";

/// A larger file is not read.
const MOST_JUNIT: u64 = 64 * 1024 * 1024;

/// Where and how checks run.
pub struct CheckRun<'a> {
    /// The run.
    pub context: &'a Context,
    /// Where their records and logs go; each gets a folder below it.
    pub folder: PathBuf,
    /// The worktree.
    pub cwd: &'a Path,
    /// Whether what they leave there is nobody's, so that it may be removed.
    pub is_swept: bool,
    /// Their environment.
    pub env: BTreeMap<String, String>,
    /// The limit of each.
    pub timeout: Duration,
    /// By what their processes can be found.
    pub cookie: String,
    /// What stops them.
    pub cancel: &'a CancelHandle,
}

impl CheckRun<'_> {
    /// Runs the commands in order and stops after the first that does not pass.
    ///
    /// # Errors
    /// When a process cannot be started at all.
    pub async fn run(&self, commands: &[String]) -> Result<Vec<CheckResult>, EngineError> {
        self.end_earlier().await?;
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

    /// Runs all of the commands in order, whatever comes of them, until the run is stopped.
    ///
    /// # Errors
    /// When a process cannot be started at all.
    pub async fn run_all(&self, commands: &[String]) -> Result<Vec<CheckResult>, EngineError> {
        self.end_earlier().await?;
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
        self.end_earlier().await?;
        self.run_argv(&argv.join(" "), argv).await
    }

    async fn run_one(&self, command: &str) -> Result<CheckResult, EngineError> {
        let argv = ["sh", "-c", command].map(str::to_owned);
        self.run_argv(command, &argv).await
    }

    async fn run_argv(&self, command: &str, argv: &[String]) -> Result<CheckResult, EngineError> {
        let folder = self.free_folder();
        label(&folder, command);
        let junit = folder.join("junit.xml");
        let job = self.job(argv, &junit);
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
        // On a full disk what it says about that cannot be written down either.
        let may_lack_room = (self.is_swept && dropped > 0) || says_no_space(&tail);
        if result == CheckOutcome::Failed && may_lack_room && self.met_full_disk() {
            return Err(EngineError::NoRoom {
                command: command.to_owned(),
                said: one_line(
                    tail.lines()
                        .rfind(|line| says_no_space(line))
                        .unwrap_or("No space left on device for its output"),
                ),
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

    /// Whether a check failed for want of room, which says nothing about what it checked. Where there
    /// is room again once what it left is gone, it has filled the disk itself, and that does say
    /// something.
    fn met_full_disk(&self) -> bool {
        let (repo, settings) = (&self.context.repo, &self.context.settings);
        let is_short =
            || disk_space::shortage(repo, settings, WorktreeSize::default(), 0).is_some();
        if !is_short() {
            return false;
        }
        let swept = self.is_swept && sweep(&Git::at(self.cwd)).is_ok();
        !swept || is_short()
    }

    /// A dispatch that died may have left a check running, which must not meet the new one in the
    /// same worktree.
    async fn end_earlier(&self) -> Result<(), EngineError> {
        for folder in self.folders().take_while(|folder| folder.exists()) {
            end_job(self.context, &folder).await?;
        }
        Ok(())
    }

    /// A folder holds one job for ever, so a check that is run again gets another one.
    fn free_folder(&self) -> PathBuf {
        self.folders()
            .find(|folder| !folder.exists())
            .unwrap_or_else(|| self.folder.clone())
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        (1..).map(|number: u32| self.folder.join(format!("check-{number}")))
    }

    fn job(&self, argv: &[String], junit: &Path) -> Job {
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
        }
    }
}

/// Without its label a command is run all the same.
pub fn label(place: &Path, command: &str) {
    let file = place.with_extension(COMMAND);
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let _ = folder.and_then(|()| fs::write(&file, command));
}

/// The tests that failed, as the check wrote them down; none if it did not.
fn failed_tests(junit: &Path) -> Vec<String> {
    let is_small = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.len() <= MOST_JUNIT);
    let text = is_small(junit).then(|| fs::read(junit).ok()).flatten();
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let tests = text.and_then(|text| parse_junit(&text)).unwrap_or_default();
    let failed = tests
        .into_iter()
        .filter(|(_, result)| *result == TestResult::Failed);
    failed.map(|(name, _)| name).collect()
}

/// Makes sure that nothing of the job of this folder is alive: whoever started it is gone, and
/// nobody waits for its result.
///
/// # Errors
/// When what is written there cannot be read, or its processes cannot be ended.
pub async fn end_job(context: &Context, folder: &Path) -> Result<(), EngineError> {
    let status = match context.executor.status(folder)? {
        JobStatus::Alive => {
            let running = context.executor.adopt(folder)?;
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
