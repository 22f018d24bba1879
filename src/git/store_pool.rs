//! Keeps opened repositories for their next use: opening one reads every file of git's configuration.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::git::backend::Backend;

/// The most opened repositories that are kept for their next use.
const MOST_IDLE: usize = 8;

/// The most uses of one. libgit2 keeps the commits and trees it has read, so memory would grow.
const MOST_USES: u32 = 50;

/// Opened repositories that are not in use, each with the number of its uses.
#[derive(Default)]
pub(super) struct StorePool {
    idle: Mutex<Vec<(Box<dyn Backend>, u32)>>,
}

impl StorePool {
    /// Takes an idle repository, with the number of its uses.
    pub(super) fn take(&self) -> Option<(Box<dyn Backend>, u32)> {
        self.lock().pop()
    }

    /// Puts back a repository that was used so often.
    pub(super) fn put_back(&self, backend: Box<dyn Backend>, uses: u32) {
        let mut idle = self.lock();
        if uses < MOST_USES && idle.len() < MOST_IDLE {
            idle.push((backend, uses));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Box<dyn Backend>, u32)>> {
        // A panic elsewhere leaves a list of complete entries.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StorePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePool({} idle)", self.lock().len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::{Git, Repo, Store, StoreError};
    use crate::merge::oid::Oid;

    fn repo(folder: &tempfile::TempDir) -> Repo {
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        Repo::discover(folder.path()).unwrap()
    }

    #[test]
    fn a_store_is_used_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let idle = || -> Vec<u32> { repo.stores.lock().iter().map(|(_, uses)| *uses).collect() };
        // Finding the repository may have been the first use.
        let before = idle().first().copied().unwrap_or(0);
        for use_of_it in before + 1..MOST_USES {
            repo.with_store(|_| Ok::<(), StoreError>(())).unwrap();
            assert_eq!(idle(), [use_of_it]);
        }
        repo.with_store(|_| Ok::<(), StoreError>(())).unwrap();
        assert_eq!(idle(), [0; 0]);
    }

    #[test]
    fn a_reused_store_sees_what_was_written_since() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let missing = repo.with_store(|store| store.reference("refs/heads/x"));
        assert_eq!(missing.unwrap(), None);
        let other = Store::open(&repo).unwrap();
        let blob = other.write_blob(b"text").unwrap();
        let setting = ["config", "extensions.worktreeConfig", "true"];
        let is_set = |store: &Store| Ok::<bool, StoreError>(store.is_set(setting[1]));
        assert!(!repo.with_store(is_set).unwrap());
        repo.git().run(&setting).unwrap();
        assert!(repo.with_store(is_set).unwrap());
        let moved = other.move_reference("refs/notes/x", Oid::ZERO, blob, "test");
        moved.unwrap();
        let found = repo.with_store(|store| store.reference("refs/notes/x"));
        assert_eq!(found.unwrap(), Some(blob));
        let content = repo.with_store(|store| store.blob(blob));
        assert_eq!(content.unwrap(), b"text");
    }
}
