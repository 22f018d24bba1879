//! Errors of a planner.

use std::path::PathBuf;

use crate::engine::EngineError;
use crate::engine::start::StartError;
use crate::model::failure::Failure;

/// The reason why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlannerError {
    /// The same obstacles as for a run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Dispatch itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The worker is not configured.
    #[error("the worker `{0}` is not configured")]
    NoWorker(String),
    /// The worker has no command of its own, as `shell`.
    #[error("the worker `{0}` cannot plan: it has no command of its own")]
    NoCommand(String),
    /// The program of the worker is not installed.
    #[error("the program {1:?} of worker `{0}` was not found on PATH")]
    NoProgram(String, String),
    /// The agent failed.
    #[error("{worker} failed: {}", failure.message)]
    Failed {
        /// The worker.
        worker: String,
        /// The classed failure.
        failure: Box<Failure>,
    },
    /// Something that all worktrees share changed meanwhile, which is not allowed.
    #[error("while {worker} planned, this changed: {names}")]
    ChangedOutside {
        /// The worker.
        worker: String,
        /// The changed items.
        names: String,
    },
    /// This signal interrupted it.
    #[error("interrupted; no plan was made")]
    Interrupted(i32),
    /// No answer could be used.
    #[error(
        "{worker} made no usable plan in {answers} answers; the last one has these problems:\n\n{problems}"
    )]
    Unusable {
        /// The worker.
        worker: String,
        /// The number of answers.
        answers: u32,
        /// The problems of the last answer.
        problems: String,
        /// The file with the last answer, if it could be kept.
        kept: Option<PathBuf>,
    },
}

impl PlannerError {
    /// Suggests a remedy.
    pub fn hint(&self) -> Option<String> {
        match self {
            PlannerError::Start(error) => Some(error.hint()),
            PlannerError::Engine(EngineError::Template(error)) => Some(error.hint.clone()),
            PlannerError::NoWorker(name) => Some(format!(
                "add `[workers.{name}]` to .dispatch.toml; `dispatch workers` lists all"
            )),
            PlannerError::NoCommand(_) => Some(
                "name a coding agent with `--worker`, or as `worker` under `[plan]` in \
                 .dispatch.toml; `dispatch workers` lists them"
                    .to_owned(),
            ),
            PlannerError::NoProgram(_, program) => Some(format!(
                "install {program}, or choose another with `--worker`"
            )),
            PlannerError::Failed { failure, .. } => Some(match &failure.suggestion {
                Some(suggestion) => suggestion.clone(),
                None => format!("{} ({})", failure.evidence, failure.class.words()),
            }),
            PlannerError::Unusable {
                kept: Some(file), ..
            } => Some(format!("the last answer is in {}", file.display())),
            PlannerError::ChangedOutside { .. } => Some(
                "no plan was saved; `outside_writes` under `[run]` in .dispatch.toml decides"
                    .to_owned(),
            ),
            PlannerError::Engine(_)
            | PlannerError::Interrupted(_)
            | PlannerError::Unusable { .. } => None,
        }
    }
}
