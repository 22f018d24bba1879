//! Locks the moving of a run's target.
//!
//! git moves the target, and a dispatch that is killed leaves that git running in the checkout. The
//! lock is on a file that this git has open, too: the next process waits for it, and only then
//! inspects the landing.

use crate::base::files::FileLock;
use crate::engine::EngineError;
use crate::git::{Git, Repo};
use crate::model::ids::RunId;

/// The lock of a process that lands or undoes a landing, inherited by every git that moves
/// references.
#[derive(Debug)]
pub struct LandLock {
    lock: FileLock,
}

impl LandLock {
    /// Takes the lock of a run. If a git of an earlier landing is still running, calls `waits` and
    /// waits until it exits.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn take(repo: &Repo, run: &RunId, waits: impl FnOnce()) -> Result<LandLock, EngineError> {
        let path = repo.run_folder(run.as_str()).join("moving.lock");
        let failed = |error| EngineError::File(path.display().to_string(), error);
        let lock = match FileLock::try_take(&path).map_err(failed)? {
            Some(lock) => lock,
            None => {
                waits();
                FileLock::wait(&path).map_err(failed)?
            }
        };
        Ok(LandLock { lock })
    }

    /// Returns a git that holds the lock until it exits.
    pub(super) fn hold(&self, git: Git) -> Git {
        git.holding(self.lock.file())
    }
}
