//! Keeps commits reachable until a branch or the journal names them.
//!
//! A chain of merges grows for seconds, and its last commit is in the journal a moment later than it
//! is done. Meanwhile `git gc` collects what no reference names into a pack, and `git repack -a -d`
//! removes that pack at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::engine::kernel::context::Context;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;

/// The number of references that were named; one chain is built while another is checked.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// The shortest time between two moves of a reference whose chain grows.
const INTERVAL: Duration = Duration::from_millis(50);

/// A reference to a commit, deleted when this is dropped. One that a killed process left is
/// overwritten by the next one of the run.
#[derive(Debug)]
pub struct KeptCommit {
    repo: Repo,
    name: String,
    moved: Option<Instant>,
}

impl KeptCommit {
    /// Names a new reference; it exists once it keeps a commit.
    pub fn new(context: &Context) -> KeptCommit {
        let number = KEPT.fetch_add(1, Ordering::SeqCst);
        KeptCommit {
            repo: context.repo.clone(),
            name: format!("refs/dispatch/chains/{}/{number}", context.run),
            moved: None,
        }
    }

    /// Keeps a commit that more will follow, with everything below it. The reference moves from time
    /// to time only: a `git gc` needs longer to collect a new commit.
    ///
    /// # Errors
    /// When the reference cannot be written.
    pub fn keep_for_now(&mut self, store: &Store, tip: Oid) -> Result<(), StoreError> {
        match self.moved {
            Some(moved) if moved.elapsed() < INTERVAL => Ok(()),
            _ => self.keep(store, tip),
        }
    }

    /// Keeps a commit with everything below it, in place of the one before.
    ///
    /// # Errors
    /// When the reference cannot be written.
    pub fn keep(&mut self, store: &Store, tip: Oid) -> Result<(), StoreError> {
        self.moved = Some(Instant::now());
        store.force_reference(&self.name, tip, "dispatch: chain")
    }
}

impl Drop for KeptCommit {
    fn drop(&mut self) {
        let name = &self.name;
        // One that stays is overwritten, or deleted with the run's other references.
        let _ = self.repo.with_store(|store| match store.reference(name)? {
            Some(tip) => store.delete_reference(name, tip),
            None => Ok(()),
        });
    }
}
