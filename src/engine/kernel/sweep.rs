//! Removes the files that commands leave in a worktree.

use crate::base::removal::make_writable;
use crate::engine::EngineError;
use crate::git::Git;

/// Removes what checks have left in their worktree, but what git ignores: build caches stay warm.
///
/// # Errors
/// When git cannot be run or something cannot be removed.
pub fn sweep(git: &Git) -> Result<(), EngineError> {
    // `--force` twice also removes repositories that a check created.
    let args = ["clean", "--quiet", "-d", "--force", "--force"];
    if git.run(&args).is_err() {
        // The usual cause is a read-only folder.
        let folder = git.folder();
        make_writable(folder)
            .map_err(|error| EngineError::File(folder.display().to_string(), error))?;
        git.run(&args)?;
    }
    Ok(())
}
