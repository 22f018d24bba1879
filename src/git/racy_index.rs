//! Sparing git the second look at files that provably have not changed.
//!
//! git compares times by the second (unless built otherwise), so every file that was written in the
//! same second as the index is read and hashed again by the next command: all files of a worktree
//! that was filled in less than a second, every time (git's Documentation/technical/racy-git). The
//! index has the nanoseconds, though. Where they prove that no file has changed unseen, a copy of
//! the index gets a time stamp after all its files, and git takes its word for them.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use git2::{Index, IndexEntry, IndexTime};

use crate::merge::change::Entry;

/// A time as a file system keeps it: seconds and nanoseconds.
type Moment = (i64, i64);

const KIND: u32 = 0o170_000;

/// Moves the time stamp of `copy`, a copy of an index that was written at the time of `original`,
/// behind those of all files in it; only if no file below `top` can have changed in a way that git
/// would then miss. Nobody may be at work in `top`. Returns whether it did.
///
/// # Errors
/// When the time stamp cannot be written.
pub(super) fn vouch_for(copy: &Path, original: &Metadata, top: &Path) -> io::Result<bool> {
    let written = (original.mtime(), original.mtime_nsec());
    let Ok(index) = Index::open(copy) else {
        return Ok(false);
    };
    let mut latest = written.0;
    for entry in index
        .iter()
        .filter(|entry| entry.mode & KIND != Entry::SUBMODULE)
    {
        if !git_sees_or_nothing_changed(&entry, written, top) {
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

/// Either git sees a change by size or second, whatever its settings; or time stamps prove that
/// there is none: a write after the index was written would have left a later one.
fn git_sees_or_nothing_changed(entry: &IndexEntry, written: Moment, top: &Path) -> bool {
    let path = top.join(OsStr::from_bytes(&entry.path));
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    let modified = moment(entry.mtime);
    if file.len() as u32 != entry.file_size || file.mtime() != modified.0 {
        return true;
    }
    let changed = moment(entry.ctime);
    (file.mtime(), file.mtime_nsec()) == modified
        && (file.ctime(), file.ctime_nsec()) == changed
        && file.ino() as u32 == entry.ino
        && modified < written
        && changed < written
}

fn moment(time: IndexTime) -> Moment {
    (i64::from(time.seconds()), i64::from(time.nanoseconds()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    /// A worktree with two files, its index and a copy of it.
    struct Scene {
        top: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Scene {
            let scene = Scene {
                top: tempfile::tempdir().unwrap(),
            };
            scene.git().run(&["init", "--quiet"]).unwrap();
            scene.write("a", "one\n");
            scene.write("b", "two\n");
            scene.write(".git/probe", "");
            scene.let_the_clock_tick();
            scene.git().run(&["add", "--all"]).unwrap();
            scene
        }

        /// The clock of a file system stands still for some milliseconds at a time.
        fn let_the_clock_tick(&self) {
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

        /// Vouches for a copy, and gives the files that git then calls changed.
        fn vouched(&self) -> (bool, String) {
            let copy = self.top.path().join(".git/copy");
            fs::copy(self.index(), &copy).unwrap();
            let original = fs::metadata(self.index()).unwrap();
            let file = File::options().write(true).open(&copy).unwrap();
            file.set_modified(original.modified().unwrap()).unwrap();
            let vouched = vouch_for(&copy, &original, self.top.path()).unwrap();
            let git = self.git().env("GIT_INDEX_FILE", copy.as_os_str());
            (vouched, git.line(&["diff-files", "--name-only"]).unwrap())
        }
    }

    #[test]
    fn what_has_not_changed_is_vouched_for() {
        assert_eq!(Scene::new().vouched(), (true, String::new()));
    }

    #[test]
    fn a_change_that_git_sees_by_itself_is_no_hindrance() {
        let scene = Scene::new();
        scene.write("a", "longer\n");
        fs::remove_file(scene.top.path().join("b")).unwrap();
        assert_eq!(scene.vouched(), (true, "a\nb".to_owned()));
    }

    #[test]
    fn a_change_of_the_same_size_within_the_same_second_is_never_missed() {
        for round in 0..50 {
            let scene = Scene::new();
            scene.write("a", &format!("{:03}\n", round));
            let (_, changed) = scene.vouched();
            assert_eq!(changed, "a", "round {round}");
        }
    }

    #[test]
    fn a_time_stamp_that_was_put_back_hides_nothing() {
        let scene = Scene::new();
        let path = scene.top.path().join("a");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        scene.write("a", "eno\n");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(scene.vouched(), (false, "a".to_owned()));
    }

    #[test]
    fn a_file_as_young_as_the_index_is_left_to_git() {
        let scene = Scene::new();
        let file = fs::metadata(scene.top.path().join("b")).unwrap();
        let index = File::options().write(true).open(scene.index()).unwrap();
        index.set_modified(file.modified().unwrap()).unwrap();
        assert_eq!(scene.vouched(), (false, String::new()));
    }
}
