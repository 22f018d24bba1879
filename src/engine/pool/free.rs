//! Examines the free worktrees of the pool, which belong to no task, and removes them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::text::first_names;
use crate::engine::EngineError;
use crate::engine::pool::set_up_ahead::{kill_left_set_up, live_set_up};
use crate::engine::pool::use_mark::{is_in_set_up, is_unfinished, is_used};
use crate::engine::pool::written_files::WrittenFiles;
use crate::engine::worktree::ignored_files::NAMED;
use crate::engine::worktree::kept_folders::is_kept;
use crate::engine::worktree::log_mark::{entry as log_entry, read_mark};
use crate::exec::local::LocalExecutor;
use crate::git::Repo;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::{Head, Worktree};

/// A worktree of which the folder, or its entry in git, is gone.
pub const GONE: &str = "was removed as a worktree";

/// Describes what a user or another program changed in a free worktree; `None` if nothing.
///
/// # Errors
/// When git cannot read it.
pub fn change_by_hand(
    repo: &Repo,
    keep: &[String],
    entry: &PoolEntry,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if let Err(error) = worktree.verify() {
        return Ok(Some(error.to_string()));
    }
    if let Some(reason) = worktree.lock_by_user() {
        return Ok(Some(format!("is locked ({reason})")));
    }
    let Some(written) = WrittenFiles::read(entry) else {
        return Ok((!is_unfinished(repo, entry)).then(|| "is incomplete".to_owned()));
    };
    let log = repo.head_log(worktree)?;
    let has_log = !log.is_empty() && log_entry(&log, 0) != read_mark(worktree);
    if worktree.head() != Some(Head::Detached(written.commit)) || has_log {
        return Ok(Some("has commits or another HEAD".to_owned()));
    }
    if let Some(operation) = worktree.unfinished() {
        return Ok(Some(format!("is in the middle of a {operation}")));
    }
    let changed = changed_paths(repo, keep, entry, worktree)?;
    Ok((!changed.is_empty()).then(|| {
        let names = first_names(changed.iter().map(PathBuf::as_path), NAMED);
        format!("has changes made by hand: {names}")
    }))
}

/// Lists the paths that differ from what dispatch wrote, and those that are neither tracked nor in a kept
/// folder. An index that another program wrote decides nothing.
fn changed_paths(
    repo: &Repo,
    keep: &[String],
    entry: &PoolEntry,
    worktree: &Worktree,
) -> Result<Vec<PathBuf>, EngineError> {
    let git = repo.git_in(worktree)?;
    let git = git.env("GIT_INDEX_FILE", WrittenFiles::index(entry).as_os_str());
    let git = git.env("GIT_OPTIONAL_LOCKS", "0");
    let git = git.setting("core.trustctime=true");
    let git = git.setting("core.checkStat=default");
    // What git ignores is then of a set-up that was interrupted.
    let ignored = match is_in_set_up(entry) {
        true => "--ignored=no",
        false => "--ignored=traditional",
    };
    let args = [
        "status",
        "--porcelain",
        "-z",
        "--no-renames",
        "--untracked-files=normal",
        ignored,
    ];
    let listed = git.run(&args)?;
    let entries = listed
        .split(|byte| *byte == 0)
        .filter(|entry| entry.len() > 3);
    let path = |entry: &[u8]| PathBuf::from(OsStr::from_bytes(&entry[3..]));
    let changed = entries.filter(|entry| !entry.starts_with(b"!!") || !is_kept(&path(entry), keep));
    Ok(changed.map(path).collect())
}

/// Returns a free worktree of the pool in which nothing was changed by hand.
///
/// # Errors
/// When git cannot read one.
pub fn a_free_one(repo: &Repo, keep: &[String]) -> Result<Option<Worktree>, EngineError> {
    for entry in repo.pool() {
        let lock = entry.try_lock();
        let lock =
            lock.map_err(|error| EngineError::File(entry.record.display().to_string(), error))?;
        // One that is being prepared is needed.
        if lock.is_none() || entry.lease(repo).is_some() {
            continue;
        }
        if let Some(worktree) = repo.find_worktree(&entry.place)
            && change_by_hand(repo, keep, &entry, &worktree)?.is_none()
        {
            return Ok(Some(worktree));
        }
    }
    Ok(None)
}

/// A free worktree of the pool and its removal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreeWorktree {
    /// Its folder.
    pub place: PathBuf,
    /// The reason for which it stays; `None` if it is removed.
    pub stays: Option<String>,
}

/// Removes the free worktrees of the pool that no task used for so long, but those in which something was
/// changed by hand, and those in which commands of a set-up still run, which are killed. With `is_dry_run`
/// nothing is removed or killed.
///
/// # Errors
/// When git fails, or a folder cannot be removed.
pub fn remove_free(
    repo: &Repo,
    keep: &[String],
    idle_for: Duration,
    is_dry_run: bool,
) -> Result<Vec<FreeWorktree>, EngineError> {
    let mut found = Vec::new();
    // It starts nothing: processes that are left are found by their folders.
    let executor = LocalExecutor::new("dispatch");
    for entry in repo.pool() {
        let failed = |error| EngineError::File(entry.record.display().to_string(), error);
        let Some(_lock) = entry.try_lock().map_err(failed)? else {
            continue;
        };
        let is_idle = idle_for.is_zero() || idle_time(&entry) >= idle_for;
        if entry.lease(repo).is_some() || !is_idle {
            continue;
        }
        let is_being_set_up = match is_dry_run {
            true => !live_set_up(&executor, &entry).is_empty(),
            false => kill_left_set_up(&executor, &entry),
        };
        let worktree = repo.find_worktree(&entry.place);
        let stays = match &worktree {
            _ if is_being_set_up => Some("is being set up".to_owned()),
            Some(worktree) if entry.place.is_dir() => change_by_hand(repo, keep, &entry, worktree)?,
            _ if has_something(&entry.place) && is_used(&entry) => Some(GONE.to_owned()),
            _ => None,
        };
        if stays.is_none() && !is_dry_run {
            match &worktree {
                Some(worktree) => repo.remove_worktree(worktree)?,
                None => {
                    repo.remove_orphan(&entry.place)?;
                    // A folder that is not empty is the user's.
                    let _ = std::fs::remove_dir(&entry.place);
                    repo.remove_from_pool(&entry).map_err(failed)?;
                }
            }
        }
        found.push(FreeWorktree {
            place: entry.place,
            stays,
        });
    }
    Ok(found)
}

/// Returns the time since a worktree was prepared, reset or taken.
fn idle_time(entry: &PoolEntry) -> Duration {
    let written = entry.record.metadata().and_then(|meta| meta.modified());
    let passed = written.ok().and_then(|written| written.elapsed().ok());
    passed.unwrap_or_default()
}

fn has_something(place: &Path) -> bool {
    std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some())
}
