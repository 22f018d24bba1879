//! Releases the worktree of a task that has passed, and holds it again when an attempt continues in it.

use std::path::Path;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::git::Repo;

/// The file whose presence tells that an earlier attempt had the worktree.
const WARM: &str = "warm";

/// Lets other attempts take over the worktree that a run knows by this path, if it is one of the pool.
/// The end of its attempt is in the journal.
///
/// # Errors
/// When the record cannot be written.
pub fn release(context: &Context, known_as: &Path) -> Result<(), EngineError> {
    let Some(entry) = context.repo.behind_link(known_as) else {
        return Ok(());
    };
    let failed = |error| EngineError::File(entry.record.display().to_string(), error);
    entry.release().map_err(failed)
}

/// Prevents that other attempts take over the worktree that a run knows by this path. Returns `false` if
/// one of them has done so.
///
/// # Errors
/// When the record cannot be locked or written.
pub fn hold(context: &Context, known_as: &Path) -> Result<bool, EngineError> {
    let repo = &context.repo;
    let Some(entry) = repo.behind_link(known_as) else {
        return Ok(known_as.symlink_metadata().is_ok());
    };
    let failed = |error| EngineError::File(entry.record.display().to_string(), error);
    let lock = entry.wait_for_lock().map_err(failed)?;
    if lock.is_none() || repo.behind_link(known_as).is_none() {
        return Ok(false);
    }
    entry.hold().map_err(failed)?;
    Ok(true)
}

/// Returns `true` if an attempt before had the worktree that a run knows by this path.
pub fn is_warm(repo: &Repo, known_as: &Path) -> bool {
    let entry = repo.behind_link(known_as);
    entry.is_some_and(|entry| entry.record.join(WARM).exists())
}

/// Records whether an attempt before had a worktree.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn mark_warm(record: &Path, is_warm: bool) -> std::io::Result<()> {
    let file = record.join(WARM);
    match is_warm {
        true => std::fs::write(file, ""),
        false => match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}
