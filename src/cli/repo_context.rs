//! The repository around the current folder, with its runs and a clock.

use std::path::Path;

use clap::Args;

use crate::base::clock::Clock;
use crate::base::text::did_you_mean;
use crate::cli::error::{CommandError, ExitStatus};
use crate::engine::runs::load::{Loaded, load};
use crate::engine::runs::read::read_state;
use crate::git::discover::DiscoverError;
use crate::git::{Repo, Store};
use crate::journal::runs::{self, Holder, RunLock, Taken};
use crate::model::ids::RunId;
use crate::model::plan::{Plan, Task};
use crate::model::run::{RunPhase, RunState};
use crate::ui::Ui;

/// The repository that a subcommand works in.
#[derive(Debug)]
pub(crate) struct RepoContext {
    /// The repository.
    pub(crate) repo: Repo,
    /// Its store.
    pub(crate) store: Store,
    /// The time of day.
    pub(crate) clock: Clock,
}

/// The arguments `[RUN] TASK`.
#[derive(Args, Debug, Clone)]
#[command(allow_missing_positional = true)]
pub(crate) struct TaskName {
    /// The run, or a unique beginning of its name [default: the latest that fits]
    pub(crate) run: Option<String>,
    /// The task, by number or tag
    pub(crate) task: String,
}

/// Selects a run when the command line names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DefaultRun {
    /// The run with the latest event.
    Latest,
    /// The latest run that has not ended with success, else the latest.
    Unfinished,
    /// The latest run with a candidate that has not landed, else the latest.
    Unlanded,
}

impl RepoContext {
    /// Opens the repository around the current folder.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work in it.
    pub(crate) fn open() -> Result<RepoContext, CommandError> {
        let folder = std::env::current_dir().map_err(|error| {
            CommandError::failed(format!("could not read the current folder: {error}"))
        })?;
        RepoContext::at(&folder)
    }

    /// Opens the repository around the current folder, or returns `None` outside one.
    ///
    /// # Errors
    /// When dispatch cannot work with the repository.
    pub(crate) fn open_if_any() -> Result<Option<RepoContext>, CommandError> {
        let folder = std::env::current_dir().unwrap_or_default();
        match Repo::discover(&folder) {
            Err(DiscoverError::NoRepository(_)) => Ok(None),
            _ => RepoContext::open().map(Some),
        }
    }

    /// Opens the repository around a folder.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work in it.
    pub(crate) fn at(folder: &Path) -> Result<RepoContext, CommandError> {
        let repo = Repo::discover(folder)?;
        let store = Store::open(&repo)?;
        Ok(RepoContext {
            repo,
            store,
            clock: Clock::from_env(),
        })
    }

    /// Finds a run by its name or a unique prefix, or the default run.
    ///
    /// # Errors
    /// When there is none, or a prefix fits several.
    pub(crate) fn find_run(
        &self,
        name: Option<&str>,
        default: DefaultRun,
    ) -> Result<RunId, CommandError> {
        let runs: Vec<RunId> = runs::list(&self.store)?
            .into_iter()
            .map(|entry| entry.run)
            .collect();
        match name {
            Some(name) => find_named(&runs, name),
            None => self.find_default(&runs, default),
        }
    }

    /// Finds a run, and prints its name if it was not given.
    ///
    /// # Errors
    /// When there is none, or a prefix fits several.
    pub(crate) fn find_and_announce_run(
        &self,
        name: Option<&str>,
        default: DefaultRun,
        ui: &Ui,
    ) -> Result<RunId, CommandError> {
        let run = self.find_run(name, default)?;
        if name.is_none() {
            ui.status(&format!("using run {run}"));
        }
        Ok(run)
    }

    /// Returns `true` if the repository has a run.
    pub(crate) fn has_runs(&self) -> Result<bool, CommandError> {
        Ok(!runs::list(&self.store)?.is_empty())
    }

    fn find_default(&self, runs: &[RunId], default: DefaultRun) -> Result<RunId, CommandError> {
        let none = || {
            CommandError::failed("there is no run in this repository yet")
                .hint("`dispatch run PLAN` starts one; `dispatch demo` shows an example")
        };
        let latest = runs.last().ok_or_else(none)?;
        let fits = match default {
            DefaultRun::Latest => return Ok(latest.clone()),
            DefaultRun::Unfinished => is_unfinished,
            DefaultRun::Unlanded => is_landable,
        };
        // Reading every old run would be slow; the default is among the newest.
        for run in runs.iter().rev().take(NEWEST) {
            if self.read_state(run).is_ok_and(|state| fits(&state)) {
                return Ok(run.clone());
            }
        }
        Ok(latest.clone())
    }

    /// Reads the state of a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read_state(&self, run: &RunId) -> Result<RunState, CommandError> {
        Ok(read_state(&self.repo, &self.store, run)?)
    }

    /// Reads a run from its whole journal, to change it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(&self, run: &RunId) -> Result<Loaded, CommandError> {
        Ok(load(&self.store, run)?)
    }

    /// Takes the lock of a run.
    ///
    /// # Errors
    /// Exit code 5 when another process holds it.
    pub(crate) fn lock(&self, run: &RunId) -> Result<RunLock, CommandError> {
        match RunLock::take(&self.repo, run, self.clock.now()) {
            Ok(Taken::Ours(lock)) => Ok(lock),
            Ok(Taken::Held(holder)) => Err(held(run, holder)),
            Err(error) => Err(CommandError::failed(format!(
                "could not lock {run} in {}: {error}",
                self.repo.run_folder(run.as_str()).display()
            ))),
        }
    }
}

/// The number of runs that are read to find the default one.
const NEWEST: usize = 20;

fn is_unfinished(state: &RunState) -> bool {
    !matches!(state.phase, RunPhase::Ended(0)) && state.landed.is_none()
}

fn is_landable(state: &RunState) -> bool {
    state.landed.is_none() && !state.candidates().is_empty()
}

fn held(run: &RunId, holder: Option<Holder>) -> CommandError {
    let who = holder.map_or_else(String::new, |holder| {
        format!(
            " (process {} on {}, since {})",
            holder.pid, holder.host, holder.since
        )
    });
    CommandError::new(
        ExitStatus::Held,
        format!("another dispatch drives {run}{who}"),
    )
    .hint(format!("`dispatch status {run}` shows its progress"))
}

fn find_named(runs: &[RunId], name: &str) -> Result<RunId, CommandError> {
    if let Some(run) = runs.iter().find(|run| run.as_str() == name) {
        return Ok(run.clone());
    }
    let fits: Vec<&RunId> = runs
        .iter()
        .filter(|run| run.as_str().starts_with(name))
        .collect();
    match fits.as_slice() {
        [run] => Ok((*run).clone()),
        [] => {
            let near = did_you_mean(name, runs.iter().map(RunId::as_str));
            let error = CommandError::failed(format!("there is no run {name:?}"));
            Err(match near {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`dispatch history` lists the runs"),
            })
        }
        several => {
            let names: Vec<&str> = several.iter().map(|run| run.as_str()).collect();
            let message = format!("{name:?} matches several runs");
            Err(CommandError::failed(message).hint(format!("name one of {}", names.join(", "))))
        }
    }
}

/// Finds a task by its number or tag.
///
/// # Errors
/// When the plan has no such task.
pub(crate) fn find_task<'a>(plan: &'a Plan, name: &str) -> Result<&'a Task, CommandError> {
    plan.find(name).ok_or_else(|| {
        let near = did_you_mean(name, plan.tasks().iter().map(|task| task.tag.as_str()));
        let count = plan.tasks().len();
        let error = CommandError::failed(format!("the plan has no task {name:?}"));
        match near {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!(
                "tasks are named by number (1 to {count}) or by tag"
            )),
        }
    })
}
