//! Checks if a user's checkout can move to another commit, without touching it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::process::Finished;
use crate::base::regular_file;
use crate::base::text::one_line;
use crate::git::command::{Git, GitError};
use crate::git::head::has_pseudo_reference;
use crate::git::worktree::WorktreeError;
use crate::merge::oid::Oid;

/// The most paths on one command line.
const PATHS_AT_ONCE: usize = 500;

/// The reason why a checkout cannot move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// This lock on its index is held, or stale.
    Locked(PathBuf),
    /// This operation is unfinished.
    Unfinished(&'static str),
    /// This untracked file would be overwritten.
    Untracked(String),
    /// git's own message, for example about local changes.
    Refused(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Locked(lock) => write!(f, "its index is locked by {}", lock.display()),
            Obstacle::Unfinished(what) => write!(f, "an unfinished {what} is in progress there"),
            Obstacle::Untracked(path) => {
                write!(f, "the untracked file {path} would be overwritten")
            }
            Obstacle::Refused(message) => f.write_str(message),
        }
    }
}

/// Operations that end with a commit of their own; `git merge` refuses to run before that.
const UNFINISHED: [(&str, &str); 3] = [
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
];

/// Finds the reason for which the checkout at `place` cannot move from the commit `from` to the
/// commit or tree `to`, if any.
///
/// git works on a copy of the index below `scratch`, because `git merge` itself rewrites the index
/// and `ORIG_HEAD` before it refuses.
///
/// # Errors
/// When the index cannot be copied or git cannot be run.
pub fn obstacle(
    place: &Path,
    scratch: &Path,
    from: Oid,
    to: Oid,
) -> Result<Option<Obstacle>, WorktreeError> {
    let git = Git::at(place);
    // The index is there because the environment of git chooses no other one.
    let printed = git.run(&["rev-parse", "--absolute-git-dir"])?;
    let printed = printed.strip_suffix(b"\n").unwrap_or(&printed);
    let git_folder = place.join(OsStr::from_bytes(printed));
    let (index, lock) = (git_folder.join("index"), git_folder.join("index.lock"));
    if lock.exists() {
        return Ok(Some(Obstacle::Locked(lock)));
    }
    for (name, what) in UNFINISHED {
        if has_pseudo_reference(&git_folder, name) {
            return Ok(Some(Obstacle::Unfinished(what)));
        }
    }
    let failed = |error| WorktreeError::Io(scratch.to_owned(), error);
    let folder = scratch_folder(scratch).map_err(failed)?;
    let copy = folder.path().join("index");
    copy_with_time(&index, &copy).map_err(|error| WorktreeError::Io(index, error))?;
    let git = Git::at(place).env("GIT_INDEX_FILE", copy.as_os_str());
    // Exits with 1 if a file differs; only the refreshed index matters.
    git.finish(["update-index", "-q", "--refresh"])?;
    let (from, to) = (from.to_string(), to.to_string());
    if let Some(untracked) = untracked_in_the_way(&git, place, &from, &to)? {
        return Ok(Some(untracked));
    }
    let finished = git.finish(["read-tree", "--dry-run", "-m", "-u", &from, &to])?;
    Ok((!finished.status.success()).then(|| refusal(&finished)))
}

/// Returns git's own message as the obstacle.
pub fn refusal(finished: &Finished) -> Obstacle {
    let message = one_line(&String::from_utf8_lossy(&finished.stderr));
    Obstacle::Refused(message.replace("error: ", ""))
}

/// Finds an untracked file that would be overwritten. An ignored one counts, too: git overwrites
/// those, and it may be the only copy.
fn untracked_in_the_way(
    git: &Git,
    place: &Path,
    from: &str,
    to: &str,
) -> Result<Option<Obstacle>, GitError> {
    let args = ["diff-tree", "-r", "-z", "--no-renames", "--name-only"];
    let added = git.run(&[&args[..], &["--diff-filter=A", from, to]].concat())?;
    let paths = added
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty());
    let paths = paths.map(|path| Path::new(OsStr::from_bytes(path)));
    let taken: BTreeSet<&Path> = paths
        .filter_map(|path| in_the_way_of(place, path))
        .collect();
    let taken: Vec<&OsStr> = taken.into_iter().map(Path::as_os_str).collect();
    for some in taken.chunks(PATHS_AT_ONCE) {
        let args = ["--literal-pathspecs", "ls-files", "--others", "-z", "--"];
        let args: Vec<&OsStr> = args
            .map(OsStr::new)
            .into_iter()
            .chain(some.iter().copied())
            .collect();
        let found = git.run(&args)?;
        if let Some(path) = found.split(|byte| *byte == 0).find(|path| !path.is_empty()) {
            let path = String::from_utf8_lossy(path).into_owned();
            return Ok(Some(Obstacle::Untracked(path)));
        }
    }
    Ok(None)
}

/// Finds the existing file at a path, or at one of its folders.
fn in_the_way_of<'a>(place: &Path, path: &'a Path) -> Option<&'a Path> {
    let folders: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .filter(|p| *p != Path::new(""))
        .collect();
    for folder in folders.into_iter().rev() {
        match place.join(folder).symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Some(folder),
            Err(_) => return None,
        }
    }
    place.join(path).symlink_metadata().ok().map(|_| path)
}

fn scratch_folder(scratch: &Path) -> io::Result<tempfile::TempDir> {
    fs::create_dir_all(scratch)?;
    tempfile::tempdir_in(scratch)
}

/// Copies an index with its time stamp, with which git tells entries that it cannot trust.
fn copy_with_time(index: &Path, copy: &Path) -> io::Result<()> {
    match regular_file::copy_with_time(index, copy) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied,
    }
}
