//! Checks that a task can be retried.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::config::Settings;
use crate::engine::start::{StartError, refuse_worker};
use crate::git::Repo;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// The reason why a task cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// A task that it depends on did not pass.
    #[error("{task} of {run} cannot start before {by}, which did not pass")]
    Blocked {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskNumber,
        /// The first task that has to pass before.
        by: TaskNumber,
    },
    /// It has not ended.
    #[error("{task} of {run} has not ended")]
    NotEnded {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskNumber,
    },
    /// Its branch, which the next attempt moves, is checked out in a place that is not the run's.
    #[error("the branch {branch} of {task} is checked out in {}", place.display())]
    CheckedOut {
        /// The task.
        task: TaskNumber,
        /// The branch.
        branch: String,
        /// The checkout.
        place: PathBuf,
    },
    /// The settings of the run have no such worker.
    #[error("{run} has no worker {name:?}")]
    NoWorker {
        /// The run.
        run: RunId,
        /// The name.
        name: String,
        /// The workers that it has.
        known: Vec<String>,
    },
    /// The worker cannot run the task here.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Checks that a task can be retried now, and by this worker if one is given.
///
/// # Errors
/// When it cannot.
pub fn refuse_retry(
    state: &RunState,
    settings: &Settings,
    number: TaskNumber,
    worker: Option<&str>,
) -> Result<(), RetryError> {
    refuse_unready(state, number)?;
    match worker {
        Some(name) => refuse_unsuited(state, settings, number, name),
        None => Ok(()),
    }
}

/// Checks that the branch of a task is checked out in no place that is not the run's: the next attempt
/// could not move it, and would cost the task its result.
///
/// # Errors
/// When it is.
pub fn refuse_checked_out(
    repo: &Repo,
    state: &RunState,
    task: TaskNumber,
) -> Result<(), RetryError> {
    let attempts = &state.task(task).attempts;
    let Some(branch) = attempts.last().map(|last| last.branch.clone()) else {
        return Ok(());
    };
    let places = repo.checkouts_of(&branch).into_iter();
    let own = attempts
        .iter()
        .map(|attempt| repo.resolve_portable_path(&attempt.worktree));
    let own: HashSet<PathBuf> = own.collect();
    let mut others = places.filter(|place| !own.contains(&repo.known_path(place)));
    match others.next() {
        Some(place) => Err(RetryError::CheckedOut {
            task,
            branch,
            place,
        }),
        None => Ok(()),
    }
}

fn refuse_unready(state: &RunState, number: TaskNumber) -> Result<(), RetryError> {
    let (run, task) = (state.run.clone(), number);
    if let Some(by) = state.root_causes(number).first() {
        let by = *by;
        return Err(RetryError::Blocked { run, task, by });
    }
    match &state.task(number).phase {
        TaskPhase::Running | TaskPhase::RetryAt(_) => Err(RetryError::NotEnded { run, task }),
        _ => Ok(()),
    }
}

/// Checks that a worker exists and suits the task, in the settings of the run.
fn refuse_unsuited(
    state: &RunState,
    settings: &Settings,
    number: TaskNumber,
    name: &str,
) -> Result<(), RetryError> {
    let Some(worker) = settings.workers.get(name) else {
        return Err(RetryError::NoWorker {
            run: state.run.clone(),
            name: name.to_owned(),
            known: settings.workers.keys().cloned().collect(),
        });
    };
    Ok(refuse_worker(state.plan.task(number), worker, settings)?)
}
