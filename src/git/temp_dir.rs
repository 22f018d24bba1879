//! Temporary folders below dispatch's own folder, or below the system's if that is not writable.
//! Folders whose owner was killed are removed when the next one is created.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::base::fault;
use crate::base::files::{FileLock, is_own_folder};
use crate::base::removal::remove_own_folder;

/// The lock file that the owner holds until it exits.
const LOCK: &str = ".dispatch-lock";

/// The age from which a folder without a lock is abandoned rather than being created.
pub(super) const MAKING: Duration = Duration::from_secs(600);

/// The prefix in the system's temporary folder, which other programs share.
const ELSEWHERE: &str = "dispatch-scratch-";

/// A temporary folder that is removed when this is dropped, or if the process is killed, when the
/// next one is created.
#[derive(Debug)]
pub(super) struct LockedTempDir {
    folder: TempDir,
    _lock: FileLock,
}

impl LockedTempDir {
    /// Creates a folder below dispatch's own, on the same disk as the repository, and removes abandoned
    /// ones. For a read-only repository it is created in the system's temporary folder.
    ///
    /// # Errors
    /// When the folder cannot be written; the error is about the one in the repository.
    pub(super) fn new(dispatch_folder: &Path, prefix: &str) -> io::Result<LockedTempDir> {
        let root = dispatch_folder.join("tmp");
        LockedTempDir::below(&root, ["", prefix]).or_else(|error| {
            LockedTempDir::below(&std::env::temp_dir(), [ELSEWHERE, prefix]).map_err(|_| error)
        })
    }

    /// Creates a folder below `root`; names of dispatch's folders there start with `ours`.
    fn below(root: &Path, [ours, prefix]: [&str; 2]) -> io::Result<LockedTempDir> {
        fs::create_dir_all(root)?;
        // Names of dispatch's own folder need no prefix. It could have become a link.
        if ours.is_empty() && !is_own_folder(root) {
            let message = format!("{} is a link or belongs to another user", root.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        sweep(root, ours, SystemTime::now());
        fault::full("scratch")?;
        let prefix = format!("{ours}{prefix}");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(root)?;
        // Locked before it has its name, so that no other process finds it free.
        let unnamed = folder.path().join(".dispatch-lock-new");
        let lock = FileLock::wait(&unnamed)?;
        fs::rename(&unnamed, folder.path().join(LOCK))?;
        Ok(LockedTempDir {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns `true` if a folder was last changed longer ago than `than`.
pub(super) fn is_older(path: &Path, now: SystemTime, than: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    modified.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age > than))
}

/// Removes abandoned folders with this prefix. Failures are left to the next sweep.
fn sweep(root: &Path, prefix: &str, now: SystemTime) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let named = entry.file_name().as_bytes().starts_with(prefix.as_bytes());
        let path = entry.path();
        if named && is_own_folder(&path) && is_left_behind(&path, now) {
            let _ = remove_own_folder(&path, 2);
        }
    }
}

/// Returns `true` if the owner of a temporary folder was killed.
pub(super) fn is_left_behind(folder: &Path, now: SystemTime) -> bool {
    let lock = folder.join(LOCK);
    if lock.exists() {
        return matches!(FileLock::try_take(&lock), Ok(Some(_)));
    }
    let made = fs::symlink_metadata(folder).and_then(|meta| meta.modified());
    let age = made.map(|made| now.duration_since(made).unwrap_or_default());
    folder.is_dir() && age.is_ok_and(|age| age > MAKING)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_folders_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (held, left, making) = (make("held"), make("left"), make("making"));
        let lock = FileLock::wait(&held.join(LOCK)).unwrap();
        drop(FileLock::wait(&left.join(LOCK)).unwrap());
        // A child process that another test starts right now inherits all locks until it execs.
        // On a busy machine that can take long.
        let until_gone = |folder: &Path, ours: &str| {
            let give_up = std::time::Instant::now() + Duration::from_secs(60);
            while folder.exists() && std::time::Instant::now() < give_up {
                sweep(root.path(), ours, SystemTime::now());
                std::thread::yield_now();
            }
            !folder.exists()
        };
        assert!(until_gone(&left, ""));
        assert!(held.exists() && making.exists());
        sweep(root.path(), "", SystemTime::now() + 2 * MAKING);
        assert!(held.exists() && !making.exists());
        drop(lock);
        assert!(until_gone(&held, ""));
        let (ours, theirs) = (make("ours-1"), make("theirs-1"));
        for folder in [&ours, &theirs] {
            drop(FileLock::wait(&folder.join(LOCK)).unwrap());
        }
        std::os::unix::fs::symlink(&theirs, root.path().join("ours-2")).unwrap();
        assert!(until_gone(&ours, "ours-"));
        assert!(theirs.join(LOCK).exists());
    }
}
