//! Keeps the commits of a chain reachable until a branch names them.
//!
//! A chain grows for seconds. `git gc` collects what no reference names into a pack, and `git repack
//! -a -d` removes that pack at once.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::kernel::context::Context;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;

/// The number of chains that are kept now; one is built while another is checked.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// A reference to the last commit of a chain, deleted when this is dropped. One that a killed process
/// left is overwritten by the next chain of the run.
pub(super) struct KeptChain {
    repo: Repo,
    name: String,
}

impl KeptChain {
    /// Names the reference of a new chain; it exists from the first commit on.
    pub(super) fn new(context: &Context) -> KeptChain {
        let number = KEPT.fetch_add(1, Ordering::SeqCst);
        KeptChain {
            repo: context.repo.clone(),
            name: format!("refs/dispatch/chains/{}/{number}", context.run),
        }
    }

    /// Keeps a commit with everything below it.
    ///
    /// # Errors
    /// When the reference cannot be written.
    pub(super) fn keep(&self, store: &Store, tip: Oid) -> Result<(), StoreError> {
        store.force_reference(&self.name, tip, "dispatch: chain")
    }
}

impl Drop for KeptChain {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::SeqCst);
        let name = &self.name;
        // One that stays is overwritten, or deleted with the run's other references.
        let _ = self.repo.with_store(|store| match store.reference(name)? {
            Some(tip) => store.delete_reference(name, tip),
            None => Ok(()),
        });
    }
}
