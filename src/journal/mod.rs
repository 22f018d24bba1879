//! The journal: a chain of commits on `refs/dispatch/runs/<run>` that records every fact of a run.
//!
//! Promise: a fact is on disk, durable, before anybody acts on it; the chain is moved only by
//! compare-and-swap; what cannot be read is never overwritten.

pub mod append;
pub mod record;
pub mod replay;
pub mod runs;

use crate::git::StoreError;
use crate::model::ids::RunId;

pub use append::Journal;
pub use replay::{Replayed, replay, replay_after};

/// What the journal could not do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store said no, or the chain was moved by somebody else.
    #[error("journal of {run}")]
    Store {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A commit of the chain is not of this journal's form.
    #[error("commit {commit} of the journal of {run} cannot be read: {what}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// What is wrong with it.
        what: String,
    },
    /// A newer dispatch wrote it.
    #[error("the journal of {run} has version {found}; this dispatch reads up to {known}")]
    Newer {
        /// The run.
        run: RunId,
        /// Its version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Facts were to be added whose numbers do not follow the last one.
    #[error("the journal of {run} goes on with number {expected}")]
    Order {
        /// The run.
        run: RunId,
        /// The number that comes next.
        expected: u64,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
}

/// The full name of the reference that holds a run's journal.
pub fn journal_ref(run: &RunId) -> String {
    format!("{}{run}", runs::PREFIX)
}
