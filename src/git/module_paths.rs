//! The folders of the repositories of submodules.
//!
//! Without `extensions.submodulePathConfig` (git 2.54) the folder is `modules/<name>`. With it the setting
//! `submodule.<name>.gitdir` names the folder, for all worktrees alike: a repository in the entry of a linked
//! worktree is then named to git for each command, and a name with slashes is encoded.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::git::command::{Git, GitError};
use crate::git::repo::Repo;

impl Repo {
    /// Returns the repository of a submodule in the module store. It may not exist.
    ///
    /// # Errors
    /// When git cannot read the setting that names it.
    pub(super) fn module_store(&self, name: &Path) -> Result<PathBuf, GitError> {
        let modules = self.common.join("modules");
        if !self.formats.has_module_paths {
            return Ok(modules.join(name));
        }
        let key = format!("submodule.{}.gitdir", name.display());
        Ok(match self.git().config(&["--get", &key])? {
            // A relative path starts at the top of the checkout.
            Some(path) => self.home().join(path),
            None => modules.join(encoded(name)),
        })
    }
}

/// Returns the folder of a submodule among the modules. `has_paths` says if settings name such folders.
pub(super) fn folder_of_name(name: &Path, has_paths: bool) -> PathBuf {
    match has_paths {
        true => encoded(name),
        false => name.to_owned(),
    }
}

/// Returns the name of the submodule with this folder among the modules.
pub(super) fn name_of_folder(folder: &Path, has_paths: bool) -> PathBuf {
    match has_paths {
        true => decoded(folder),
        false => folder.to_owned(),
    }
}

/// Returns `true` if settings name the repositories of the submodules of this repository.
///
/// # Errors
/// When git cannot read its configuration.
pub(super) fn has_module_paths(git: &Git) -> Result<bool, GitError> {
    let ask = ["--type=bool", "--get", "extensions.submodulePathConfig"];
    Ok(git.config(&ask)?.as_deref() == Some("true"))
}

/// Returns the name of the folder that git makes for a submodule where the name of a folder has no slash.
fn encoded(name: &Path) -> PathBuf {
    let bytes = name.as_os_str().as_bytes();
    if !bytes.contains(&b'/') {
        return name.to_owned();
    }
    let mut folder = String::new();
    for byte in bytes {
        match byte {
            b'-' | b'_' | b'.' | b'~' => folder.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => folder.push(char::from(*byte)),
            byte => {
                let _ = write!(folder, "%{byte:02x}");
            }
        }
    }
    PathBuf::from(folder)
}

/// Returns the name of the submodule with this folder.
fn decoded(folder: &Path) -> PathBuf {
    let bytes = folder.as_os_str().as_bytes();
    let is_encoded = bytes
        .windows(3)
        .any(|part| part.eq_ignore_ascii_case(b"%2f"));
    if !is_encoded || bytes.contains(&b'/') {
        return folder.to_owned();
    }
    let mut name = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                name.push(byte);
                rest = &after[2..];
            }
            None => {
                name.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(name))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_name_with_slashes_is_one_folder_as_git_encodes_it() {
        for (name, folder) in [
            ("lib", "lib"),
            ("a b", "a b"),
            ("deps/a b+c", "deps%2fa%20b%2bc"),
        ] {
            assert_eq!(encoded(Path::new(name)), Path::new(folder));
            assert_eq!(decoded(Path::new(folder)), Path::new(name));
        }
        assert_eq!(
            decoded(Path::new("50%25")),
            Path::new("50%25"),
            "no slash in it"
        );
        let odd = OsStr::from_bytes(b"a%2Fb%zz%");
        assert_eq!(decoded(Path::new(odd)), Path::new("a/b%zz%"));
    }
}
