//! Marks the entry in the log of a worktree's HEAD with which an attempt ended, so that later steps are
//! known as those of the user.

use crate::base::files;
use crate::base::regular_file;
use crate::git::Repo;
use crate::git::reference_log::Log;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// The file in the admin folder.
const FILE: &str = "dispatch-head-log";

/// Marks the latest entry. Without the mark, the steps of the worker count as the user's.
pub fn mark_end(repo: &Repo, worktree: &Worktree) {
    let log = repo.head_log(worktree).unwrap_or_default();
    let mark = log.first().map(|_| entry(&log, 0)).unwrap_or_default();
    // The worker may have put a link there.
    let _ = files::replace_unsynced(&worktree.admin.join(FILE), mark.as_bytes());
}

/// Reads the mark; an empty text if there is none.
pub fn read_mark(worktree: &Worktree) -> String {
    regular_file::read_line(&worktree.admin.join(FILE)).unwrap_or_default()
}

/// Renders an entry of a log. The commit before it makes it differ from an equal step at another time.
pub fn entry(log: &Log, number: usize) -> String {
    let (commit, message) = &log[number];
    let before = log.get(number + 1).map_or(Oid::ZERO, |(before, _)| *before);
    format!("{before} {commit} {message}")
}
