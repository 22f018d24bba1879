//! Carries out the actions of the board by the same functions of the engine as the commands.

use std::path::PathBuf;

use crate::base::clock::Clock;
use crate::base::text::error_chain;
use crate::control::Request;
use crate::engine::EngineError;
use crate::engine::run::control;
use crate::engine::runs::load::load;
use crate::engine::start::detach::detach;
use crate::engine::start::reopen::reopen;
use crate::engine::start::retry::{RetryError, refuse_checked_out, refuse_retry};
use crate::engine::start::{StartError, confinement};
use crate::git::{Repo, Store};
use crate::journal::runs::{RunLock, Taken};
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::report::suggest;

/// The run and the repository that actions are for.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) repo: Repo,
    pub(super) run: RunId,
    pub(super) clock: Clock,
}

impl Outside {
    /// Sends a request to the process that drives the run, or records it if none does.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub(super) fn request(&self, request: &Request) -> Result<(), String> {
        let store = Store::open(&self.repo).map_err(|error| error_chain(&error))?;
        let sent = control::request(&self.repo, &store, &self.run, request, self.clock);
        sent.map_err(|error| error_chain(&error))
    }

    /// Tries a task of a run that has ended again, in the background.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub(super) fn retry(&self, task: TaskNumber) -> Result<(), String> {
        let store = Store::open(&self.repo).map_err(|error| error_chain(&error))?;
        let lock = match RunLock::take(&self.repo, &self.run, self.clock.now()) {
            Ok(Taken::Ours(lock)) => lock,
            Ok(Taken::Held(_)) => return Err(format!("{} is being driven", self.run)),
            Err(error) => return Err(format!("could not lock {}: {error}", self.run)),
        };
        let loaded = load(&store, &self.run).map_err(|error| error_chain(&error))?;
        let opened = reopen(&self.repo, &store, &self.run, (lock, loaded), |loaded| {
            confinement::use_current(&self.repo, &mut loaded.settings);
            refuse_retry(&loaded.state, &loaded.settings, task, None)?;
            refuse_checked_out(&self.repo, &loaded.state, task)?;
            Ok::<_, Refusal>(vec![Event::RetryRequested {
                task,
                extra_prompt: None,
                new_prompt: None,
                worker: None,
                continue_session: false,
                by_hand: None,
                attempt: None,
            }])
        });
        let mut opened = opened.map_err(|error| error_chain(&error))?;
        let recorded = opened.journal.append(opened.asked, self.clock.now());
        recorded.map_err(|error| error_chain(&EngineError::from(error)))?;
        drop(opened.lock);
        detach(&self.repo, &self.run).map_err(|error| {
            format!(
                "no background process could be started: {error}; `{}` continues the run",
                suggest::resume(&self.run)
            )
        })
    }

    /// Returns the worktree of a task, if it is there.
    pub(super) fn worktree(&self, state: &RunState, task: TaskNumber) -> Option<PathBuf> {
        let attempt = state.task(task).shown_attempt()?;
        let path = self.repo.resolve_portable_path(&attempt.worktree);
        path.is_dir().then_some(path)
    }
}

/// The reason why a task is not tried again.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Retry(#[from] RetryError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
