//! Records the use of a worktree of the pool: that an attempt had it, that set-up runs in it, and for which run
//! it was prepared. One that was only prepared has no work in it.

use std::fs;
use std::io;

use crate::base::files;
use crate::base::regular_file;
use crate::engine::pool::written_files::WrittenFiles;
use crate::git::Repo;
use crate::git::pool_entry::PoolEntry;
use crate::journal::runs::RunLock;
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// The file of the record.
const FILE: &str = "used";

/// Returns `true` if an attempt had the worktree.
pub(super) fn is_used(entry: &PoolEntry) -> bool {
    entry.record.join(FILE).exists()
}

/// Records that an attempt gets the worktree.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn mark_used(entry: &PoolEntry) -> io::Result<()> {
    match is_used(entry) {
        true => Ok(()),
        false => fs::write(entry.record.join(FILE), ""),
    }
}

/// The file whose presence tells that set-up runs ahead of an attempt, or was interrupted.
const IN_SET_UP: &str = "in-set-up";

/// The file that names the run for which a worktree was prepared, and its commit.
const PREPARED_FOR: &str = "prepared-for";

/// Records that set-up begins in a free worktree.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn begin_set_up(entry: &PoolEntry) -> io::Result<()> {
    fs::write(entry.record.join(IN_SET_UP), "")
}

/// Records that nothing of an interrupted set-up is left in a worktree.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn end_set_up(entry: &PoolEntry) -> io::Result<()> {
    match fs::remove_file(entry.record.join(IN_SET_UP)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns `true` if set-up was interrupted in a free worktree: what git ignores in it is incomplete. The
/// caller has the lock of the record.
pub(super) fn is_in_set_up(entry: &PoolEntry) -> bool {
    entry.record.join(IN_SET_UP).exists()
}

/// Records the run for which a free worktree is prepared.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn prepare_for(entry: &PoolEntry, run: &RunId, base: Oid) -> io::Result<()> {
    files::replace(
        &entry.record.join(PREPARED_FOR),
        format!("{run}\n{base}\n").as_bytes(),
    )
}

/// Returns `true` if a free worktree is prepared for another run, which goes on.
pub(super) fn is_of_another_run(repo: &Repo, entry: &PoolEntry, run: &RunId) -> bool {
    let text = regular_file::read_line(&entry.record.join(PREPARED_FOR)).unwrap_or_default();
    let Some((other, base)) = text.trim_end().split_once('\n') else {
        return false;
    };
    let is_as_prepared =
        || WrittenFiles::read(entry).is_some_and(|written| written.commit.to_string() == base);
    other != run.as_str() && is_as_prepared() && RunLock::is_held(repo, &RunId::new(other))
}

/// Returns `true` for a free worktree whose preparation was interrupted before any attempt had it. Nothing
/// in it is anyone's work. The caller has the lock of the record.
pub(super) fn is_unfinished(repo: &Repo, entry: &PoolEntry) -> bool {
    entry.lease(repo).is_none() && !is_used(entry) && WrittenFiles::read(entry).is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::git::Git;
    use crate::journal::runs::Taken;

    use super::*;

    #[test]
    fn one_that_is_prepared_for_another_run_is_left_while_that_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(&top).unwrap();
        let (entry, _) = repo.add_to_pool(&top.join("1")).unwrap().unwrap();
        let [one, two] = ["one-7k3q", "two-7k3q"].map(RunId::new);
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let Taken::Ours(lock) = RunLock::take(&repo, &one, now).unwrap() else {
            panic!("another process has the lock");
        };
        assert!(!is_of_another_run(&repo, &entry, &two));
        let commit = crate::model::fixture::base();
        prepare_for(&entry, &one, commit).unwrap();
        assert!(
            !is_of_another_run(&repo, &entry, &two),
            "its files were not written"
        );
        let text = format!("{{\"commit\": \"{commit}\", \"settings\": \"\"}}");
        fs::write(entry.record.join("files"), text).unwrap();
        assert!(is_of_another_run(&repo, &entry, &two));
        assert!(!is_of_another_run(&repo, &entry, &one));
        drop(lock);
        assert!(!is_of_another_run(&repo, &entry, &two));
    }
}
