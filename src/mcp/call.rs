//! One call of a tool: its arguments, its repository, and the ways back to the client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::kernel::known_settings::refuse_changed;
use crate::engine::runs::find::DefaultRun;
use crate::mcp::error::ToolError;
use crate::mcp::land_checks::LandChecks;
use crate::mcp::repository::{Repository, find_task};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;

/// Reports progress: the finished part, the whole, and a sentence.
pub(super) type Progress = Arc<dyn Fn(usize, usize, &str) + Send + Sync>;

/// The runs that this server started last, by the top folder of the repository.
#[derive(Clone, Default)]
pub(super) struct StartedRuns(Arc<Mutex<BTreeMap<PathBuf, RunId>>>);

impl StartedRuns {
    /// Notes that a run was started in a repository.
    pub(super) fn note(&self, here: &Repository, run: &RunId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(here.repo.top.clone(), run.clone());
    }

    fn last(&self, here: &Repository) -> Option<RunId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&here.repo.top).cloned()
    }
}

/// One call of a tool.
#[derive(Clone)]
pub(super) struct Call {
    /// The name of the tool.
    pub(super) tool: &'static str,
    /// The arguments, as the client sent them.
    pub(super) arguments: Value,
    /// The folder that the repository is around, if there is one.
    pub(super) folder: Option<PathBuf>,
    /// The runs that this server started last.
    pub(super) started: StartedRuns,
    /// The checks before a landing is shown.
    pub(super) checks: LandChecks,
    /// Returns `true` once the client has cancelled the call, or has gone.
    pub(super) is_cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Reports progress to a client that asked for it.
    pub(super) progress: Progress,
    /// `true` if the call runs as a task of the protocol, which may take any time.
    pub(super) is_task: bool,
}

impl Call {
    /// Reads the arguments.
    ///
    /// # Errors
    /// When they do not fit the input schema of the tool.
    pub(super) fn arguments<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        serde_json::from_value(self.arguments.clone()).map_err(|error| {
            ToolError::new(format!("invalid arguments: {error}"))
                .at(self.tool)
                .next("correct the arguments as the input schema of the tool describes them")
        })
    }

    /// Finds a run by its name or a unique beginning of it. Without a name it is the one that this
    /// server started last, else the latest.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find_run(
        &self,
        here: &Repository,
        name: Option<&str>,
    ) -> Result<RunId, ToolError> {
        let started = self.started.last(here).filter(|_| name.is_none());
        // The last run may have been removed meanwhile.
        let started =
            started.and_then(|run| here.find(Some(run.as_str()), DefaultRun::Latest).ok());
        started.map_or_else(|| here.find(name, DefaultRun::Latest), Ok)
    }

    /// Opens the repository, and finds the run and the task that a call names.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn task(
        &self,
        run: Option<&str>,
        task: &str,
    ) -> Result<(Repository, RunState, TaskNumber), ToolError> {
        let here = self.repository()?;
        let state = here.state(&self.find_run(&here, run)?)?;
        let task = find_task(&state.plan, task)?;
        Ok((here, state, task))
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn repository(&self) -> Result<Repository, ToolError> {
        let Some(folder) = &self.folder else {
            return Err(
                ToolError::new("the server was started outside of a repository")
                    .at(self.tool)
                    .next("pass the absolute path of the repository as `repository`"),
            );
        };
        Repository::open(folder).map_err(|error| error.at(folder.display().to_string()))
    }

    /// Opens the repository for a tool that may run programs that git's configuration names.
    ///
    /// # Errors
    /// When there is none, or that configuration has changed while workers ran.
    pub(super) fn unchanged_repository(&self) -> Result<Repository, ToolError> {
        let here = self.repository()?;
        refuse_changed(&here.repo)?;
        Ok(here)
    }
}
