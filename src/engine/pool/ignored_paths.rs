//! Removes the ignored paths of a worktree of the pool, but those in the kept folders.

use std::fs;
use std::io;
use std::path::Path;

use crate::base::removal::remove_own_folder;
use crate::engine::EngineError;
use crate::engine::worktree::ignored_paths::ignored_paths;
use crate::engine::worktree::kept_folders::is_kept;
use crate::git::Git;

/// Removes the ignored paths of a worktree, but those in the kept folders.
///
/// # Errors
/// When git fails, or something cannot be removed.
pub(super) fn remove_others(git: &Git, top: &Path, keep: &[String]) -> Result<(), EngineError> {
    for path in ignored_paths(git)? {
        if !is_kept(&path, keep) {
            let place = top.join(&path);
            remove(&place, path.components().count())
                .map_err(|error| EngineError::File(place.display().to_string(), error))?;
        }
    }
    Ok(())
}

/// Removes a file, or a folder with everything in it, and follows no link in the last `depth` parts of its
/// path. An absent one counts as removed.
///
/// # Errors
/// When something cannot be removed.
pub(super) fn remove(place: &Path, depth: usize) -> io::Result<()> {
    let removed = match place.symlink_metadata() {
        Ok(meta) if meta.is_dir() => remove_own_folder(place, depth),
        Ok(_) => fs::remove_file(place),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
