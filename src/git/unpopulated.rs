//! Finds files in the folders of submodules that are not checked out. git looks into no such folder,
//! so no commit ever has them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::git::command::{Git, GitError};
use crate::git::repo::Repo;
use crate::git::submodules::{Submodule, declared_submodules};
use crate::git::worktree::Worktree;

/// The most files and folders that are looked at in the folder of one submodule.
const EXAMINED: usize = 2000;

/// The most files that are listed of one submodule.
const LISTED: usize = 100;

/// A submodule that is not checked out, with files in its folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unpopulated {
    /// Its path below the top of the worktree.
    pub path: PathBuf,
    /// Files in its folder, below the top of the worktree; only the first ones of many.
    pub files: Vec<PathBuf>,
}

impl Repo {
    /// Lists the submodules of a worktree that are not checked out and whose folders have files, those
    /// inside the checked-out ones `found` included. A worktree that declares no submodule costs one
    /// look at `.gitmodules`.
    ///
    /// # Errors
    /// When git cannot read `.gitmodules` or the index.
    pub fn unpopulated_in(
        &self,
        worktree: &Worktree,
        found: &[Submodule],
    ) -> Result<Vec<Unpopulated>, GitError> {
        let mut unpopulated =
            in_superproject(&worktree.path, &self.git_in(worktree)?, &worktree.path)?;
        for submodule in found {
            let Some(folder) = submodule.folder.as_ref().filter(|folder| folder.is_dir()) else {
                continue;
            };
            let git = Git::at(folder)
                .env("GIT_DIR", submodule.git_dir.as_os_str())
                .env("GIT_WORK_TREE", folder.as_os_str());
            unpopulated.extend(in_superproject(folder, &git, &worktree.path)?);
        }
        Ok(unpopulated)
    }
}

fn in_superproject(folder: &Path, git: &Git, top: &Path) -> Result<Vec<Unpopulated>, GitError> {
    let mut found = Vec::new();
    for (_, path) in declared_submodules(folder)? {
        let place = folder.join(&path);
        let is_folder = place.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if !is_folder || place.join(".git").symlink_metadata().is_ok() {
            continue;
        }
        let files = files_below(&place, top);
        if !files.is_empty() && is_link(git, &path)? {
            let path = place.strip_prefix(top).unwrap_or(&path).to_owned();
            found.push(Unpopulated { path, files });
        }
    }
    Ok(found)
}

/// Lists files below a folder. A folder that is too large to look at is listed itself.
fn files_below(folder: &Path, top: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files, mut left) = (vec![folder.to_owned()], Vec::new(), EXAMINED);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
            left -= 1;
            if left == 0 || files.len() == LISTED {
                if files.is_empty() {
                    files.push(folder.to_owned());
                }
                folders.clear();
                break;
            }
        }
    }
    files.sort();
    let below = |file: PathBuf| file.strip_prefix(top).map(Path::to_owned).ok();
    files.into_iter().filter_map(below).collect()
}

/// Returns `true` if the index has a submodule at a path.
fn is_link(git: &Git, path: &Path) -> Result<bool, GitError> {
    let mut literal = OsString::from(":(top,literal)");
    literal.push(path);
    let mut args: Vec<OsString> = ["ls-files", "-z", "--stage", "--"]
        .map(OsString::from)
        .to_vec();
    args.push(literal);
    Ok(git.run(&args)?.starts_with(b"160000 "))
}
