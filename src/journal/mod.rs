//! The journal: a chain of commits on `refs/dispatch/runs/<run>` that records every fact of a run.
//!
//! An event is durable before any action depends on it; the chain moves only by compare-and-swap; an
//! unreadable journal is never overwritten.

pub mod append;
pub mod record;
pub mod replay;
pub mod runs;
pub mod seal;

use crate::git::StoreError;
use crate::model::ids::RunId;

pub use append::Journal;
pub use replay::{Replayed, latest_file, replay, replay_after, replay_to};

/// A failure of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store failed, or another process moved the chain.
    #[error("could not use the journal of {run}")]
    Store {
        /// The run.
        run: RunId,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// A commit of the chain is not a journal commit.
    #[error("commit {commit} of the journal of {run} cannot be read: {what}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The commit.
        commit: String,
        /// The error.
        what: String,
    },
    /// A newer dispatch wrote the journal.
    #[error("the journal of {run} has version {found}; this dispatch reads up to {known}")]
    Newer {
        /// The run.
        run: RunId,
        /// Its version.
        found: u32,
        /// The newest version this program reads.
        known: u32,
    },
    /// Another user or another program wrote the journal.
    #[error("the journal of {0} was not written by your dispatch, so nothing in it is run")]
    Foreign(RunId),
    /// The journal ends before an event that was recorded once.
    #[error("the journal of {run} was moved back: it once had event {last}")]
    MovedBack {
        /// The run.
        run: RunId,
        /// The number of the last event.
        last: u64,
    },
    /// The numbers of new events do not follow the last one.
    #[error("the next event of {run} must have the number {expected}")]
    Order {
        /// The run.
        run: RunId,
        /// The next number.
        expected: u64,
    },
    /// The run does not exist.
    #[error("no such run: {0}")]
    NoRun(RunId),
}

/// Returns the full name of the reference of a run's journal.
pub fn journal_ref(run: &RunId) -> String {
    format!("{}{run}", runs::PREFIX)
}
