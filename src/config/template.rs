//! The use of a template for new worktrees of the pool.

use serde::{Deserialize, Serialize};

/// The condition under which new worktrees of the pool are copies of one that is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// Copies share their blocks, and no file that set-up makes has the path of its worktree.
    Auto,
    /// None.
    Always,
    /// They are never copies.
    Never,
}
