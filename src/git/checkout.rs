//! A checkout of the user's: whether it could move, found out without touching it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::base::text::one_line;
use crate::git::cli::Git;
use crate::git::worktree::WorktreeError;
use crate::model::ids::Oid;

/// What git says against moving the checkout at `place` from the commit `from` to the commit or
/// tree `to`: local changes or files that are in the way. `None` if nothing is.
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
) -> Result<Option<String>, WorktreeError> {
    let index = place.join(Git::at(place).line(&["rev-parse", "--git-path", "index"])?);
    let failed = |error| WorktreeError::Io(scratch.to_owned(), error);
    let folder = scratch_folder(scratch).map_err(failed)?;
    let copy = folder.path().join("index");
    copy_with_time(&index, &copy).map_err(|error| WorktreeError::Io(index, error))?;
    let git = Git::at(place).env("GIT_INDEX_FILE", copy.as_os_str());
    // Ends with 1 where something differs; what matters is the refreshed index.
    git.finish(["update-index", "-q", "--refresh"])?;
    let (from, to) = (from.to_string(), to.to_string());
    let finished = git.finish(["read-tree", "--dry-run", "-m", "-u", &from, &to])?;
    if finished.status.success() {
        return Ok(None);
    }
    let said = one_line(&String::from_utf8_lossy(&finished.stderr));
    Ok(Some(said.replace("error: ", "")))
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
