//! The repository around the current folder, with its runs and a clock.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Clock;
use crate::base::text::did_you_mean;
use crate::base::user_folders::state_folder;
use crate::cli::error::{CommandError, ExitStatus};
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::kernel::known_settings;
pub(crate) use crate::engine::runs::find::DefaultRun;
use crate::engine::runs::find::find_run;
use crate::engine::runs::load::{Loaded, load};
use crate::engine::runs::read::read_state;
use crate::engine::spec::environment::depth;
use crate::engine::start::refuse_depth;
use crate::engine::trust;
use crate::git::discover::DiscoverError;
use crate::git::{Repo, Store};
use crate::journal::runs::{self, Holder, RunLock, Taken};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::plan::{Plan, Task};
use crate::model::run::RunState;
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

impl RepoContext {
    /// Opens the repository around the current folder, for a command that may run programs that git's
    /// configuration names.
    ///
    /// # Errors
    /// When there is none, dispatch cannot work in it, or that configuration has changed while workers
    /// ran.
    pub(crate) fn open() -> Result<RepoContext, CommandError> {
        let here = RepoContext::open_to_read()?;
        known_settings::refuse_changed(&here.repo)?;
        Ok(here)
    }

    /// Opens the repository around the current folder, for a command that reads objects and references
    /// only.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work in it.
    pub(crate) fn open_to_read() -> Result<RepoContext, CommandError> {
        RepoContext::at(&current_folder()?)
    }

    /// Opens the repository around the current folder, or returns `None` outside one.
    ///
    /// # Errors
    /// When dispatch cannot work with the repository.
    pub(crate) fn open_if_any() -> Result<Option<RepoContext>, CommandError> {
        let folder = std::env::current_dir().unwrap_or_default();
        match Repo::discover(&folder) {
            Err(DiscoverError::NoRepository(_)) => Ok(None),
            _ => RepoContext::open_to_read().map(Some),
        }
    }

    /// Opens the repository around a folder.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work in it.
    pub(crate) fn at(folder: &Path) -> Result<RepoContext, CommandError> {
        let mut repo = Repo::discover(folder)?;
        if let Some(folder) = state_folder() {
            repo.keep_state_below(&folder);
        }
        let store = Store::open(&repo)?;
        Ok(RepoContext {
            repo,
            store,
            clock: Clock::from_env(),
        })
    }

    /// Returns the top folder of the checkout without symbolic links.
    pub(crate) fn real_top(&self) -> PathBuf {
        let top = &self.repo.top;
        top.canonicalize().unwrap_or_else(|_| top.clone())
    }

    /// Refuses a command that changes a run if a worker of a run gives it, unless that is allowed.
    ///
    /// # Errors
    /// When this process is deeper down than the settings allow, or these cannot be read, or come from a
    /// repository without the user's consent.
    pub(crate) fn refuse_worker(&self) -> Result<(), CommandError> {
        if depth() > 0 {
            let settings = config::load(&self.repo.top, None, &Overrides::default())?;
            refuse_depth(&settings)?;
            // A worker can write the settings of its worktree.
            trust::require(&self.repo, &settings)?;
        }
        Ok(())
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
        Ok(find_run(&self.repo, &self.store, name, default)?)
    }

    /// Finds a run and the task that is named in it, if any. A single name that no run has is that of a
    /// task of the default run.
    ///
    /// # Errors
    /// When there is no such run or task, or a prefix fits several runs.
    pub(crate) fn find_run_or_task(
        &self,
        (first, second): (Option<&str>, Option<&str>),
        default: DefaultRun,
    ) -> Result<(RunId, Option<TaskNumber>), CommandError> {
        let run = match (self.find_run(first, default), first, second) {
            (Err(error), Some(name), None) => {
                let of_default = self.find_run(None, default).ok().and_then(|run| {
                    let plan = self.read_state(&run).ok()?.plan;
                    Some((run, Some(plan.find(name)?.number)))
                });
                return of_default.ok_or(error);
            }
            (run, _, _) => run?,
        };
        let Some(name) = second else {
            return Ok((run, None));
        };
        let task = find_task(&self.read_state(&run)?.plan, name)?.number;
        Ok((run, Some(task)))
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

/// Returns the current folder.
///
/// # Errors
/// When it is gone or cannot be read.
pub(crate) fn current_folder() -> Result<PathBuf, CommandError> {
    std::env::current_dir().map_err(|error| {
        CommandError::failed(format!("could not read the current folder: {error}"))
    })
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
