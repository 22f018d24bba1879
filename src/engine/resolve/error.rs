//! Why a conflict cannot be settled by hand, or what a person made of it cannot be taken.

use std::path::PathBuf;

use crate::engine::EngineError;
use crate::git::{GitError, StoreError};
use crate::merge::change::RepoPath;
use crate::model::ids::TaskNumber;
use crate::model::task_list::and_list;

/// Why a conflict cannot be settled by hand, or what a person made of it cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It is in, or there is nothing of it.
    #[error("{task} was not left out because of a conflict: {why}")]
    NoConflict {
        /// The task.
        task: TaskNumber,
        /// What it is.
        why: String,
    },
    /// It goes in with another one.
    #[error("{task} was left out because it was built on {on}")]
    BuiltOn {
        /// The task.
        task: TaskNumber,
        /// That one.
        on: TaskNumber,
    },
    /// It waits for others that conflict.
    #[error("{task} waits for {}, which conflict", and_list(.between))]
    Waits {
        /// The task.
        task: TaskNumber,
        /// Those.
        between: Vec<TaskNumber>,
    },
    /// What was assembled is not what is offered now.
    #[error("what was assembled is no longer what the tasks offer")]
    Stale,
    /// Nothing is open.
    #[error("no conflict of {0} is open")]
    NotOpen(TaskNumber),
    /// The run went on.
    #[error("{of} has another result than when the conflict of {task} was opened")]
    MovedOn {
        /// The task.
        task: TaskNumber,
        /// Whose result is another one.
        of: TaskNumber,
    },
    /// The worktree is not there.
    #[error("the worktree {} is gone", .0.display())]
    Gone(PathBuf),
    /// Paths are still in conflict.
    #[error("still in conflict: {}", list(.0))]
    Unmerged(Vec<RepoPath>),
    /// Changes that would not be taken.
    #[error("changed and not added: {}", list(.0))]
    NotAdded(Vec<RepoPath>),
    /// A marker was left.
    #[error("{path} has a conflict marker, `{marker}`")]
    Marker {
        /// The file.
        path: RepoPath,
        /// The line.
        marker: String,
    },
    /// Neither the merge nor a commit of it is there.
    #[error("{} is no longer in the middle of the merge, and has no commit of it", .0.display())]
    NoMerge(PathBuf),
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn list(paths: &[RepoPath]) -> String {
    let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> ResolveError {
        ResolveError::Engine(error.into())
    }
}

impl From<GitError> for ResolveError {
    fn from(error: GitError) -> ResolveError {
        ResolveError::Engine(error.into())
    }
}
