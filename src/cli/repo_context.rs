//! Where a subcommand works: the repository around the current folder, its runs and its clock.

use std::path::Path;

use clap::Args;

use crate::base::clock::Clock;
use crate::base::text::did_you_mean;
use crate::cli::error::{CommandError, Exit};
use crate::engine::runs::load::{Loaded, load};
use crate::git::discover::DiscoverError;
use crate::git::{Repo, Store};
use crate::journal::runs::{self, Holder, RunLock, Taken};
use crate::model::ids::RunId;
use crate::model::plan::{Plan, Task};
use crate::model::run::{RunPhase, RunState};
use crate::ui::Ui;

/// The repository a subcommand works in.
#[derive(Debug)]
pub(crate) struct Place {
    /// The repository.
    pub(crate) repo: Repo,
    /// Its store.
    pub(crate) store: Store,
    /// The time of day.
    pub(crate) clock: Clock,
}

/// A task on the command line, as `TASK` or `RUN TASK`.
#[derive(Args, Debug, Clone)]
#[command(allow_missing_positional = true)]
pub(crate) struct TaskName {
    /// The run, or a unique beginning of its name [default: the latest that fits]
    pub(crate) run: Option<String>,
    /// The task, by number or tag
    pub(crate) task: String,
}

/// Which run is meant when none is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Default {
    /// The one that something happened to last.
    Latest,
    /// The same, but one that has not ended or did not end well goes first.
    Unfinished,
    /// The same, but one that offers something and has not landed goes first.
    Unlanded,
}

impl Place {
    /// The repository around the current folder.
    ///
    /// # Errors
    /// Why dispatch cannot work here.
    pub(crate) fn open() -> Result<Place, CommandError> {
        let folder = std::env::current_dir().map_err(|error| {
            CommandError::failed(format!("the current folder cannot be read: {error}"))
        })?;
        Place::at(&folder)
    }

    /// The repository around the current folder, or `None` outside one.
    ///
    /// # Errors
    /// Why dispatch cannot work with the repository that is there.
    pub(crate) fn open_if_any() -> Result<Option<Place>, CommandError> {
        let folder = std::env::current_dir().unwrap_or_default();
        match Repo::discover(&folder) {
            Err(DiscoverError::NoRepository(_)) => Ok(None),
            _ => Place::open().map(Some),
        }
    }

    /// The repository around a folder.
    ///
    /// # Errors
    /// Why dispatch cannot work there.
    pub(crate) fn at(folder: &Path) -> Result<Place, CommandError> {
        let repo = Repo::discover(folder)?;
        let store = Store::open(&repo)?;
        Ok(Place {
            repo,
            store,
            clock: Clock::from_env(),
        })
    }

    /// The run a person means: a full name, a unique beginning of one, or the default.
    ///
    /// # Errors
    /// When there is none, or a beginning fits several.
    pub(crate) fn find_run(
        &self,
        name: Option<&str>,
        default: Default,
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

    /// The same, and says which one it is where none was named.
    ///
    /// # Errors
    /// When there is none, or a beginning fits several.
    pub(crate) fn find_and_say(
        &self,
        name: Option<&str>,
        default: Default,
        ui: &Ui,
    ) -> Result<RunId, CommandError> {
        let run = self.find_run(name, default)?;
        if name.is_none() {
            ui.status(&format!("taking {run}"));
        }
        Ok(run)
    }

    /// Whether there is any run.
    pub(crate) fn has_runs(&self) -> Result<bool, CommandError> {
        Ok(!runs::list(&self.store)?.is_empty())
    }

    fn find_default(&self, runs: &[RunId], default: Default) -> Result<RunId, CommandError> {
        let none = || {
            CommandError::failed("there is no run in this repository yet")
                .hint("`dispatch run PLAN` makes one; `dispatch demo` shows how it goes")
        };
        let latest = runs.last().ok_or_else(none)?;
        let fits = match default {
            Default::Latest => return Ok(latest.clone()),
            Default::Unfinished => is_unfinished,
            Default::Unlanded => is_landable,
        };
        // Old runs are not read for this: the newest few are what a person can mean.
        for run in runs.iter().rev().take(20) {
            if self.load(run).is_ok_and(|loaded| fits(&loaded.state)) {
                return Ok(run.clone());
            }
        }
        Ok(latest.clone())
    }

    /// Reads a run from its journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(&self, run: &RunId) -> Result<Loaded, CommandError> {
        Ok(load(&self.store, run)?)
    }

    /// Takes the right to drive a run.
    ///
    /// # Errors
    /// Exit 5 when another dispatch has it.
    pub(crate) fn lock(&self, run: &RunId) -> Result<RunLock, CommandError> {
        match RunLock::take(&self.repo, run, self.clock.now()) {
            Ok(Taken::Ours(lock)) => Ok(lock),
            Ok(Taken::Held(holder)) => Err(held(run, holder)),
            Err(error) => Err(CommandError::failed(format!(
                "the lock of {run} in {} cannot be taken: {error}",
                self.repo.run_folder(run.as_str()).display()
            ))),
        }
    }
}

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
    CommandError::new(Exit::Held, format!("another dispatch drives {run}{who}"))
        .hint(format!("`dispatch status {run}` shows how far it is"))
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
            let message = format!("{name:?} is the beginning of several runs");
            Err(CommandError::failed(message).hint(format!("name one of {}", names.join(", "))))
        }
    }
}

/// The task a person means: a number or a tag.
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
