//! Asks an agent for a plan, in a worktree of its own whose changes are thrown away.
//!
//! A planner is any worker with a command. It gets the goal with a bounded map of the repository, and
//! its last message is read by the ordinary parser of plans. What the parser reports goes back to it
//! at most twice. Nothing of a call outlives it except an answer that could not be used.

mod call;
pub mod error;
mod folder;
pub mod leftovers;
mod map;
pub mod prompt;
pub mod request;
pub mod review;
pub mod watcher;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::files;
use crate::base::process::find_program;
use crate::base::text::{clip, plural};
use crate::config::Settings;
use crate::config::reaction::Reaction;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::planner::call::{Call, Reply};
use crate::engine::planner::error::PlannerError;
use crate::engine::planner::folder::PlannerFolder;
use crate::engine::planner::prompt::Prompts;
use crate::engine::planner::request::{Request, Spent};
use crate::engine::planner::watcher::Watcher;
use crate::engine::start::{refuse_depth, refuse_places};
use crate::engine::trust;
use crate::exec::Executor;
use crate::git::Repo;
use crate::git::shared_state::SharedStateReader;
use crate::model::outside_changes::{OutsideChange, changes};
use crate::model::plan::Plan;
use crate::model::worker::Worker;
use crate::plan::answer::{Answer, read_answer};
use crate::plan::split::split;
use crate::plan::{self, Diagnostic, MAX_BYTES, Parsed, render_diagnostics};
use crate::worker::planner::{PlannerInput, TestCommand};
use crate::worker::read_only::read_only;

/// The largest number of tasks in a planner's plan.
pub const MOST_TASKS: usize = 50;

/// The number of times that problems of an answer go back to the planner.
pub const CORRECTIONS: u32 = 2;

/// The longest goal, in bytes.
pub const LONGEST_GOAL: usize = 64 * 1024;

/// The most bytes of problems, and of an earlier answer, in a prompt.
const FED_BACK: usize = 16 * 1024;

/// The number of changed files that a warning names.
const NAMED: usize = 5;

/// The length from which an answer is cut by the reader of an agent's output, in bytes.
const CUT_ANSWER: usize = 64 * 1024;

/// A planner: a worker in its read-only mode, at one commit of a repository.
pub struct Planner<'a> {
    repo: &'a Repo,
    settings: &'a Settings,
    worker: Worker,
    executor: Arc<dyn Executor>,
    prompts: Prompts<'a>,
    /// The time, tokens and dollars of all calls so far.
    pub spent: Spent,
}

/// The result of a request.
#[derive(Clone, Debug)]
pub enum Answered {
    /// A valid plan. For a split it is the whole plan, with the parts in place.
    Plan(Plan),
    /// The goal or the task has no parts that can be worked on at the same time, for this reason.
    Sequential(String),
}

/// Finds the worker that plans, and its program. `name` is the worker, if not the configured one.
///
/// # Errors
/// When it is not configured, or has no command.
pub fn find_worker<'s>(
    settings: &'s Settings,
    name: Option<&str>,
) -> Result<(&'s Worker, &'s String), PlannerError> {
    let configured = settings.plan.worker.as_deref();
    let name = name.or(configured).unwrap_or(&settings.run.worker);
    let worker = settings.workers.get(name);
    let worker = worker.ok_or_else(|| PlannerError::NoWorker(name.to_owned()))?;
    let program = worker.command.first();
    let program = program.ok_or_else(|| PlannerError::NoCommand(name.to_owned()))?;
    Ok((worker, program))
}

impl<'a> Planner<'a> {
    /// Checks everything that could prevent a call. `name` is the worker, if not the configured one.
    ///
    /// # Errors
    /// The first obstacle; nothing has been created then.
    pub fn new(
        repo: &'a Repo,
        settings: &'a Settings,
        name: Option<&str>,
        executor: Arc<dyn Executor>,
        checks: Vec<TestCommand>,
    ) -> Result<Planner<'a>, PlannerError> {
        refuse_depth(settings)?;
        let (worker, program) = find_worker(settings, name)?;
        let name = &worker.name;
        if !program.contains('{') && find_program(program).is_none() {
            return Err(PlannerError::NoProgram(name.to_owned(), program.clone()));
        }
        trust::require(repo, settings)?;
        let prompts = Prompts::new(repo, settings, checks)?;
        refuse_places(repo, settings)?;
        Ok(Planner {
            repo,
            settings,
            worker: read_only(worker),
            executor,
            prompts,
            spent: Spent::default(),
        })
    }

    /// Returns the name of the worker.
    pub fn worker(&self) -> &str {
        &self.worker.name
    }

    /// Asks until there is a valid plan, and removes everything that the calls made.
    ///
    /// # Errors
    /// When the agent fails, is stopped, or no answer can be used.
    pub fn ask(
        &mut self,
        request: &Request,
        watcher: &mut dyn Watcher,
    ) -> Result<Answered, PlannerError> {
        leftovers::sweep(self.repo, self.executor.as_ref());
        let input = self.prompts.input(request)?;
        self.prompts.render(&input)?;
        let folder = PlannerFolder::create(self.repo, self.settings, self.prompts.base)?;
        let mut shared = SharedStateReader::new(self.repo, &self.settings.run.branch_prefix);
        let before = shared.read().map_err(EngineError::from)?.state;
        let answered = self.converse(&folder, request, input, watcher);
        let removed = folder.remove();
        let after = shared.read().map_err(EngineError::from)?.state;
        self.report_outside(&changes(&before, &after), watcher)?;
        let answered = answered?;
        removed?;
        Ok(answered)
    }

    /// Reports what changed outside its worktree while the planner worked, as `[run] outside_writes`
    /// says.
    fn report_outside(
        &self,
        changed: &[OutsideChange],
        watcher: &mut dyn Watcher,
    ) -> Result<(), PlannerError> {
        let names: Vec<&str> = changed.iter().map(|change| change.name.as_str()).collect();
        let (worker, names) = (self.worker.name.clone(), names.join(", "));
        match self.settings.run.outside_writes {
            _ if names.is_empty() => {}
            Reaction::Ignore => {}
            Reaction::Warn => {
                watcher.warning(&format!("while {worker} planned, this changed: {names}"));
            }
            Reaction::Fail => return Err(PlannerError::ChangedOutside { worker, names }),
        }
        Ok(())
    }

    fn converse(
        &mut self,
        folder: &PlannerFolder,
        request: &Request,
        mut input: PlannerInput,
        watcher: &mut dyn Watcher,
    ) -> Result<Answered, PlannerError> {
        let mut tries = 0;
        loop {
            let prompt = self.prompts.render(&input)?;
            let reply = self.call(folder, tries + 1, &prompt, watcher)?;
            self.undo_changes(folder, watcher)?;
            let problems = match self.judge(request, &reply.text, watcher) {
                Ok(answered) => return Ok(answered),
                Err(problems) => problems,
            };
            if tries == CORRECTIONS {
                return Err(PlannerError::Unusable {
                    worker: self.worker.name.clone(),
                    answers: tries + 1,
                    kept: self.keep(&reply.text),
                    problems,
                });
            }
            watcher.warning(&format!(
                "the answer cannot be used; asking {} again ({} of {CORRECTIONS})",
                self.worker.name,
                tries + 1
            ));
            input.answer = Some(clip(&reply.text, FED_BACK));
            input.problems = Some(clip(&problems, FED_BACK));
            tries += 1;
        }
    }

    /// Holds the agent to reading: restores its worktree, and names the files that it changed.
    fn undo_changes(
        &self,
        folder: &PlannerFolder,
        watcher: &mut dyn Watcher,
    ) -> Result<(), PlannerError> {
        let changed = folder.restore(self.prompts.base)?;
        if changed.is_empty() {
            return Ok(());
        }
        let named = &changed[..changed.len().min(NAMED)];
        let more = match changed.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        watcher.warning(&format!(
            "{} changed files although it only plans; the changes are thrown away: {}{more}",
            self.worker.name,
            named.join(", ")
        ));
        Ok(())
    }

    fn call(
        &mut self,
        folder: &PlannerFolder,
        number: u32,
        prompt: &str,
        watcher: &mut dyn Watcher,
    ) -> Result<Reply, PlannerError> {
        let call = Call {
            folder,
            number,
            repo: self.repo,
            settings: self.settings,
            worker: &self.worker,
            executor: self.executor.as_ref(),
            base: self.prompts.base,
            cancel: CancelHandle::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| EngineError::File("the event loop".to_owned(), error))?;
        let (spent, reply) = runtime.block_on(call.run(prompt, watcher));
        self.spent.add(&spent);
        reply
    }

    /// Returns the plan of an answer, or its problems.
    fn judge(
        &self,
        request: &Request,
        text: &str,
        watcher: &mut dyn Watcher,
    ) -> Result<Answered, String> {
        let source = match read_answer(text) {
            Answer::Plan { source, earlier: 0 } => source,
            Answer::Plan { source, earlier } => {
                let blocks = plural(earlier + 1, "plan");
                watcher.warning(&format!("the answer has {blocks}; the last one is taken"));
                source
            }
            Answer::Sequential(reason) => return Ok(Answered::Sequential(reason)),
            Answer::Neither if text.trim().is_empty() => {
                return Err("the answer is empty".to_owned());
            }
            Answer::Neither => {
                return Err(
                    "there is no plan in the answer: it needs a fenced block with one \
                            (or a line `NOT PARALLEL: ` with the reason)"
                        .to_owned(),
                );
            }
        };
        if text.len() >= CUT_ANSWER || source.text.len() > MAX_BYTES {
            return Err(format!(
                "the answer is longer than {} KiB",
                CUT_ANSWER / 1024
            ));
        }
        let workers: BTreeSet<String> = self.settings.workers.keys().cloned().collect();
        let refuse = |_: &str| Err("a planner's plan has its prompts in it".to_owned());
        let Parsed {
            plan,
            diagnostics,
            tasks,
        } = plan::parse(&source, Some(&workers), &refuse);
        refuse_size(tasks)?;
        let Some(plan) = plan else {
            let errors: Vec<Diagnostic> = diagnostics
                .into_iter()
                .filter(Diagnostic::is_error)
                .collect();
            return Err(render_diagnostics(&source, &errors).trim_end().to_owned());
        };
        let whole = match &request.split {
            None => plan,
            Some((whole, number)) => {
                split(whole, *number, &plan).map_err(|error| error.to_string())?
            }
        };
        refuse_size(whole.tasks().len())?;
        Ok(Answered::Plan(self.with_worker(whole)))
    }

    /// Gives the planner's worker to tasks that name none, if the configured one has no command.
    fn with_worker(&self, plan: Plan) -> Plan {
        let default = self.settings.workers.get(&self.settings.run.worker);
        match default.is_some_and(|worker| !worker.command.is_empty()) {
            true => plan,
            false => plan.with_worker(&self.worker.name),
        }
    }

    /// Keeps an answer that could not be used, or a plan that could not be saved, in the place of an
    /// earlier one; returns the file, `None` if it cannot be written.
    pub fn keep(&self, text: &str) -> Option<PathBuf> {
        let file = folder::root(self.repo).join("answer.md");
        let written = files::replace(&file, text.as_bytes());
        written.is_ok().then_some(file)
    }
}

/// Refuses more tasks than a planner's plan can have.
fn refuse_size(tasks: usize) -> Result<(), String> {
    match tasks > MOST_TASKS {
        true => Err(format!(
            "the plan has {}, but a planner's plan can have at most {MOST_TASKS}",
            plural(tasks, "task")
        )),
        false => Ok(()),
    }
}
