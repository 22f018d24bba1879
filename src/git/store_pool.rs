//! Reuses opened stores: opening one reads every file of git's configuration.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};

/// How many opened stores wait for their next use at most.
const MOST_IDLE: usize = 8;

/// How often a store is used. libgit2 keeps the commits and trees it has read, so memory would grow.
const MOST_USES: u32 = 50;

/// Opened stores that are not in use, each with the number of its uses.
#[derive(Default)]
pub(super) struct StorePool {
    idle: Mutex<Vec<(Store, u32)>>,
}

impl StorePool {
    fn lock(&self) -> MutexGuard<'_, Vec<(Store, u32)>> {
        // A panic elsewhere leaves a list of complete entries.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StorePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePool({} idle)", self.lock().len())
    }
}

impl Repo {
    /// Runs `work` with a store that may have been used before.
    ///
    /// # Errors
    /// When the store cannot be opened, and the errors of `work`.
    pub fn with_store<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.stores.lock().pop();
        let (store, uses) = match idle {
            Some(idle) => idle,
            None => (Store::open(self)?, 0),
        };
        let result = work(&store);
        let mut idle = self.stores.lock();
        if uses + 1 < MOST_USES && idle.len() < MOST_IDLE {
            idle.push((store, uses + 1));
        }
        result
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;
    use crate::merge::oid::Oid;

    fn repo(folder: &tempfile::TempDir) -> Repo {
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        Repo::discover(folder.path()).unwrap()
    }

    #[test]
    fn a_store_is_used_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let idle = || repo.stores.lock().iter().map(|(_, uses)| *uses).collect();
        for use_of_it in 1..MOST_USES {
            repo.with_store(|_| Ok::<(), StoreError>(())).unwrap();
            let counts: Vec<u32> = idle();
            assert_eq!(counts, [use_of_it]);
        }
        repo.with_store(|_| Ok::<(), StoreError>(())).unwrap();
        let counts: Vec<u32> = idle();
        assert_eq!(counts, [0; 0]);
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
