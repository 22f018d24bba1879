//! Starts a run; nothing is created before all checks have passed.

pub mod confinement;
pub mod detach;
pub mod plan_file;
pub mod remarks;
pub mod reopen;
pub mod retry;
pub mod take;
pub mod unsupported;
pub mod worker_pool;

use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::spec::environment::depth;
use crate::engine::start::files::existing_ancestor;
use crate::engine::trust;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::base::fault;
use crate::base::files;
use crate::base::process::find_program;
use crate::base::text::error_chain;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::disk_space;
use crate::engine::prompt::render;
use crate::engine::remote::fleet::remote_of;
use crate::engine::runs::load::{PLAN_FILE, PLAN_TEXT_FILE, SETTINGS_FILE, settings_text};
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::git::{Repo, Store, StoreError};
use crate::journal::Journal;
use crate::journal::runs::{self, RunLock, Taken};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::plan::{Plan, Task, Variants};
use crate::model::run::RunState;
use crate::model::shortage::Shortage;
use crate::model::worker::Worker;
use crate::plan::{Format, render};
use crate::report::board::markdown::is_board;
use crate::worker::template::TemplateError;

/// References above those of a run, from the top.
const JOURNALS: [&str; 3] = [
    "refs/dispatch",
    "refs/dispatch/runs",
    "refs/dispatch/attempts",
];

/// The reason why a run cannot start. Nothing has been created.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// HEAD names no commit yet.
    #[error("{} has no commit yet, so there is nothing to start from", .0.display())]
    Unborn(PathBuf),
    /// The base names no commit.
    #[error("the base {0:?} names no commit")]
    NoBase(String),
    /// The target is not a branch.
    #[error("the target branch {0:?} does not exist")]
    NoTarget(String),
    /// A branch has the name that every branch of a run starts with.
    #[error("a branch named {0:?} exists, and git keeps no branches below a branch")]
    PrefixTaken(String),
    /// A reference has the name of a folder of journals.
    #[error("the reference {0:?} exists, and git keeps no references below a reference")]
    JournalsTaken(&'static str),
    /// The base already has a file at the board's path.
    #[error("the base has a file {0:?} that dispatch did not write")]
    BoardTaken(String),
    /// A task of `--only` depends on one that is not chosen.
    #[error("{0} depends on {1}, which `--only` leaves out")]
    OnlyCuts(TaskNumber, TaskNumber),
    /// A worker has no command for a task.
    #[error("{0} has no `run` command, and its worker `{1}` needs one")]
    NoCommand(TaskNumber, String),
    /// The settings require a confinement that this machine does not have.
    #[error("workers cannot be confined: {0}")]
    NoSandbox(String),
    /// A worker's program is not installed.
    #[error("the program {program:?} of worker `{worker}` ({task}) was not found on PATH")]
    NoProgram {
        /// The first task that needs it.
        task: TaskNumber,
        /// The worker.
        worker: String,
        /// The program.
        program: String,
    },
    /// A task, its worker or the run names an executor that cannot be used.
    #[error("{task}: {message}")]
    Executor {
        /// The first task that needs it.
        task: TaskNumber,
        /// The reason.
        message: String,
        /// The remedy.
        hint: String,
    },
    /// A task names a worker that is not configured.
    #[error("{0} names the worker `{1}`, which is not configured")]
    NoWorker(TaskNumber, String),
    /// This process is a worker of another dispatch.
    #[error("this is a worker of another dispatch, and {} deep is deeper than allowed", levels(*.0))]
    TooDeep(u32),
    /// A folder that dispatch has to write to cannot be written.
    #[error("{} cannot be written", .0.display())]
    Unwritable(PathBuf, #[source] io::Error),
    /// The repository itself cannot be written.
    #[error("{} cannot be written", .0.display())]
    ReadOnly(PathBuf, #[source] io::Error),
    /// The disk is nearly full.
    #[error("{}", .0.message())]
    NoSpace(Shortage),
    /// The worktrees would be inside a checkout.
    #[error("worktrees would be made inside the checkout, at {}", .0.display())]
    InsideCheckout(PathBuf),
    /// The user's prompt template is invalid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// Suggests a remedy.
    pub fn hint(&self) -> String {
        match self {
            StartError::Unborn(_) => "make a first commit, then run dispatch again".into(),
            StartError::NoBase(_) => "give a commit, branch or tag with `--base`".into(),
            StartError::NoTarget(name) => {
                format!("create it with `git branch {name}`, or choose another with `--into`")
            }
            StartError::PrefixTaken(name) => format!(
                "rename that branch, or set `branch_prefix` under `[run]` in .dispatch.toml \
                 to something other than {name:?}"
            ),
            StartError::JournalsTaken(name) => {
                format!(
                    "no run can be recorded beside it; inspect it with `git show {name}`, keep it under another name, then `git update-ref -d {name}`"
                )
            }
            StartError::BoardTaken(_) => {
                "name another file as `file` under `[board]` in .dispatch.toml".into()
            }
            StartError::OnlyCuts(_, needed) => format!("add {} to `--only`", needed.0),
            StartError::NoCommand(..) => {
                "give the task a `run:` line, or a coding agent as its `worker:` \
                 (or as `worker` under `[run]` in .dispatch.toml)"
                    .into()
            }
            StartError::NoProgram { program, .. } => {
                format!("install {program}, or choose another worker")
            }
            StartError::Executor { hint, .. } => hint.clone(),
            StartError::NoSandbox(_) => {
                "`dispatch help sandbox` lists what each kind needs; with `mode = \"auto\"` under \
                 `[sandbox]` it is used where it exists"
                    .into()
            }
            StartError::NoWorker(_, name) => {
                format!("add `[workers.{name}]` to .dispatch.toml, or choose another worker")
            }
            StartError::TooDeep(depth) => format!(
                "workers that start workers may never end; `max_depth = {depth}` under \
                 `[run]` in .dispatch.toml allows it"
            ),
            StartError::Unwritable(..) => {
                "make it writable, or set `path` under `[worktree]` in .dispatch.toml".into()
            }
            StartError::ReadOnly(..) => {
                "a run is recorded there: make it writable, or work in a clone that is".into()
            }
            StartError::NoSpace(_) => {
                "free some space; `min_free_space` under `[run]` in .dispatch.toml says \
                 how much is to stay free"
                    .into()
            }
            StartError::InsideCheckout(_) => {
                "set `path` under `[worktree]` in .dispatch.toml to a place beside the repository"
                    .into()
            }
            StartError::Template(error) => error.hint.clone(),
            StartError::Store(_) => "`git fsck` checks the repository".into(),
        }
    }
}

fn levels(depth: u32) -> String {
    crate::base::text::plural(depth as usize, "level")
}

/// Rejects a run started by a worker, unless that is allowed.
///
/// # Errors
/// When this process is deeper down than the settings allow.
pub fn refuse_depth(settings: &Settings) -> Result<(), StartError> {
    match depth() {
        deep if deep > settings.run.max_depth => Err(StartError::TooDeep(deep)),
        _ => Ok(()),
    }
}

/// The checked starting conditions of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// The base commit.
    pub base: Oid,
    /// The name of the base.
    pub base_name: String,
    /// The target branch; `None` on a detached HEAD.
    pub target: Option<String>,
    /// The chosen tasks; `None` for all.
    pub only: Option<Vec<TaskNumber>>,
    /// The file the plan was read from, as it is recorded.
    pub plan_file: Option<String>,
}

impl Prepared {
    /// Adds the path of the plan's file.
    #[must_use]
    pub fn from_file(mut self, repo: &Repo, plan: &Path) -> Prepared {
        let path = std::path::absolute(plan).ok();
        let path = path.filter(|path| path.is_file()).map(|path| {
            // Without `..`; a link keeps its own name, so that a new file behind it is found.
            let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
            let named = folder.zip(path.file_name());
            named.map_or(path.clone(), |(folder, name)| folder.join(name))
        });
        self.plan_file = path.map(|path| repo.portable_path(&path));
        self
    }
}

/// Checks everything that could prevent a run.
///
/// # Errors
/// The first obstacle. Nothing has been created.
pub fn prepare(
    repo: &Repo,
    plan: &Plan,
    settings: &Settings,
    only: Option<Vec<TaskNumber>>,
) -> Result<Prepared, StartError> {
    refuse_depth(settings)?;
    let store = Store::open(repo)?;
    let (base, base_name) = find_base(repo, &store, &settings.run.base)?;
    let target = find_target(repo, &store, settings.run.target.as_deref())?;
    refuse_taken_names(&store, settings, base)?;
    refuse_cut(plan, only.as_deref())?;
    refuse_workers(plan, settings, only.as_deref())?;
    refuse_executors(repo, plan, settings, only.as_deref())?;
    confinement::refuse_missing(plan, settings)?;
    render::check(&settings.prompt, plan)?;
    refuse_places(repo, settings)?;
    Ok(Prepared {
        base,
        base_name,
        target,
        only,
        plan_file: None,
    })
}

fn find_base(repo: &Repo, store: &Store, name: &str) -> Result<(Oid, String), StartError> {
    if let Some(base) = resolve(repo, store, name)? {
        let current = current_branch(repo).filter(|_| name == "HEAD");
        return Ok((base, current.unwrap_or_else(|| name.to_owned())));
    }
    if name == "HEAD" {
        return Err(StartError::Unborn(repo.top.clone()));
    }
    Err(StartError::NoBase(name.to_owned()))
}

/// Resolves a revision to a commit. HEAD is that of the current checkout, which may be a linked
/// worktree, while the store is the shared one.
///
/// # Errors
/// When the store cannot be read.
pub fn resolve(repo: &Repo, store: &Store, name: &str) -> Result<Option<Oid>, StoreError> {
    let names_head = name == "HEAD"
        || name.starts_with("HEAD~")
        || name.starts_with("HEAD^")
        || name == "@"
        || name.starts_with("@~")
        || name.starts_with("@^");
    if !names_head || repo.git_dir == repo.common {
        return store.resolve(name);
    }
    let spec = format!("{name}^{{commit}}");
    let line = repo
        .git()
        .line(&["rev-parse", "--verify", "--quiet", &spec]);
    Ok(line.ok().and_then(|line| line.parse().ok()))
}

/// Returns the branch of the current checkout; `None` on a detached HEAD.
pub fn current_branch(repo: &Repo) -> Option<String> {
    let here = crate::git::worktree::Worktree {
        path: repo.top.clone(),
        admin: repo.git_dir.clone(),
    };
    match here.head()? {
        Head::Branch(branch) => Some(branch),
        Head::Detached(_) => None,
    }
}

fn find_target(
    repo: &Repo,
    store: &Store,
    wanted: Option<&str>,
) -> Result<Option<String>, StartError> {
    let Some(name) = wanted else {
        return Ok(current_branch(repo));
    };
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    match store.reference(&branch_ref(name)) {
        // Where HEAD names it, that is the name of the checkout.
        Ok(Some(_)) if current_branch(repo).as_deref() == Some(name) => Ok(Some(name.to_owned())),
        Ok(Some(_)) => Ok(Some(repo.real_branch(name))),
        _ => Err(StartError::NoTarget(name.to_owned())),
    }
}

fn refuse_taken_names(store: &Store, settings: &Settings, base: Oid) -> Result<(), StartError> {
    let mut prefix = String::new();
    for part in settings.run.branch_prefix.split('/') {
        prefix = if prefix.is_empty() {
            part.to_owned()
        } else {
            format!("{prefix}/{part}")
        };
        if store.reference(&branch_ref(&prefix))?.is_some() {
            return Err(StartError::PrefixTaken(prefix));
        }
    }
    for name in JOURNALS {
        if store.reference(name)?.is_some() {
            return Err(StartError::JournalsTaken(name));
        }
    }
    let file = &settings.board.file;
    let Some(entry) = store.entry(store.tree_of(base)?, file)? else {
        return Ok(());
    };
    let text = store.blob(entry.oid)?;
    let text = String::from_utf8_lossy(&text);
    if is_board(&text) {
        Ok(())
    } else {
        Err(StartError::BoardTaken(file.clone()))
    }
}

fn refuse_cut(plan: &Plan, only: Option<&[TaskNumber]>) -> Result<(), StartError> {
    let Some(only) = only else { return Ok(()) };
    for number in only {
        let missing = plan
            .task(*number)
            .depends_on
            .iter()
            .find(|needed| !only.contains(needed));
        if let Some(needed) = missing {
            return Err(StartError::OnlyCuts(*number, *needed));
        }
    }
    Ok(())
}

/// Checks that every chosen task has a worker that can run it here.
///
/// # Errors
/// The first task that has none.
pub fn refuse_workers(
    plan: &Plan,
    settings: &Settings,
    only: Option<&[TaskNumber]>,
) -> Result<(), StartError> {
    let chosen = |task: &&Task| only.is_none_or(|only| only.contains(&task.number));
    for task in plan.tasks().iter().filter(chosen) {
        let judge = settings.judge_of(task);
        for name in worker_names(task, settings).into_iter().chain(judge) {
            let worker = settings.workers.get(name);
            let missing = || StartError::NoWorker(task.number, name.to_owned());
            let worker = worker.ok_or_else(missing)?;
            let is_elsewhere = !settings.executor_of(task, Some(worker)).is_local();
            match refuse_worker(task, worker) {
                // Its program is needed on the nodes. A judge always runs here.
                Err(StartError::NoProgram { .. }) if is_elsewhere && judge != Some(name) => {}
                checked => checked?,
            }
        }
    }
    Ok(())
}

/// Checks that every chosen task has an executor that can be used from this repository.
///
/// # Errors
/// The first task that has none.
pub fn refuse_executors(
    repo: &Repo,
    plan: &Plan,
    settings: &Settings,
    only: Option<&[TaskNumber]>,
) -> Result<(), StartError> {
    let chosen = |task: &&Task| only.is_none_or(|only| only.contains(&task.number));
    for task in plan.tasks().iter().filter(chosen) {
        for name in worker_names(task, settings) {
            let choice = settings.executor_of(task, settings.workers.get(name));
            let refused = |(message, hint)| StartError::Executor {
                task: task.number,
                message,
                hint,
            };
            if let Some(why) = settings.unusable_executor(&choice) {
                return Err(refused(why));
            }
            if let Some(profile) = settings.executors.get(&choice.name) {
                let hint =
                    "`git remote add NAME ADDRESS` adds one; it must be an address that the nodes \
                            reach, too"
                        .to_owned();
                let found = remote_of(repo, profile);
                found.map_err(|error| refused((error_chain(&error), hint)))?;
            }
        }
    }
    Ok(())
}

/// Checks that a worker can run a task here.
///
/// # Errors
/// When it has no command for the task, or its program is not installed.
pub fn refuse_worker(task: &Task, worker: &Worker) -> Result<(), StartError> {
    let Some(program) = worker.command.first() else {
        return match task.fields.run {
            Some(_) => Ok(()),
            None => Err(StartError::NoCommand(task.number, worker.name.clone())),
        };
    };
    if program.contains('{') || find_program(program).is_some() {
        return Ok(());
    }
    let (worker, program) = (worker.name.clone(), program.clone());
    Err(StartError::NoProgram {
        task: task.number,
        worker,
        program,
    })
}

/// Returns the worker of a task: the shell if it has a command, else its own worker, else the
/// configured one.
pub fn worker_name<'a>(task: &'a Task, settings: &'a Settings) -> &'a str {
    match (&task.fields.run, &task.fields.worker) {
        (Some(_), _) => "shell",
        (None, Some(worker)) => worker,
        (None, None) => &settings.run.worker,
    }
}

/// Returns the worker of every variant of a task, or that of a task without variants.
pub fn worker_names<'a>(task: &'a Task, settings: &'a Settings) -> Vec<&'a str> {
    let own = worker_name(task, settings);
    match &task.fields.variants {
        Some(Variants::Workers(workers)) => workers.iter().map(String::as_str).collect(),
        Some(Variants::Count(count)) => vec![own; usize::from(*count)],
        None => vec![own],
    }
}

/// Returns the worker of a task of a run: the user's later choice, else that of the plan.
pub fn worker_for<'a>(state: &'a RunState, number: TaskNumber, settings: &'a Settings) -> &'a str {
    let chosen = state.task(number).worker_override.as_deref();
    chosen.unwrap_or_else(|| worker_name(state.plan.task(number), settings))
}

/// Checks that dispatch can write its own folder and worktrees.
///
/// # Errors
/// The first place that cannot be written, is full, or is inside the checkout.
pub fn refuse_places(repo: &Repo, settings: &Settings) -> Result<(), StartError> {
    let example = settings.worktree.folder(repo.home(), "run", "task");
    if example.starts_with(&repo.top) {
        return Err(StartError::InsideCheckout(example));
    }
    let common = &repo.common;
    files::probe_writable(common).map_err(|error| StartError::ReadOnly(common.clone(), error))?;
    let worktrees = &existing_ancestor(&example);
    files::probe_writable(worktrees)
        .map_err(|error| StartError::Unwritable(worktrees.clone(), error))?;
    match disk_space::shortage(repo, settings, WorktreeSize::default(), 0) {
        Some(shortage) => Err(StartError::NoSpace(shortage)),
        None => Ok(()),
    }
}

/// A new run, locked by this process.
#[derive(Debug)]
pub struct Started {
    /// Its state after the first event.
    pub state: RunState,
    /// Its journal.
    pub journal: Journal,
    /// The lock of the run.
    pub lock: RunLock,
    /// The first event, for the progress display.
    pub first: crate::model::event::Recorded,
}

/// Creates the run: its lock and its journal with plan, settings and base.
///
/// # Errors
/// When the user has not agreed to the settings, or the store or the folder of the run cannot be written.
pub fn create(
    repo: &Repo,
    plan: Plan,
    settings: &Settings,
    prepared: &Prepared,
    assemble: bool,
    now: Timestamp,
    random: &mut fastrand::Rng,
) -> Result<Started, EngineError> {
    trust::require(repo, settings)?;
    let store = Store::open(repo)?;
    let prefix = &settings.run.branch_prefix;
    let taken = |run: &RunId| {
        let folder = settings.worktree.folder(repo.home(), run.as_str(), "task");
        let branches = store.references(&format!("refs/heads/{prefix}/{run}"));
        folder.parent().is_some_and(Path::exists) || branches.is_ok_and(|found| !found.is_empty())
    };
    let run = runs::draw(&store, plan.title(), random, taken)?;
    let lock = match RunLock::take(repo, &run, now) {
        Ok(Taken::Ours(lock)) => lock,
        Ok(Taken::Held(_)) => {
            return Err(EngineError::Refused(format!(
                "another dispatch just took the name {run}"
            )));
        }
        Err(error) => {
            let folder = repo.run_folder(run.as_str());
            return Err(EngineError::File(folder.display().to_string(), error));
        }
    };
    let files = [
        (PLAN_FILE, render(&plan, Format::Json)),
        (PLAN_TEXT_FILE, render(&plan, Format::Markdown)),
        (SETTINGS_FILE, settings_text(settings)?),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let event = Event::RunStarted {
        plan_file: prepared.plan_file.clone(),
        title: plan.title().to_owned(),
        base: prepared.base,
        base_name: prepared.base_name.clone(),
        target: prepared.target.clone(),
        only: prepared.only.clone(),
        assemble,
    };
    let recorded = repo.record_home();
    recorded.map_err(|error| EngineError::File("the record of the main checkout".into(), error))?;
    fault::point("run", "with its lock");
    let (journal, first) = Journal::create(repo, &run, &files, event, now)?;
    fault::point("run", "created");
    let state = RunState::start(run, plan, &first)
        .ok_or_else(|| EngineError::Broken("a run starts with its first event".to_owned()))?;
    Ok(Started {
        state,
        journal,
        lock,
        first,
    })
}
