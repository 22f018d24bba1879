//! Finds the repository around a folder, and rejects those that dispatch cannot work with.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use crate::base::files;
use crate::base::text::one_line;
use crate::git::bare_setting::BareSetting;
use crate::git::command::{Git, GitError};
use crate::git::formats::{FORMAT_KEYS, Formats, Way, wanted_way};
use crate::git::hook_settings::note_hooks;
use crate::git::irregular_file;
use crate::git::private_mark;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};

pub use crate::git::discover_error::{DiscoverError, OLDEST_GIT};

/// The file with the first commits of a shallow clone.
const SHALLOW: &str = "shallow";

/// A limitation of a usable repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limitation {
    /// History ends early.
    Shallow,
    /// Submodules are not checked out in worktrees.
    Submodules,
}

impl Repo {
    /// Finds the repository around a folder. If it is shared, the files that this process makes from now
    /// on are.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work with it. Nothing is created.
    pub fn discover(folder: &Path) -> Result<Repo, DiscoverError> {
        if let Some(path) = irregular_file::find_around(folder) {
            return Err(DiscoverError::Irregular(path));
        }
        let git = Git::at(folder);
        // Every command of dispatch waits for these, so they run in parallel.
        let (version, places) = std::thread::scope(|scope| {
            let places = scope.spawn(|| git.finish(PLACES));
            (git_version(folder), wait(places))
        });
        let (version, places) = (version?, places?);
        let lines = lines(&places.stdout);
        // Of a bare repository git prints all but the last place, and fails.
        let (common, git_dir, top) = match (lines.as_slice(), places.status.success()) {
            ([common, git_dir, top], true) => (common, git_dir, Some(top)),
            ([common, git_dir], false) => (common, git_dir, None),
            ([], false) => {
                let said = String::from_utf8_lossy(&places.stderr);
                return Err(no_repository(folder, &said, version));
            }
            _ => return Err(DiscoverError::LineBreak(folder.to_owned())),
        };
        let top = top.ok_or_else(|| bare(common))?;
        if !top.is_dir() {
            return Err(DiscoverError::NoCheckout(top.clone(), common.clone()));
        }
        if let Some(path) = [top, common]
            .into_iter()
            .find(|path| path.to_str().is_none())
        {
            return Err(DiscoverError::NotUtf8(path.clone()));
        }
        let version = parse_version(&version).unwrap_or(OLDEST_GIT);
        let of_worker = private_mark::repository_of(git_dir);
        let is_of_worker = of_worker.is_some();
        let (common, git_dir) = of_worker.unwrap_or((common.clone(), git_dir.clone()));
        let mut repo = Repo::new(top.clone(), common, git_dir, version);
        repo.is_of_worker = is_of_worker;
        repo.formats = formats(&repo)?;
        if let Some(mask) = repo.formats.file_mask {
            files::set_file_mask(mask);
        }
        Ok(repo)
    }

    /// Lists the limitations to report before a run.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn limitations(&self) -> Result<Vec<Limitation>, GitError> {
        let mut limitations = Vec::new();
        if self.common.join(SHALLOW).exists() {
            limitations.push(Limitation::Shallow);
        }
        if self
            .git()
            .finish(["cat-file", "-e", "HEAD:.gitmodules"])?
            .status
            .success()
        {
            limitations.push(Limitation::Submodules);
        }
        Ok(limitations)
    }

    /// Returns the checkout of the repository that contains this one as a submodule. In the usual
    /// layout, with `.git` in the checkout, git is not asked.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn superproject(&self) -> Result<Option<PathBuf>, GitError> {
        if self.common.parent() == Some(self.home()) {
            return Ok(None);
        }
        let ask = ["rev-parse", "--show-superproject-working-tree"];
        let printed = Git::at(self.home()).run(&ask)?;
        Ok(lines(&printed).into_iter().next())
    }

    /// Returns `true` if the user's checkout has uncommitted changes.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn is_dirty(&self) -> Result<bool, GitError> {
        Ok(!self
            .git()
            .run(&["status", "--porcelain", "--ignore-submodules=all"])?
            .is_empty())
    }
}

/// Returns the error for a repository that git takes for a bare one.
fn bare(common: &Path) -> DiscoverError {
    match BareSetting::find(common) {
        Some(setting) => DiscoverError::BareSetting(setting),
        None => DiscoverError::Bare(common.to_owned()),
    }
}

/// Parses paths as git prints them: bytes and a line end each.
fn lines(printed: &[u8]) -> Vec<PathBuf> {
    let path = |line: &[u8]| PathBuf::from(OsString::from_vec(line.to_vec()));
    let printed = printed.strip_suffix(b"\n");
    let lines = printed.map(|lines| lines.split(|byte| *byte == b'\n').map(path));
    lines.into_iter().flatten().collect()
}

fn no_repository(folder: &Path, said: &str, version: String) -> DiscoverError {
    if said.contains("not a git repository") {
        return DiscoverError::NoRepository(folder.to_owned());
    }
    if said.contains("refstorage") {
        let folder = folder.to_owned();
        return DiscoverError::Reftable { folder, version };
    }
    DiscoverError::Refused(folder.to_owned(), one_line(said))
}

/// Returns the version of git as it prints it.
fn git_version(folder: &Path) -> Result<String, DiscoverError> {
    let folder = if folder.is_dir() {
        folder
    } else {
        Path::new("/")
    };
    let finished = Git::at(folder)
        .finish(["version"])
        .map_err(|error| match error {
            GitError::Start(_) => DiscoverError::NoGit,
            other => DiscoverError::Git(other),
        })?;
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    let number = text
        .trim()
        .strip_prefix("git version ")
        .unwrap_or(text.trim());
    match parse_version(number) {
        Some(version) if version >= OLDEST_GIT => Ok(number.to_owned()),
        _ => Err(DiscoverError::OldGit(number.to_owned())),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns the result of a thread, or resumes its panic.
fn wait<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Arguments that print the places of a repository, one a line.
const PLACES: [&str; 5] = [
    "rev-parse",
    "--path-format=absolute",
    "--git-common-dir",
    "--git-dir",
    "--show-toplevel",
];

/// Reads the formats of a repository. git is asked where libgit2 cannot open it.
fn formats(repo: &Repo) -> Result<Formats, DiscoverError> {
    let wanted = wanted_way()?;
    if wanted != Some(Way::Program) {
        match (read_settings(repo, Way::Libgit2), wanted) {
            (Ok((settings, store)), _) => {
                let mut formats = Formats::of(&settings, wanted)?;
                // libgit2 looks for the parents of the first commits, which are not there.
                if wanted.is_none() && repo.common.join(SHALLOW).exists() {
                    formats.way = Way::Program;
                }
                if formats.way == Way::Libgit2 {
                    repo.stores.put_back(store.backend, 1);
                }
                return Ok(formats);
            }
            (Err(error), Some(_)) => return Err(DiscoverError::Libgit2(error)),
            (Err(_), None) => {}
        }
    }
    let (settings, _) = read_settings(repo, Way::Program).map_err(|error| match error {
        StoreError::Program(error) => DiscoverError::Git(error),
        error => DiscoverError::Refused(repo.common.clone(), error.to_string()),
    })?;
    Formats::of(&settings, Some(Way::Program))
}

/// Lists the settings of the repository format, and returns the store that read them.
fn read_settings(repo: &Repo, way: Way) -> Result<(Vec<(String, String)>, Store), StoreError> {
    let formats = Formats {
        way,
        ..Formats::default()
    };
    let store = Store::open_as(repo, formats)?;
    let settings = store.settings(FORMAT_KEYS)?;
    note_hooks(&settings);
    Ok((settings, store))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_vendor_are_read() {
        assert_eq!(parse_version("2.39.5"), Some((2, 39)));
        assert_eq!(parse_version("2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(parse_version("2.47.1.windows.1"), Some((2, 47)));
        assert_eq!(parse_version("banana"), None);
    }
}
