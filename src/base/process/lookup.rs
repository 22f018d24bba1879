//! Finds executable files.

use std::path::{Path, PathBuf};

/// Finds an executable file: a name on `PATH`, a path as given. The result is absolute.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

/// Returns `true` if this is a file with an executable bit, as git asks of a hook.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_or_path() {
        let by_name = find_program("sh");
        assert!(by_name.as_ref().is_some_and(|path| path.is_absolute()));
        let path = by_name.unwrap_or_default();
        assert_eq!(find_program(&path.to_string_lossy()), Some(path));
    }

    #[test]
    fn a_folder_or_an_ordinary_file_is_no_program() {
        assert_eq!(find_program("/"), None);
        assert_eq!(
            find_program(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            None
        );
        assert_eq!(find_program("no-such-program-anywhere"), None);
        assert_eq!(find_program(""), None);
    }
}
