//! Differences of two trees: paths without rename detection, line counts, and patches.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::merge::change::{Change, ChangeStat, FileStat, RepoPath};
use crate::merge::oid::Oid;

/// The options of `git diff` for a patch, whatever the user's settings say.
pub const PATCH_OPTIONS: [&str; 7] = [
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--find-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

impl Repo {
    /// Renders the difference of two commits as a patch, at some paths or at all if none is given. No
    /// program of the repository's attributes takes part.
    ///
    /// # Errors
    /// When git fails.
    pub fn patch(&self, old: Oid, new: Oid, paths: &[RepoPath]) -> Result<String, GitError> {
        let mut args: Vec<OsString> = PATCH_OPTIONS.map(OsString::from).to_vec();
        args.extend([old, new].map(|commit| OsString::from(commit.to_string())));
        args.push(OsString::from("--"));
        args.extend(paths.iter().map(|path| {
            let mut exact = OsString::from(":(top,literal)");
            exact.push(OsStr::from_bytes(path.as_bytes()));
            exact
        }));
        let text = self.git().run(&args)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Store {
    /// Lists every path, directories aside, whose mode or object differs; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn changes(&self, old: Oid, new: Oid) -> Result<Vec<Change>, StoreError> {
        self.searching(|backend| backend.changes(old, new))
    }

    /// Lists the directories that `changes` removed: each held a removed path, and `tree` has
    /// nothing, or a file, at its name. Sorted.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn removed_directories(
        &self,
        tree: Oid,
        changes: &[Change],
    ) -> Result<Vec<RepoPath>, StoreError> {
        let gone = changes
            .iter()
            .filter(|change| change.old.is_some() && change.new.is_none());
        let folders: BTreeSet<&[u8]> = gone.flat_map(|change| change.path.ancestors()).collect();
        let mut removed: Vec<RepoPath> = Vec::new();
        for folder in folders {
            if !matches!(self.find(tree, folder)?, Some((_, None))) {
                removed.push(RepoPath::new(folder));
            }
        }
        Ok(removed)
    }

    /// Counts the changed files and lines.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn stat(&self, old: Oid, new: Oid) -> Result<ChangeStat, StoreError> {
        let stats = self.searching(|backend| backend.file_stats(old, new))?;
        let mut total = ChangeStat {
            files: stats.len() as u64,
            ..ChangeStat::default()
        };
        for (added, removed) in stats.iter().filter_map(|stat| stat.lines) {
            total.added += added;
            total.removed += removed;
        }
        Ok(total)
    }

    /// Counts the changed lines of each path; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        let mut stats = self.searching(|backend| backend.file_stats(old, new))?;
        stats.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(stats)
    }
}
