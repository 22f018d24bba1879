//! One call of a planner's agent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{MissedTickBehavior, interval};

use crate::base::ansi::strip_escapes;
use crate::base::text::clip;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::signals::Signals;
use crate::engine::planner::error::PlannerError;
use crate::engine::planner::folder::PlannerFolder;
use crate::engine::planner::request::Spent;
use crate::engine::planner::watcher::Watcher;
use crate::engine::spec::PROMPT_FILE;
use crate::engine::spec::agent_client::through_reader;
use crate::engine::spec::confinement::{Needs, resource_limits, sandbox};
use crate::engine::spec::environment::depth;
use crate::exec::log::{self, Follower};
use crate::exec::{Executor, Exit, Job, JobEnd, JobStatus, Running, StopSignal};
use crate::failure::classify::classify_with;
use crate::failure::evidence::{Evidence, Fact};
use crate::failure::exit_status;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::plan::{Task, TaskFields};
use crate::model::transcript::Transcript;
use crate::model::worker::Worker;
use crate::worker::command::{Vars, command_line};
use crate::worker::dialect::Reading;
use crate::worker::environment::{OwnVars, worker_environment};

/// The time that an agent has after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The interval at which the output of a running agent is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// The most bytes of a plain output that count as the answer.
const PLAIN_OUTPUT: u64 = 64 * 1024;

/// The variables of an attempt that have no meaning for a planner.
const OF_ATTEMPTS: [&str; 6] = [
    "DISPATCH_RUN",
    "DISPATCH_TASK",
    "DISPATCH_TAG",
    "DISPATCH_ATTEMPT",
    "DISPATCH_RESULT_FILE",
    "DISPATCH_PORT_BASE",
];

/// A call of a planner's agent.
pub(super) struct Call<'a> {
    pub(super) folder: &'a PlannerFolder,
    /// The number of the call, from 1.
    pub(super) number: u32,
    pub(super) repo: &'a Repo,
    pub(super) settings: &'a Settings,
    pub(super) worker: &'a Worker,
    pub(super) executor: &'a dyn Executor,
    pub(super) base: Oid,
    pub(super) cancel: CancelHandle,
}

/// The answer of an agent.
pub(super) struct Reply {
    /// Its last message.
    pub(super) text: String,
}

/// Lists the folders of the processes of a planner's calls.
pub(super) fn worker_folders(folder: &Path) -> Vec<PathBuf> {
    let numbered = (1..).map(|number: u32| call_folder(folder, number));
    let made = numbered.take_while(|folder| folder.is_dir());
    made.map(|folder| folder.join("worker")).collect()
}

fn call_folder(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("call-{number}"))
}

impl Call<'_> {
    /// Runs the agent until it ends; returns what that took, and its answer. Ctrl-C stops it with
    /// everything it started.
    pub(super) async fn run(
        &self,
        prompt: &str,
        watcher: &mut dyn Watcher,
    ) -> (Spent, Result<Reply, PlannerError>) {
        let ended = match self.start(prompt) {
            Ok(running) => self.wait(running, watcher).await,
            Err(error) => Err(error),
        };
        let (end, signal) = match ended {
            Ok(ended) => ended,
            Err(error) => return (Spent::default(), Err(error.into())),
        };
        let transcript = self.transcript(&end);
        let time = Duration::from_millis(end.millis);
        let spent = Spent::call(time, transcript.usage, transcript.cost);
        let reply = match signal {
            Some(signal) => Err(PlannerError::Interrupted(signal)),
            None => self.reply(&end, transcript),
        };
        (spent, reply)
    }

    fn start(&self, prompt: &str) -> Result<Running, EngineError> {
        let folder = call_folder(&self.folder.path, self.number);
        let prompt_file = folder.join(PROMPT_FILE);
        let failed = |error| EngineError::File(prompt_file.display().to_string(), error);
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::write(&prompt_file, prompt).map_err(failed)?;
        let job = self.job(prompt, &prompt_file)?;
        Ok(self.executor.start(&folder.join("worker"), &job)?)
    }

    fn job(&self, prompt: &str, prompt_file: &Path) -> Result<Job, EngineError> {
        let (task, worktree) = (stand_in(), &self.folder.worktree.path);
        let prompt_path = prompt_file.to_string_lossy();
        let number = self.number.to_string();
        let max_turns = self.worker.max_turns.map(|turns| turns.to_string());
        let max_cost = self.worker.max_cost.map(|cost| cost.to_string());
        let vars = Vars {
            prompt_text: prompt,
            prompt_file: &prompt_path,
            worktree: &worktree.to_string_lossy(),
            run: "planner",
            task: "0",
            attempt: &number,
            model: self.worker.model.as_deref(),
            permission_mode: self.worker.permission_mode.as_deref(),
            max_turns: max_turns.as_deref(),
            max_cost: max_cost.as_deref(),
            session: None,
        };
        let mut line = command_line(self.worker, &task, &vars)?;
        let failed = |error| EngineError::File(prompt_path.to_string(), error);
        line.argv = through_reader(self.worker, line.argv).map_err(failed)?;
        let name = self.folder.path.file_name().unwrap_or_default();
        let needs = Needs::of_reader(&self.folder.worktree, Vec::new());
        let sandbox = sandbox((self.repo, self.settings), Some(self.worker), &needs)?;
        Ok(Job {
            argv: line.argv,
            cwd: worktree.clone(),
            env: self.environment(&task, &prompt_path),
            stdin: line.stdin_is_prompt.then(|| prompt_file.to_owned()),
            timeout: Some(self.timeout()),
            stall_timeout: Some(self.stall_timeout()),
            grace: GRACE,
            max_log: self.settings.run.max_log,
            cookie: format!("planner/{}/{}", name.to_string_lossy(), self.number),
            keeps_room: false,
            sandbox,
            limits: resource_limits(self.settings),
        })
    }

    fn environment(&self, task: &Task, prompt_file: &str) -> BTreeMap<String, String> {
        let own = OwnVars {
            port_base: 0,
            depth: depth() + 1,
            run: "",
            attempt: self.number,
            variant: None,
            base: &self.base.to_string(),
            result_file: "",
            prompt_file,
            conflicts_file: None,
        };
        let mut env = worker_environment(std::env::vars_os(), self.worker, task, &own);
        env.retain(|name, _| !OF_ATTEMPTS.contains(&name.as_str()));
        env
    }

    fn timeout(&self) -> Duration {
        self.worker.timeout.unwrap_or(self.settings.plan.timeout)
    }

    fn stall_timeout(&self) -> Duration {
        let own = self.worker.stall_timeout;
        own.unwrap_or(self.settings.run.stall_timeout)
    }

    /// Waits for the end of the agent; returns the signal that stopped it as well. The first Ctrl-C
    /// asks it to stop, the second kills it.
    async fn wait(
        &self,
        running: Running,
        watcher: &mut dyn Watcher,
    ) -> Result<(JobEnd, Option<i32>), EngineError> {
        let mut signals = Signals::listen()
            .map_err(|error| EngineError::File("the signals of this process".to_owned(), error))?;
        self.cancel.attach(running.stopper());
        let stopper = running.stopper();
        let mut follower = Follower::new(&self.worker_folder());
        let mut reading = self.reading();
        let mut over: Option<Instant> = None;
        let mut stopped_by = None;
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waiting = running.wait();
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                status = &mut waiting => return match status? {
                    JobStatus::Ended(end) => Ok((end, stopped_by)),
                    _ => Err(EngineError::Broken("the supervisor of the planner".to_owned())),
                },
                signal = signals.next_number() => {
                    let again = stopped_by.is_some();
                    stopped_by = stopped_by.or(Some(signal));
                    self.cancel.cancel(if again { StopSignal::Kill } else { StopSignal::Terminate });
                }
                _ = ticks.tick() => {
                    let new = follower.read().unwrap_or_default();
                    reading.feed(&new);
                    if let Some(step) = reading.current_step().filter(|_| !new.is_empty()) {
                        watcher.step(step);
                    }
                    if !new.is_empty() || !reading.is_over() {
                        over = reading.is_over().then(Instant::now);
                    }
                    // An agent that hangs after its final message has answered.
                    let grace = self.settings.run.result_grace;
                    if over.is_some_and(|since| since.elapsed() >= grace) {
                        stopper.stop(StopSignal::Terminate);
                    }
                }
            }
        }
    }

    fn worker_folder(&self) -> PathBuf {
        call_folder(&self.folder.path, self.number).join("worker")
    }

    fn reading(&self) -> Reading {
        let worktree = self.folder.worktree.path.to_string_lossy();
        Reading::new(self.worker.dialect, &worktree)
    }

    fn transcript(&self, end: &JobEnd) -> Transcript {
        let mut reading = self.reading();
        reading.feed(&log::read(&self.worker_folder()).unwrap_or_default());
        if end.dropped_bytes > 0 {
            reading.mark_gap();
        }
        reading.finish()
    }

    /// Returns the last message of an agent that ended well, or its failure.
    fn reply(&self, end: &JobEnd, transcript: Transcript) -> Result<Reply, PlannerError> {
        let has_answer = transcript.last_words().is_some() && transcript.error.is_none();
        let ended_well = end.exit == Exit::Code(0) && transcript.error.is_none();
        let is_marked_failed = transcript
            .result
            .as_ref()
            .is_some_and(|result| result.is_error);
        let outlived_it = end.stopped && transcript.terminal_seen && has_answer;
        if is_marked_failed || transcript.is_truncated() || !(ended_well || outlived_it) {
            return Err(self.failed(end, transcript));
        }
        let words = transcript.last_words().map(str::to_owned);
        Ok(Reply {
            text: match transcript.has_terminal_event() {
                true => words.unwrap_or_default(),
                false => words.unwrap_or_else(|| self.plain_output(PLAIN_OUTPUT)),
            },
        })
    }

    fn plain_output(&self, limit: u64) -> String {
        let bytes = log::tail(&self.worker_folder(), limit).unwrap_or_default();
        strip_escapes(&String::from_utf8_lossy(&bytes))
    }

    fn failed(&self, end: &JobEnd, transcript: Transcript) -> PlannerError {
        let fact = match &end.exit {
            Exit::TimedOut => Some(Fact::TimedOut(self.timeout())),
            Exit::Stalled => Some(Fact::Stalled(self.stall_timeout())),
            Exit::NotStarted(said) => Some(Fact::CouldNotStart(clip(said, 200))),
            Exit::Code(_) | Exit::Signal(_) => None,
        };
        let tail = match transcript.has_terminal_event() {
            true => transcript.stray.join("\n"),
            false => self.plain_output(PLAIN_OUTPUT / 4),
        };
        let evidence = Evidence {
            facts: fact.into_iter().collect(),
            exit: match end.exit {
                Exit::Code(code) => Some(exit_status::Exit::Code(code)),
                Exit::Signal(signal) => Some(exit_status::Exit::Signal(signal)),
                _ => None,
            },
            error: None,
            tail,
            stream: Some(transcript),
            now: Some(Timestamp::now().to_zoned(TimeZone::system())),
        };
        let patterns = self.settings.failure.patterns();
        PlannerError::Failed {
            worker: self.worker.name.clone(),
            failure: Box::new(classify_with(&evidence, &patterns)),
        }
    }
}

/// Returns the task that stands for planning where a worker's command and environment need one.
fn stand_in() -> Task {
    Task {
        number: TaskNumber(1),
        tag: "PLAN".to_owned(),
        title: "Make a plan".to_owned(),
        label: None,
        prompt: String::new(),
        depends_on: Vec::new(),
        fields: TaskFields::default(),
    }
}
