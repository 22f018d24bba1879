//! The size of the pool of worktrees.

use serde::{Deserialize, Serialize};

/// The number of worktrees that may be in the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolSize {
    /// There is no pool.
    #[default]
    Off,
    /// As many as attempts need at the same time.
    Auto,
    /// At most so many; further attempts get worktrees of their own.
    Most(usize),
}
