//! Folders of the user for what programs remember.

use std::io;
use std::path::PathBuf;

/// Returns `true` if an error says that this user may not write a place, as in a container without a home
/// folder.
pub fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
    )
}

/// Returns the folder for the state of programs, `$XDG_STATE_HOME` or `~/.local/state`; `None` without
/// a home folder.
pub fn state_folder() -> Option<PathBuf> {
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// Returns the folder for what programs can make again, `$XDG_CACHE_HOME` or `~/.cache`; `None` without
/// a home folder.
pub fn cache_folder() -> Option<PathBuf> {
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

/// Reads a variable that names an absolute path.
fn absolute(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(name)?);
    path.is_absolute().then_some(path)
}
