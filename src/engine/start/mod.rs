//! Starts a run; nothing is created before all checks have passed.

mod base;
pub mod confinement;
pub mod detach;
pub mod error;
pub mod plan_file;
pub mod remarks;
pub mod reopen;
pub mod retry;
pub mod take;
pub mod unsupported;
pub mod worker_pool;
pub mod workers;

pub use base::{current_branch, resolve};
pub use error::StartError;
pub use workers::{
    executors, refuse_worker, refuse_workers, worker_for, worker_name, worker_names,
};

use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::spec::environment::depth;
use crate::engine::start::base::{find_base, find_target};
use crate::engine::start::files::existing_ancestor;
use crate::engine::start::workers::refuse_remotes;
use crate::engine::trust;
use std::path::Path;

use jiff::Timestamp;

use crate::base::fault;
use crate::base::files;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::disk_space;
use crate::engine::prompt::render;
use crate::engine::runs::load::{PLAN_FILE, PLAN_TEXT_FILE, SETTINGS_FILE, settings_text};
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::journal::Journal;
use crate::journal::runs::{self, RunLock, Taken};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::plan::Plan;
use crate::model::run::RunState;
use crate::plan::{Format, render};
use crate::report::board::markdown::is_board;

/// References above those of a run, from the top.
const JOURNALS: [&str; 3] = [
    "refs/dispatch",
    "refs/dispatch/runs",
    "refs/dispatch/attempts",
];

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
    refuse_remotes(repo, plan, settings, only.as_deref())?;
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
