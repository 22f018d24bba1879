//! Finds repositories inside the folders of a worktree that git ignores. git would remove them with
//! the worktree and says nothing about them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::git::submodules::is_repository;
use crate::git::worktree::Worktree;
use crate::git::{GitError, Repo};

/// The most files and folders that one search looks at.
pub const EXAMINED: usize = 5000;

/// The repositories that a search found.
#[derive(Default)]
pub struct Found {
    /// Their paths below the top of the worktree.
    pub paths: Vec<PathBuf>,
    /// `false` if the search ended at [`EXAMINED`].
    pub is_complete: bool,
}

/// Lists the paths that git ignores in a worktree, whole folders as one.
///
/// # Errors
/// When git cannot read the worktree.
pub fn ignored_paths(repo: &Repo, worktree: &Worktree) -> Result<Vec<PathBuf>, GitError> {
    let list = [
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "-z",
    ];
    let listed = repo.git_in(worktree)?.run(&list)?;
    let entries = listed
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty());
    Ok(entries
        .map(|entry| PathBuf::from(OsString::from_vec(entry.to_vec())))
        .collect())
}

/// Searches some folders of a worktree for repositories, the upper levels first. Links are not
/// followed, and a repository is not searched for others.
pub fn repositories_below(top: &Path, folders: &[PathBuf]) -> Found {
    let mut queue: VecDeque<PathBuf> = folders
        .iter()
        .map(|path| path.components().collect())
        .filter(|path: &PathBuf| is_folder(&top.join(path)))
        .collect();
    let (mut paths, mut left) = (Vec::new(), EXAMINED);
    while let Some(path) = queue.pop_front() {
        let git_dir = top.join(&path).join(".git");
        if is_folder(&git_dir) && is_repository(&git_dir) {
            paths.push(path);
            continue;
        }
        for entry in fs::read_dir(top.join(&path))
            .into_iter()
            .flatten()
            .flatten()
        {
            if left == 0 {
                return Found {
                    paths,
                    is_complete: false,
                };
            }
            left -= 1;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                queue.push_back(path.join(entry.file_name()));
            }
        }
    }
    Found {
        paths,
        is_complete: true,
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}
