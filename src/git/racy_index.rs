//! Spares git reading files again that provably have not changed.
//!
//! git compares times by the second (unless built otherwise), so the next command reads and hashes
//! again every file that was written in the same second as the index: all files of a worktree that
//! was filled in less than a second, every time (git's Documentation/technical/racy-git). The index
//! has nanoseconds, though. Where they prove that no file has changed unseen, a copy of the index
//! gets a time stamp after all its files, and git trusts its entries.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use git2::{Index, IndexEntry, IndexTime};

use crate::base::files::touch;
use crate::merge::change::Entry;

/// A file time in seconds and nanoseconds.
type FileTime = (i64, i64);

const KIND: u32 = 0o170_000;

/// Moves the time stamp of a copy of the index `original`, opened, after those of all its files.
///
/// Does nothing and returns `false` if a file below `top` may have changed in a way that git would
/// then miss. No process may write to `top` meanwhile.
///
/// # Errors
/// When the time stamp cannot be written.
pub(super) fn refresh_index_mtime(
    (copy, index): (&Path, &Index),
    original: &Metadata,
    top: &Path,
) -> io::Result<bool> {
    let written = (original.mtime(), original.mtime_nsec());
    let mut latest = written.0;
    for entry in index
        .iter()
        .filter(|entry| entry.mode & KIND != Entry::SUBMODULE)
    {
        if !is_unchanged_or_visible(&entry, written, top) {
            return Ok(false);
        }
        latest = latest.max(i64::from(entry.mtime.seconds()));
    }
    let Ok(after) = u64::try_from(latest + 1) else {
        return Ok(false);
    };
    let file = File::options().write(true).open(copy)?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(after))?;
    Ok(true)
}

/// The most readings of a file system's clock while waiting for its next step.
const MOST_WAITS: u32 = 10;

/// Moves the time stamp of a new index past those of the files it lists, as soon as the clock of the
/// file system moves on.
///
/// Files written in the same step of that clock as the index prove nothing to
/// [`refresh_index_mtime`]. No process may write to the worktree meanwhile. A clock with long steps
/// is not waited for.
///
/// # Errors
/// When the time stamp cannot be written.
pub(super) fn postdate_index(index: &Path) -> io::Result<()> {
    let written = fs::metadata(index)?.modified()?;
    for _ in 0..MOST_WAITS {
        touch(index)?;
        if fs::metadata(index)?.modified()? > written {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Returns `true` if git would see a change by size or second, whatever its settings, or if time
/// stamps prove that there is none: a later write would have left a later time.
fn is_unchanged_or_visible(entry: &IndexEntry, written: FileTime, top: &Path) -> bool {
    let path = top.join(OsStr::from_bytes(&entry.path));
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    let modified = file_time(entry.mtime);
    if file.len() as u32 != entry.file_size || file.mtime() != modified.0 {
        return true;
    }
    let changed = file_time(entry.ctime);
    (file.mtime(), file.mtime_nsec()) == modified
        && (file.ctime(), file.ctime_nsec()) == changed
        && file.ino() as u32 == entry.ino
        && modified < written
        && changed < written
}

fn file_time(time: IndexTime) -> FileTime {
    (i64::from(time.seconds()), i64::from(time.nanoseconds()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    /// A repository with two staged files.
    struct StagedFiles {
        top: tempfile::TempDir,
    }

    impl StagedFiles {
        fn new() -> StagedFiles {
            let files = StagedFiles {
                top: tempfile::tempdir().unwrap(),
            };
            files.git().run(&["init", "--quiet"]).unwrap();
            files.write("a", "one\n");
            files.write("b", "two\n");
            files.write(".git/probe", "");
            files.wait_for_clock_tick();
            files.git().run(&["add", "--all"]).unwrap();
            files
        }

        /// Writes until the file system's clock, which advances every few milliseconds, moves on.
        fn wait_for_clock_tick(&self) {
            let modified = |name: &str| {
                let file = fs::metadata(self.top.path().join(name)).unwrap();
                file.modified().unwrap()
            };
            let before = modified("b");
            while modified(".git/probe") <= before {
                self.write(".git/probe", "");
            }
        }

        fn git(&self) -> Git {
            Git::at(self.top.path())
        }

        fn index(&self) -> std::path::PathBuf {
            self.top.path().join(".git/index")
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.top.path().join(name), text).unwrap();
        }

        /// Refreshes a copy of the index, and returns the files that git then calls changed.
        fn refreshed(&self) -> (bool, String) {
            let copy = self.top.path().join(".git/copy");
            fs::copy(self.index(), &copy).unwrap();
            let original = fs::metadata(self.index()).unwrap();
            let file = File::options().write(true).open(&copy).unwrap();
            file.set_modified(original.modified().unwrap()).unwrap();
            let index = Index::open(&copy).unwrap();
            let moved = refresh_index_mtime((&copy, &index), &original, self.top.path()).unwrap();
            let git = self.git().env("GIT_INDEX_FILE", copy.as_os_str());
            (moved, git.line(&["diff-files", "--name-only"]).unwrap())
        }
    }

    #[test]
    fn unchanged_files_get_a_later_index() {
        assert_eq!(StagedFiles::new().refreshed(), (true, String::new()));
    }

    #[test]
    fn a_change_that_git_sees_anyway_does_not_prevent_it() {
        let files = StagedFiles::new();
        files.write("a", "longer\n");
        fs::remove_file(files.top.path().join("b")).unwrap();
        assert_eq!(files.refreshed(), (true, "a\nb".to_owned()));
    }

    #[test]
    fn a_change_of_the_same_size_within_the_same_second_is_never_missed() {
        for round in 0..50 {
            let files = StagedFiles::new();
            files.write("a", &format!("{:03}\n", round));
            let (_, changed) = files.refreshed();
            assert_eq!(changed, "a", "round {round}");
        }
    }

    #[test]
    fn a_restored_time_stamp_hides_nothing() {
        let files = StagedFiles::new();
        let path = files.top.path().join("a");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        files.write("a", "eno\n");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(files.refreshed(), (false, "a".to_owned()));
    }

    #[test]
    fn a_postdated_index_is_trusted_and_misses_no_later_write() {
        for round in 0..20 {
            let files = StagedFiles::new();
            files.write("a", &format!("{round:04}\n"));
            files.git().run(&["add", "--all"]).unwrap();
            postdate_index(&files.index()).unwrap();
            assert_eq!(files.refreshed(), (true, String::new()), "round {round}");
            files.write("a", &format!("{:04}\n", round + 1));
            assert_eq!(files.refreshed().1, "a", "round {round}");
        }
    }

    #[test]
    fn a_file_as_young_as_the_index_is_left_to_git() {
        let files = StagedFiles::new();
        let file = fs::metadata(files.top.path().join("b")).unwrap();
        let index = File::options().write(true).open(files.index()).unwrap();
        index.set_modified(file.modified().unwrap()).unwrap();
        assert_eq!(files.refreshed(), (false, String::new()));
    }
}
