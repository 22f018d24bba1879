//! Finds the repository around a folder, and rejects those that dispatch cannot work with.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use crate::base::text::one_line;
use crate::git::bare_setting::BareSetting;
use crate::git::command::{Git, GitError};
use crate::git::repo::Repo;

/// The oldest supported git: the first with `merge-tree --stdin`.
pub const OLDEST_GIT: (u32, u32) = (2, 39);

/// A folder without a usable repository.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// No `git` on PATH.
    #[error("the program `git` was not found on PATH")]
    NoGit,
    /// The git on PATH is too old.
    #[error("git {0} is too old; dispatch needs 2.39 or newer")]
    OldGit(String),
    /// The folder is not inside a repository.
    #[error("{} is not inside a git repository", .0.display())]
    NoRepository(PathBuf),
    /// git rejects the repository (`safe.directory`, unknown extension).
    #[error("git cannot open the repository at {}: {}", .0.display(), .1)]
    Refused(PathBuf, String),
    /// A repository without a checkout.
    #[error("{} is a bare repository, which has no checkout to work beside", .0.display())]
    Bare(PathBuf),
    /// A repository with a checkout that a setting calls bare.
    #[error("core.bare is true in {}, although the repository has a checkout", .0.file().display())]
    BareSetting(BareSetting),
    /// References in a form libgit2 cannot read.
    #[error("{} stores its references as reftable, which libgit2 cannot read", .0.display())]
    Reftable(PathBuf),
    /// Object ids in a form libgit2 cannot read.
    #[error("{} uses SHA-256 object ids, which libgit2 cannot read", .0.display())]
    Sha256(PathBuf),
    /// A partial clone, whose missing objects libgit2 cannot fetch.
    #[error("{} is a partial clone; libgit2 cannot fetch the objects it lacks", .0.display())]
    Partial(PathBuf),
    /// A path with a line break, which `objects/info/alternates` cannot hold.
    #[error("{0:?} has a line break in its path, which git's own files cannot hold")]
    LineBreak(PathBuf),
    /// The `git` program could not be run.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl DiscoverError {
    /// Suggests a remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            DiscoverError::NoGit => "install git 2.39 or newer and put it on PATH",
            DiscoverError::OldGit(_) => "install a newer git, or put one first on PATH",
            DiscoverError::NoRepository(_) => {
                "go to a repository, or make one with `git init` and a first commit"
            }
            DiscoverError::Refused(..) | DiscoverError::Git(_) => "`git status` there says more",
            DiscoverError::Bare(_) => {
                "run dispatch from a worktree of it: `git worktree add ../work`, then `cd ../work`"
            }
            DiscoverError::BareSetting(_) => {
                "`dispatch doctor --fix` sets it to false, as does `git config --file` that file \
                 `core.bare false`"
            }
            DiscoverError::Reftable(_) => {
                "convert it with `git refs migrate --ref-format=files` (git 2.46 or newer)"
            }
            DiscoverError::LineBreak(_) => "give the folder another name",
            DiscoverError::Sha256(_) => "use a clone with SHA-1 object ids",
            DiscoverError::Partial(_) => {
                "fetch everything first: `git fetch --refetch --no-filter`, then \
                 `git config --unset remote.origin.promisor` and \
                 `git config --unset remote.origin.partialclonefilter`"
            }
        }
    }
}

/// A limitation of a usable repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limitation {
    /// History ends early.
    Shallow,
    /// Submodules are not checked out in worktrees.
    Submodules,
}

impl Repo {
    /// Finds the repository around a folder.
    ///
    /// # Errors
    /// When there is none, or dispatch cannot work with it. Nothing is created.
    pub fn discover(folder: &Path) -> Result<Repo, DiscoverError> {
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
                return Err(no_repository(folder, &said));
            }
            _ => return Err(DiscoverError::LineBreak(folder.to_owned())),
        };
        let top = top.ok_or_else(|| bare(common));
        let repo = top.map(|top| Repo::new(top.clone(), common.clone(), git_dir.clone(), version));
        let formats = match repo.as_ref().ok().and_then(formats_in_process) {
            Some(formats) => formats,
            None => String::from_utf8_lossy(&git.finish(FORMATS)?.stdout).into_owned(),
        };
        refuse_formats(&formats, common)?;
        repo
    }

    /// Lists the limitations to report before a run.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn limitations(&self) -> Result<Vec<Limitation>, GitError> {
        let mut limitations = Vec::new();
        if self.common.join("shallow").exists() {
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

fn no_repository(folder: &Path, said: &str) -> DiscoverError {
    if said.contains("not a git repository") {
        return DiscoverError::NoRepository(folder.to_owned());
    }
    if said.contains("refstorage") {
        return DiscoverError::Reftable(folder.to_owned());
    }
    DiscoverError::Refused(folder.to_owned(), one_line(said))
}

fn git_version(folder: &Path) -> Result<(u32, u32), DiscoverError> {
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
        Some(version) if version >= OLDEST_GIT => Ok(version),
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

/// Lists the settings of the repository format as [`FORMATS`] does; `None` where libgit2 cannot open
/// the repository.
fn formats_in_process(repo: &Repo) -> Option<String> {
    let listed = repo.with_store(|store| store.settings(FORMAT_KEYS));
    let lines = listed.ok()?.into_iter();
    Some(
        lines
            .map(|(key, value)| format!("{key} {value}\n"))
            .collect(),
    )
}

/// The settings of the repository format.
const FORMAT_KEYS: &str = r"^(extensions\.|remote\..*\.promisor)";

/// Arguments that list the settings of the repository format.
const FORMATS: [&str; 3] = ["config", "--get-regexp", FORMAT_KEYS];

fn refuse_formats(settings: &str, common: &Path) -> Result<(), DiscoverError> {
    for line in settings.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, "true"));
        let key = key.to_lowercase();
        match key.as_str() {
            "extensions.refstorage" if value != "files" => {
                return Err(DiscoverError::Reftable(common.to_owned()));
            }
            "extensions.objectformat" if value != "sha1" => {
                return Err(DiscoverError::Sha256(common.to_owned()));
            }
            "extensions.partialclone" => return Err(DiscoverError::Partial(common.to_owned())),
            _ if key.ends_with(".promisor") && value == "true" => {
                return Err(DiscoverError::Partial(common.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
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
