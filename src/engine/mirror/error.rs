//! Errors of the mirror on GitHub.

use std::time::Duration;

use crate::engine::EngineError;
use crate::forge::GhError;
use crate::forge::graphql::GraphQlError;
use crate::model::github_project::GithubProject;
use crate::model::ids::RunId;

/// A run cannot be shown on GitHub.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// GitHub or `gh` failed.
    #[error(transparent)]
    GraphQl(#[from] GraphQlError),
    /// `gh` does not know the repository.
    #[error(transparent)]
    Gh(#[from] GhError),
    /// The repository has no issues.
    #[error("issues are turned off in {0}")]
    NoIssues(String),
    /// There is no such project, or the user cannot see it.
    #[error("there is no project {0} on GitHub")]
    NoProject(GithubProject),
    /// The project that was made for the run is gone.
    #[error("the project {0} was deleted on GitHub")]
    ProjectDeleted(String),
    /// The project is closed.
    #[error("the project {0} is closed")]
    ProjectClosed(String),
    /// A field of the project has the name of dispatch's own and is another one.
    #[error("the field {field:?} of the project {project} is not dispatch's own: {why}")]
    ForeignField {
        /// The field.
        field: &'static str,
        /// The address of the project.
        project: String,
        /// The difference.
        why: String,
    },
    /// Another process mirrors the run.
    #[error("another dispatch mirrors {run} on GitHub")]
    Busy {
        /// The run.
        run: RunId,
        /// The thing it waits for, in words; empty if it waits for nothing.
        waits_for: String,
        /// `true` if the run goes on.
        is_live: bool,
    },
    /// The run cannot be read, or a file not written.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl MirrorError {
    /// Returns the time for which GitHub asks to wait, if it does.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            MirrorError::GraphQl(GraphQlError::RateLimited { wait, .. }) => Some(*wait),
            _ => None,
        }
    }

    /// Returns `true` if the same may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            MirrorError::GraphQl(error) => error.is_transient(),
            MirrorError::Gh(
                GhError::RateLimited(_) | GhError::Offline(_) | GhError::TimedOut { .. },
            ) => true,
            MirrorError::Gh(GhError::Failed { message, .. }) => message.contains("HTTP 5"),
            _ => false,
        }
    }
}
