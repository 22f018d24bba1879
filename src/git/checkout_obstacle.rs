//! A checkout of the user's: whether it could move, found out without touching it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::process::Finished;
use crate::base::text::one_line;
use crate::git::command::{Git, GitError};
use crate::git::worktree::WorktreeError;
use crate::merge::oid::Oid;

/// How many paths are given to one git, whose command line is limited.
const PATHS_AT_ONCE: usize = 500;

/// Why a checkout does not move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// A git holds its index, or one that died left this lock.
    Locked(PathBuf),
    /// It is in the middle of this.
    Unfinished(&'static str),
    /// git does not track this file, and one would be put in its place.
    Untracked(String),
    /// Local changes are in the way, or anything else that git says.
    Said(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Locked(lock) => write!(f, "its index is locked by {}", lock.display()),
            Obstacle::Unfinished(what) => write!(f, "a {what} is not finished there"),
            Obstacle::Untracked(path) => {
                write!(f, "{path} is not tracked and would be overwritten")
            }
            Obstacle::Said(said) => f.write_str(said),
        }
    }
}

/// What git ends with a commit of its own: `git merge` moves nothing before that.
const UNFINISHED: [(&str, &str); 3] = [
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
];

/// What stands against moving the checkout at `place` from the commit `from` to the commit or
/// tree `to`. `None` if nothing does.
///
/// git is asked with a copy of the index below `scratch`, because `git merge` itself rewrites the
/// index and `ORIG_HEAD` before it refuses.
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
    let file = |name: &str| -> Result<PathBuf, GitError> {
        Ok(place.join(git.line(&["rev-parse", "--git-path", name])?))
    };
    let index = file("index")?;
    let lock = file("index.lock")?;
    if lock.exists() {
        return Ok(Some(Obstacle::Locked(lock)));
    }
    for (name, what) in UNFINISHED {
        if file(name)?.exists() {
            return Ok(Some(Obstacle::Unfinished(what)));
        }
    }
    let failed = |error| WorktreeError::Io(scratch.to_owned(), error);
    let folder = scratch_folder(scratch).map_err(failed)?;
    let copy = folder.path().join("index");
    copy_with_time(&index, &copy).map_err(|error| WorktreeError::Io(index, error))?;
    let git = Git::at(place).env("GIT_INDEX_FILE", copy.as_os_str());
    // Ends with 1 where something differs; what matters is the refreshed index.
    git.finish(["update-index", "-q", "--refresh"])?;
    let (from, to) = (from.to_string(), to.to_string());
    if let Some(untracked) = untracked_in_the_way(&git, place, &from, &to)? {
        return Ok(Some(untracked));
    }
    let finished = git.finish(["read-tree", "--dry-run", "-m", "-u", &from, &to])?;
    Ok((!finished.status.success()).then(|| said(&finished)))
}

/// git's own words against it.
pub fn said(finished: &Finished) -> Obstacle {
    let said = one_line(&String::from_utf8_lossy(&finished.stderr));
    Obstacle::Said(said.replace("error: ", ""))
}

/// A file that git does not track, where one would be put. An ignored one may be the only copy there
/// is, and git itself overwrites those.
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

/// What stands where a file of this path would go: at its place, or in place of one of its folders.
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

/// The time stamp of an index tells git which of its entries it cannot trust.
fn copy_with_time(index: &Path, copy: &Path) -> io::Result<()> {
    let modified = match fs::metadata(index) {
        Ok(meta) => meta.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    fs::copy(index, copy)?;
    File::options()
        .write(true)
        .open(copy)?
        .set_modified(modified)
}
