//! Lists the paths that git ignores in a worktree, and those that submodules and nested repositories in it
//! ignore: only git in the repository around a file knows that.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::engine::worktree::ignored_repositories::IgnoredRepository;
use crate::engine::worktree::output_kinds::{Kind, kind_of};
use crate::git::{Git, GitError, Repo};

/// A path that a repository in a worktree ignores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnoredPath {
    /// The top of that repository, below the top of the worktree; empty for the worktree itself.
    repository: PathBuf,
    /// The path below the top of the worktree; a whole folder ends in a slash.
    pub path: PathBuf,
}

impl IgnoredPath {
    /// A path that the worktree itself ignores.
    pub fn of_worktree(path: PathBuf) -> IgnoredPath {
        let repository = PathBuf::new();
        IgnoredPath { repository, path }
    }

    /// Returns `true` if the worktree itself ignores it.
    pub fn is_of_worktree(&self) -> bool {
        self.repository.as_os_str().is_empty()
    }

    /// Tells what its name says about it.
    pub(super) fn kind(&self) -> Kind {
        kind_of(self.below_repository(&self.path))
    }

    /// Returns `true` for what tools for builds, tests and packages make.
    pub fn is_of_tool(&self) -> bool {
        self.kind() == Kind::Tool
    }

    /// Returns the part of a path below the top of the repository, with a slash at its end if it has one.
    pub(super) fn below_repository<'a>(&self, path: &'a Path) -> &'a Path {
        let (top, bytes) = (
            self.repository.as_os_str().as_bytes(),
            path.as_os_str().as_bytes(),
        );
        let below = bytes.strip_prefix(top).unwrap_or(bytes);
        let below = below.strip_prefix(b"/").unwrap_or(below);
        Path::new(OsStr::from_bytes(below))
    }
}

/// Lists the paths that git ignores in its worktree, a whole folder as one that ends in a slash.
///
/// # Errors
/// When git cannot read the worktree.
pub fn ignored_paths(git: &Git) -> Result<Vec<PathBuf>, GitError> {
    let list = [
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "-z",
    ];
    let listed = git.run(&list)?;
    let entries = listed
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty());
    Ok(entries
        .map(|entry| PathBuf::from(OsString::from_vec(entry.to_vec())))
        .collect())
}

/// Lists the paths that some repositories in a worktree ignore. One that git cannot read is left out: its
/// worktree stays for it.
///
/// # Errors
/// When git was killed.
pub fn ignored_inside(
    repo: &Repo,
    repositories: &[IgnoredRepository],
) -> Result<Vec<IgnoredPath>, GitError> {
    let mut all = Vec::new();
    for found in repositories.iter().filter(|one| one.folder.is_some()) {
        let listed = match found
            .as_submodule(repo)
            .checkout_git()
            .and_then(|git| ignored_paths(&git))
        {
            Err(error) if error.was_killed() => return Err(error),
            listed => listed.unwrap_or_default(),
        };
        all.extend(listed.into_iter().map(|path| IgnoredPath {
            path: found.path.join(path),
            repository: found.path.clone(),
        }));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_below_the_repository_that_ignores_it() {
        let inside = IgnoredPath {
            repository: PathBuf::from("vendor/lib"),
            path: PathBuf::from("vendor/lib/ig/"),
        };
        let below = inside.below_repository(&inside.path);
        assert_eq!(below.as_os_str(), "ig/");
        assert_eq!(inside.kind(), Kind::Other);
        let own = IgnoredPath::of_worktree(PathBuf::from("vendor/ig/"));
        assert_eq!(own.below_repository(&own.path).as_os_str(), "vendor/ig/");
        assert_eq!(own.kind(), Kind::Output);
    }
}
