//! Finds repositories inside the folders of a worktree that git ignores, and inside of other repositories
//! there. git would remove them with the worktree and says nothing about them.
//!
//! The search reads every folder, which costs a small part of removing them, and nothing but names: a
//! limit would lose the repository behind it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::submodules::{Submodule, is_repository};
use crate::git::worktree::Worktree;
use crate::git::{GitError, Repo};

/// A repository in an ignored folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnoredRepository {
    /// Its path below the top of the worktree.
    pub path: PathBuf,
    /// Its git folder.
    pub git_dir: PathBuf,
    /// The folder of its files; `None` for a bare one.
    pub folder: Option<PathBuf>,
    /// `true` if its git folder would be removed with the worktree.
    pub is_inside: bool,
}

impl IgnoredRepository {
    /// Describes it as a submodule whose commits are kept in the repository itself.
    pub fn as_submodule(&self, repo: &Repo) -> Submodule {
        Submodule {
            name: self.path.display().to_string(),
            path: self.path.clone(),
            git_dir: self.git_dir.clone(),
            folder: self.folder.clone(),
            store: repo.common.clone(),
        }
    }
}

/// The result of a search.
#[derive(Default, Debug)]
pub struct Found {
    /// The repositories, sorted by path.
    pub repositories: Vec<IgnoredRepository>,
    /// The first folder that could not be read, and the cause.
    pub unread: Option<(PathBuf, String)>,
}

impl Found {
    /// Lists the repositories that are not among some submodules.
    pub fn others_than<'a>(
        &'a self,
        known: &'a [Submodule],
    ) -> impl Iterator<Item = &'a IgnoredRepository> {
        let is_known = |one: &IgnoredRepository| {
            let mut known = known.iter();
            known.any(|known| known.path == one.path)
        };
        self.repositories.iter().filter(move |one| !is_known(one))
    }

    /// Leaves out the git folders that look bare and belong to files elsewhere.
    fn leave_out_separate_git_folders(&mut self) {
        let with_files = self.repositories.iter().filter(|one| one.folder.is_some());
        let known: Vec<PathBuf> = with_files.map(|one| one.git_dir.clone()).collect();
        self.repositories.retain(|one| {
            let real = one.git_dir.canonicalize();
            one.folder.is_some() || !real.is_ok_and(|real| known.contains(&real))
        });
    }
}

/// Lists the folders of the submodules that are checked out in a worktree, below its top.
///
/// # Errors
/// When git cannot read `.gitmodules`.
pub fn submodule_paths(repo: &Repo, worktree: &Worktree) -> Result<Vec<PathBuf>, GitError> {
    let found = repo.submodules_in(worktree)?.into_iter();
    let found = found.filter(|submodule| submodule.folder.is_some());
    Ok(found.map(|submodule| submodule.path).collect())
}

/// Searches some folders of a worktree for repositories, each of which may have others in it. Links are not
/// followed.
pub fn repositories_below(top: &Path, folders: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let real_top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    let is_folder = |path: &PathBuf| {
        let meta = top.join(path).symlink_metadata();
        meta.is_ok_and(|meta| meta.is_dir())
    };
    let mut left: Vec<PathBuf> = folders
        .iter()
        .map(|path| path.components().collect())
        .filter(is_folder)
        .collect();
    while let Some(path) = left.pop() {
        let names = match read_folder(&top.join(&path)) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                found.unread.get_or_insert((path, error.to_string()));
                continue;
            }
        };
        let repository = names.repository(top, &real_top, &path);
        if repository
            .as_ref()
            .is_none_or(|found| found.folder.is_some())
        {
            let is_git_folder = |name: &&OsString| repository.is_some() && *name == ".git";
            let below = names.folders.iter().filter(|name| !is_git_folder(name));
            left.extend(below.map(|name| path.join(name)));
        }
        found.repositories.extend(repository);
    }
    found.repositories.sort_by(|a, b| a.path.cmp(&b.path));
    found.repositories.dedup();
    found.leave_out_separate_git_folders();
    found
}

/// The names in a folder that bear on the search.
#[derive(Default)]
struct Names {
    folders: Vec<OsString>,
    has_git_file: bool,
    has_head: bool,
}

impl Names {
    fn has_folder(&self, name: &str) -> bool {
        self.folders.iter().any(|found| found == name)
    }

    /// Returns the repository whose files, or whose git folder, this folder is.
    fn repository(&self, top: &Path, real_top: &Path, path: &Path) -> Option<IgnoredRepository> {
        let folder = top.join(path);
        let found = |git_dir: PathBuf, folder: Option<PathBuf>| IgnoredRepository {
            path: path.to_owned(),
            is_inside: git_dir.starts_with(top) || git_dir.starts_with(real_top),
            git_dir,
            folder,
        };
        let git_dir = folder.join(".git");
        if self.has_folder(".git") && is_repository(&git_dir) {
            return Some(found(git_dir, Some(folder)));
        }
        if self.has_git_file
            && let Some(git_dir) = linked_git_dir(&folder)
        {
            return Some(found(git_dir, Some(folder)));
        }
        let is_bare = self.has_head && self.has_folder("objects") && self.has_folder("refs");
        is_bare.then(|| found(folder, None))
    }
}

/// Reads the names in a folder without asking for more than the folder itself tells.
fn read_folder(folder: &Path) -> std::io::Result<Names> {
    let mut names = Names::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if kind.is_dir() {
            names.folders.push(name);
        } else {
            names.has_git_file |= name == ".git";
            names.has_head |= name == "HEAD";
        }
    }
    Ok(names)
}

/// Follows the file `.git` of a linked worktree, or of a repository with a separate git folder.
fn linked_git_dir(folder: &Path) -> Option<PathBuf> {
    let text = regular_file::read(&folder.join(".git"), LINE_LIMIT).ok()?;
    let path = text.strip_prefix(b"gitdir: ")?.trim_ascii_end();
    let git_dir = folder.join(OsStr::from_bytes(path)).canonicalize().ok()?;
    git_dir.join("HEAD").exists().then_some(git_dir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn make_repository(git_dir: &Path) {
        for name in ["objects", "refs"] {
            fs::create_dir_all(git_dir.join(name)).unwrap();
        }
        fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn every_kind_of_repository_is_found_however_many_files_are_before_it() {
        let scene = tempfile::tempdir().unwrap();
        let top = scene.path().canonicalize().unwrap();
        let outside = tempfile::tempdir().unwrap();
        make_repository(outside.path());
        let many = top.join("out/a/many");
        fs::create_dir_all(&many).unwrap();
        for number in 0..6000 {
            fs::write(many.join(number.to_string()), "").unwrap();
        }
        make_repository(&top.join("out/z/z/z/deep/.git"));
        make_repository(&top.join("out/z/z/z/deep/inner/.git"));
        make_repository(&top.join("out/bare.git"));
        make_repository(&top.join("out/apart.git"));
        for (name, git_dir) in [("apart", "../apart.git"), ("linked", "OUTSIDE")] {
            fs::create_dir_all(top.join("out").join(name)).unwrap();
            let git_dir = git_dir.replace("OUTSIDE", outside.path().to_str().unwrap());
            let text = format!("gitdir: {git_dir}\n");
            fs::write(top.join("out").join(name).join(".git"), text).unwrap();
        }
        fs::create_dir_all(top.join("out/node_modules/x/.git")).unwrap();
        std::os::unix::fs::symlink(outside.path(), top.join("out/link")).unwrap();
        let found = repositories_below(&top, &[PathBuf::from("out/"), PathBuf::from("gone/")]);
        let lines = found.repositories.iter().map(|found| {
            let files = found.folder.as_ref().map_or("no files", |_| "files");
            let inside = if found.is_inside { "inside" } else { "outside" };
            format!("{}: {files}, {inside}\n", found.path.display())
        });
        insta::assert_snapshot!(lines.collect::<String>(), @r"
        out/apart: files, inside
        out/bare.git: no files, inside
        out/linked: files, outside
        out/z/z/z/deep: files, inside
        out/z/z/z/deep/inner: files, inside
        ");
        assert!(found.unread.is_none());
    }
}
