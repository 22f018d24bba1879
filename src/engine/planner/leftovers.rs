//! Finds and removes what killed planners left: processes, worktrees, folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::base::files::FileLock;
use crate::engine::EngineError;
use crate::engine::commands::runner::end_job_in;
use crate::engine::planner::call::worker_folders;
use crate::engine::planner::folder::{lock_of, remove, root};
use crate::exec::Executor;
use crate::git::Repo;

/// The age from which a folder without a lock is abandoned rather than being created.
const MAKING: Duration = Duration::from_secs(600);

/// Lists the folders of planners whose process was killed.
pub fn abandoned(repo: &Repo) -> Vec<PathBuf> {
    let entries = fs::read_dir(root(repo)).into_iter().flatten().flatten();
    let folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = folders.filter(|path| is_abandoned(path)).collect();
    found.sort();
    found
}

fn is_abandoned(folder: &Path) -> bool {
    let lock = lock_of(folder);
    if lock.exists() {
        return matches!(FileLock::try_take(&lock), Ok(Some(_)));
    }
    let made = fs::metadata(folder).and_then(|meta| meta.modified()).ok();
    let age = made.and_then(|made| SystemTime::now().duration_since(made).ok());
    age.is_some_and(|age| age > MAKING)
}

/// Kills the processes of a killed planner, and removes its worktree and its folder.
///
/// # Errors
/// When a process cannot be killed or files cannot be removed.
pub fn clear(repo: &Repo, executor: &dyn Executor, folder: &Path) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| EngineError::File("the event loop".to_owned(), error))?;
    for place in worker_folders(folder) {
        runtime.block_on(end_job_in(executor, &place))?;
    }
    remove(repo, folder)
}

/// Clears everything that killed planners left; what cannot be removed is left to `dispatch doctor`.
pub(super) fn sweep(repo: &Repo, executor: &dyn Executor) {
    for folder in abandoned(repo) {
        let _ = clear(repo, executor, &folder);
    }
}
