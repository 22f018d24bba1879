//! Resets a worktree of the pool to a commit, as a new one would be but for the kept folders.

use std::fs;
use std::path::Path;

use crate::base::fault;
use crate::base::removal::remove_folder;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::sweep::sweep;
use crate::engine::pool::use_mark::end_set_up;
use crate::engine::pool::written_files::WrittenFiles;
use crate::engine::pool::{ignored_paths, set_up_mark};
use crate::engine::worktree::log_mark::mark_end;
use crate::git::Git;
use crate::git::pool_entry::PoolEntry;
use crate::git::private_folder::PrivateFolder;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

/// Files and folders in the admin folder of a worktree that a new one has, too.
const OF_A_NEW_ONE: [&str; 7] = [
    "HEAD",
    "commondir",
    "config.worktree",
    "git-agecrypt",
    "git-crypt",
    "gitdir",
    "index",
];

/// Resets a worktree to a commit, which its HEAD then is. The caller has the lock of the record, and has
/// made sure that nothing in the worktree can be lost.
///
/// # Errors
/// When git fails, or a file cannot be written or removed.
pub(super) fn reset(
    context: &Context,
    entry: &PoolEntry,
    worktree: &Worktree,
    to: Oid,
) -> Result<(), EngineError> {
    set_up_mark::remove_if_changed(context, entry, worktree)?;
    worktree.relink()?;
    let private = PrivateFolder::of(&context.repo, worktree);
    let failed = |error| EngineError::File(worktree.path.display().to_string(), error);
    private.remove().map_err(failed)?;
    clear_admin_folder(worktree).map_err(failed)?;
    let written = WrittenFiles::read(entry);
    let serves = match &written {
        Some(written) => written.serve(context, worktree, to)?,
        None => false,
    };
    if !serves {
        set_up_mark::remove(entry)?;
    }
    WrittenFiles::forget(entry)?;
    fault::point("pool", "before files are written");
    let index = WrittenFiles::index(entry);
    let index = serves.then_some(index.as_path());
    let git = context.repo.git_in(worktree)?;
    // git writes files by the attributes that it finds on disk where the commit has none.
    match index {
        Some(_) => {
            context.repo.restore_index(worktree, index)?;
            remove_others(context, &git, worktree)?;
        }
        None => remove_files(&worktree.path).map_err(failed)?,
    }
    fault::point("pool", "without the files of the task");
    let head = Head::Detached(to);
    context.repo.move_worktree(worktree, &head, index)?;
    fault::point("pool", "with its files");
    // By the rules of the commit, git may ignore less than by those of the task.
    remove_others(context, &git, worktree)?;
    fault::point("pool", "without other files");
    mark_end(&context.repo, worktree);
    WrittenFiles::record(context, entry, worktree, to)?;
    end_set_up(entry).map_err(failed)?;
    fault::point("pool", "reset");
    Ok(())
}

/// Removes what git does not track, but the kept folders.
fn remove_others(context: &Context, git: &Git, worktree: &Worktree) -> Result<(), EngineError> {
    sweep(git)?;
    ignored_paths::remove_others(git, &worktree.path, &context.settings.worktree.keep)
}

/// Removes everything from a worktree but its link to the git folder.
fn remove_files(top: &Path) -> std::io::Result<()> {
    for found in fs::read_dir(top)? {
        let found = found?;
        if found.file_name() != ".git" {
            ignored_paths::remove(&found.path(), 1)?;
        }
    }
    Ok(())
}

/// Removes what attempts left in the admin folder: records of dispatch, unfinished operations, the log of
/// HEAD.
fn clear_admin_folder(worktree: &Worktree) -> std::io::Result<()> {
    for found in fs::read_dir(&worktree.admin)? {
        let found = found?;
        if OF_A_NEW_ONE.iter().any(|name| found.file_name() == *name) {
            continue;
        }
        match found.file_type()?.is_dir() {
            true => remove_folder(&found.path())?,
            false => fs::remove_file(found.path())?,
        }
    }
    Ok(())
}
