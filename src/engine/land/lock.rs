//! The right to move what is the user's.
//!
//! A landing is moved by git, and a dispatch that is killed leaves that git behind, still at work in
//! the checkout. The right is a lock on a file that such a git has open, too: whoever comes next waits
//! for it, and only then looks at what became of the landing.

use crate::base::files::FileLock;
use crate::engine::EngineError;
use crate::git::{Git, Repo};
use crate::model::ids::RunId;

/// Held by a dispatch that lands or takes back, and by every git it moves something with.
#[derive(Debug)]
pub struct Moving {
    lock: FileLock,
}

impl Moving {
    /// Takes the right for a run. If a git of an earlier landing of it is still alive, says so with
    /// `waits` and waits for its end: what it does is neither cut off nor met half-way.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn take(repo: &Repo, run: &RunId, waits: impl FnOnce()) -> Result<Moving, EngineError> {
        let path = repo.run_folder(run.as_str()).join("moving.lock");
        let failed = |error| EngineError::File(path.display().to_string(), error);
        let lock = match FileLock::try_take(&path).map_err(failed)? {
            Some(lock) => lock,
            None => {
                waits();
                FileLock::wait(&path).map_err(failed)?
            }
        };
        Ok(Moving { lock })
    }

    /// A git that holds it as long as it lives.
    pub(crate) fn hold(&self, git: Git) -> Git {
        git.holding(self.lock.file())
    }
}
