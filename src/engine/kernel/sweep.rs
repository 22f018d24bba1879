//! Removal of what commands left in a worktree.

use crate::engine::EngineError;
use crate::git::Git;
/// Removes what checks have left in their worktree, but what git ignores: build caches stay warm.
///
/// # Errors
/// When git cannot be run or something cannot be removed.
pub fn sweep(git: &Git) -> Result<(), EngineError> {
    // Twice `--force`, so that a repository a check has made goes, too.
    git.run(&["clean", "--quiet", "-d", "--force", "--force"])?;
    Ok(())
}
