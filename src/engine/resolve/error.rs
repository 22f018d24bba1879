//! Errors of resolving a conflict by hand.

use std::path::PathBuf;

use crate::engine::EngineError;
use crate::git::{GitError, StoreError};
use crate::merge::change::RepoPath;
use crate::model::ids::TaskNumber;
use crate::model::task_list::and_list;

/// A conflict cannot be opened, or its resolution cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The user interrupted the set-up of the worktree.
    #[error("interrupted during the set-up of the worktree")]
    Stopped,
    /// The task is merged, or has no result.
    #[error("{task} has no conflict to resolve: {why}")]
    NoConflict {
        /// The task.
        task: TaskNumber,
        /// Its state.
        why: String,
    },
    /// The task was left out together with another one.
    #[error("{task} was left out because it was built on {on}")]
    BuiltOn {
        /// The task.
        task: TaskNumber,
        /// The task it was built on.
        on: TaskNumber,
    },
    /// The dependencies of the task conflict.
    #[error("{task} depends on {}, which conflict", and_list(.between))]
    Waits {
        /// The task.
        task: TaskNumber,
        /// The dependencies.
        between: Vec<TaskNumber>,
    },
    /// Tasks have new candidates since the assembly.
    #[error("the integration branch is out of date: tasks have new results")]
    Stale,
    /// No conflict of the task is open.
    #[error("no conflict of {0} is open")]
    NotOpen(TaskNumber),
    /// A task has a new candidate since the conflict was opened.
    #[error("{of} has a new result since the conflict of {task} was opened")]
    MovedOn {
        /// The task.
        task: TaskNumber,
        /// The task with the new candidate.
        of: TaskNumber,
    },
    /// The worktree of the conflict was removed.
    #[error("the worktree {} is missing", .0.display())]
    WorktreeMissing(PathBuf),
    /// Links of `[worktree] link` were added, which do not belong to the work.
    #[error("links that dispatch made are in the resolution: {}", list(paths))]
    LinkAdded {
        /// The worktree.
        worktree: PathBuf,
        /// The links.
        paths: Vec<RepoPath>,
    },
    /// Paths are still in conflict.
    #[error("still in conflict: {}", list(.0))]
    Unmerged(Vec<RepoPath>),
    /// Changes are not in the index.
    #[error("changed but not added: {}", list(.0))]
    NotAdded(Vec<RepoPath>),
    /// A file still has a conflict marker.
    #[error("{path} has a conflict marker: `{marker}`")]
    Marker {
        /// The file.
        path: RepoPath,
        /// The line.
        marker: String,
    },
    /// The worktree has neither the merge in progress nor a commit of it.
    #[error("the merge in {} was aborted", .0.display())]
    MergeAborted(PathBuf),
    /// The engine failed.
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
