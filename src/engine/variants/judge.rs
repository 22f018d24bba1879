//! Asks a worker which variant of a task is best, in a worktree of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::ansi::strip_escapes;
use crate::base::files;
use crate::base::removal::remove_own_folder;
use crate::engine::EngineError;
use crate::engine::commands::runner::end_job;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::spec::agent_client::through_reader;
use crate::engine::spec::confinement::{Needs, resource_limits, sandbox};
use crate::engine::spec::environment::depth;
use crate::engine::spec::{PROMPT_FILE, exchange_folder};
use crate::exec::{Exit, Job, JobEnd, JobStatus, log};
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::plan::{Task, TaskFields};
use crate::model::transcript::Transcript;
use crate::model::variant_choice::JudgeRun;
use crate::model::worker::Worker;
use crate::worker::command::{Vars, command_line};
use crate::worker::dialect::Reading;
use crate::worker::environment::{OwnVars, worker_environment};
use crate::worker::judge::{JudgeInput, Verdict, parse_verdict, render};
use crate::worker::read_only::read_only;

/// The time that a judge has after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The most bytes of a plain output that count as the answer.
const PLAIN_OUTPUT: u64 = 64 * 1024;

/// A question to a judge.
pub(super) struct Question<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) task: TaskNumber,
    pub(super) worker: &'a Worker,
    pub(super) base: Oid,
    pub(super) input: &'a JudgeInput,
    pub(super) cancel: &'a CancelHandle,
}

impl Question<'_> {
    /// Asks the judge; returns what that took, and its verdict or the reason why there is none.
    pub(super) async fn ask(&self) -> (JudgeRun, Result<Verdict, String>) {
        let mut run = JudgeRun {
            worker: self.worker.name.clone(),
            ..JudgeRun::default()
        };
        let (end, transcript) = match self.run().await {
            Ok(ended) => ended,
            Err(error) => return (run, Err(error.to_string())),
        };
        (run.usage, run.cost) = (transcript.usage, transcript.cost);
        let verdict = self.verdict(&end, &transcript);
        (run, verdict)
    }

    fn verdict(&self, end: &JobEnd, transcript: &Transcript) -> Result<Verdict, String> {
        match &end.exit {
            Exit::TimedOut | Exit::Stalled => return Err("it timed out".to_owned()),
            Exit::NotStarted(why) => return Err(format!("it could not be started: {why}")),
            Exit::Code(0) => {}
            Exit::Code(code) => return Err(format!("it exited with {code}")),
            Exit::Signal(signal) => return Err(format!("it was killed by signal {signal}")),
        }
        let words = transcript.last_words().map(str::to_owned);
        let text = words.unwrap_or_else(|| {
            let bytes = log::tail(&self.process(), PLAIN_OUTPUT).unwrap_or_default();
            strip_escapes(&String::from_utf8_lossy(&bytes))
        });
        let variants: Vec<VariantNumber> =
            self.input.variants.iter().map(|one| one.variant).collect();
        parse_verdict(&text, &variants)
    }

    async fn run(&self) -> Result<(JobEnd, Transcript), EngineError> {
        // A process that was killed may have left a judge alive.
        end_job(self.context, &self.process()).await?;
        let worktree = self.worktree().await?;
        let ended = self.run_in(&worktree).await;
        let repo = self.context.repo.clone();
        let removed = blocking(move || Ok(repo.remove_worktree(&worktree)?)).await;
        let end = ended?;
        removed?;
        let mut reading = Reading::new(self.worker.dialect, &self.place().to_string_lossy());
        reading.feed(&log::read(&self.process()).unwrap_or_default());
        Ok((end, reading.finish()))
    }

    async fn run_in(&self, worktree: &Worktree) -> Result<JobEnd, EngineError> {
        let folder = self.folder();
        let failed = |error| EngineError::File(folder.display().to_string(), error);
        if folder.exists() {
            remove_own_folder(&folder, 4).map_err(failed)?;
        }
        files::private_folder(&folder).map_err(failed)?;
        let prompt_file = folder.join(PROMPT_FILE);
        let prompt = render(self.input);
        files::replace_private(&prompt_file, prompt.as_bytes()).map_err(failed)?;
        let job = self.job(&prompt, &prompt_file, worktree)?;
        let running = self.context.executor.start(&self.process(), &job)?;
        self.cancel.attach(running.stopper());
        match running.wait().await? {
            JobStatus::Ended(end) => Ok(end),
            _ => Err(EngineError::Broken(
                "the supervisor of the judge".to_owned(),
            )),
        }
    }

    fn job(
        &self,
        prompt: &str,
        prompt_file: &Path,
        worktree: &Worktree,
    ) -> Result<Job, EngineError> {
        let (context, worker) = (self.context, &read_only(self.worker));
        // The command of a task is not that of its judge.
        let task = &Task {
            fields: TaskFields {
                run: None,
                ..context.plan.task(self.task).fields.clone()
            },
            ..context.plan.task(self.task).clone()
        };
        let path = prompt_file.to_string_lossy();
        let max_turns = worker.max_turns.map(|turns| turns.to_string());
        let max_cost = worker.max_cost.map(|cost| cost.to_string());
        let vars = Vars {
            prompt_text: prompt,
            prompt_file: &path,
            worktree: &worktree.path.to_string_lossy(),
            run: context.run.as_str(),
            task: &self.task.0.to_string(),
            attempt: "0",
            model: worker.model.as_deref(),
            permission_mode: worker.permission_mode.as_deref(),
            max_turns: max_turns.as_deref(),
            max_cost: max_cost.as_deref(),
            session: None,
        };
        let mut line = command_line(worker, task, &vars)?;
        let failed = |error| EngineError::File(path.to_string(), error);
        line.argv = through_reader(worker, line.argv).map_err(failed)?;
        let exchange = exchange_folder(&self.folder());
        let failed = |error| EngineError::File(exchange.display().to_string(), error);
        files::private_folder(&exchange).map_err(failed)?;
        let result_file = exchange.join("result.json");
        let result_file = result_file.to_string_lossy();
        let own = OwnVars {
            port_base: 0,
            depth: depth() + 1,
            run: context.run.as_str(),
            attempt: 0,
            variant: None,
            base: &self.base.to_string(),
            result_file: &result_file,
            prompt_file: &path,
            conflicts_file: None,
        };
        let run = &context.settings.run;
        let needs = Needs::of_reader(worktree, vec![exchange]);
        let sandbox = sandbox((&context.repo, &context.settings), Some(worker), &needs)?;
        Ok(Job {
            argv: line.argv,
            cwd: worktree.path.clone(),
            env: worker_environment(std::env::vars_os(), worker, task, &own),
            stdin: line.stdin_is_prompt.then(|| prompt_file.to_owned()),
            timeout: Some(worker.timeout.unwrap_or(run.timeout)),
            stall_timeout: Some(worker.stall_timeout.unwrap_or(run.stall_timeout)),
            grace: GRACE,
            max_log: run.max_log,
            cookie: format!("{}/{}/judge", context.run, self.task.0),
            keeps_room: false,
            sandbox,
            limits: resource_limits(&context.settings),
        })
    }

    /// Checks the base out, in place of what a killed process left.
    async fn worktree(&self) -> Result<Worktree, EngineError> {
        let (context, place, base) = (Arc::clone(self.context), self.place(), self.base);
        let reason = format!("dispatch {}/judge", context.run);
        blocking(move || {
            if let Some(left) = context.repo.find_worktree(&place) {
                context.repo.remove_worktree(&left)?;
            }
            Ok(context
                .repo
                .add_worktree(&place, &Head::Detached(base), &reason)?)
        })
        .await
    }

    fn place(&self) -> PathBuf {
        self.context.judge_worktree(self.task)
    }

    fn folder(&self) -> PathBuf {
        let folder = self.context.repo.run_folder(self.context.run.as_str());
        folder.join("judge").join(self.task.0.to_string())
    }

    fn process(&self) -> PathBuf {
        self.folder().join("worker")
    }
}
