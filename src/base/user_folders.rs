//! Folders of the user for what programs remember.

use std::path::PathBuf;

/// Returns the folder for the state of programs, `$XDG_STATE_HOME` or `~/.local/state`; `None` without
/// a home folder.
pub fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}
