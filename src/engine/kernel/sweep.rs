//! Removes the files that commands leave in a worktree.

use crate::engine::EngineError;
use crate::git::Git;
/// Removes what checks have left in their worktree, but what git ignores: build caches stay warm.
///
/// # Errors
/// When git cannot be run or something cannot be removed.
pub fn sweep(git: &Git) -> Result<(), EngineError> {
    // `--force` twice also removes repositories that a check created.
    git.run(&["clean", "--quiet", "-d", "--force", "--force"])?;
    Ok(())
}
