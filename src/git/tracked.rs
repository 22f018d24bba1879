//! Tells which files git tracks.

use std::ffi::OsStr;
use std::path::Path;

use crate::git::Git;

/// Returns `true` if git tracks a path, from this folder on, as a file. A link is not a file, and neither
/// is anything behind one.
pub fn is_tracked_file(folder: &Path, path: &Path) -> bool {
    let git = Git::at(folder.to_owned()).env("GIT_LITERAL_PATHSPECS", "1");
    let args = ["ls-files", "--stage", "--"].map(OsStr::new);
    let args: Vec<&OsStr> = args.into_iter().chain([path.as_os_str()]).collect();
    git.run(&args)
        .is_ok_and(|listed| listed.starts_with(b"100"))
}
