//! Differences of two trees: paths without rename detection, line counts, and patches.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::tree::{TreeEntry, entries};
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
        // Paths beyond ASCII stay readable.
        let git = self.git().setting("core.quotePath=false");
        let text = git.run(&args)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Store {
    /// Lists every path, directories aside, whose mode or object differs; sorted by path.
    ///
    /// # Errors
    /// When a tree is missing.
    pub fn changes(&self, old: Oid, new: Oid) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        let mut open = vec![(Vec::new(), Some(old), Some(new))];
        while let Some((folder, old, new)) = open.pop() {
            if old == new {
                continue;
            }
            let read = |tree: Option<Oid>| tree.map(|tree| self.read_tree(tree)).transpose();
            let (old, new) = (
                read(old)?.unwrap_or_default(),
                read(new)?.unwrap_or_default(),
            );
            // A file sorts elsewhere than a folder of its name, so the two are not walked side by side.
            let mut names: BTreeMap<&[u8], [Option<TreeEntry<'_>>; 2]> = BTreeMap::new();
            for (side, tree) in [&old, &new].into_iter().enumerate() {
                for entry in entries(tree, self.format()) {
                    names.entry(entry.name).or_default()[side] = Some(entry);
                }
            }
            for (name, sides) in names {
                let path = [&folder, name].concat();
                let [old, new] = sides.map(|side| side.and_then(|entry| entry.entry()));
                let [before, after] = sides.map(|side| {
                    let folder = side.filter(|entry| entry.is_directory());
                    folder.map(|entry| entry.oid)
                });
                if before != after {
                    open.push(([&path, &b"/"[..]].concat(), before, after));
                }
                if old != new {
                    let path = RepoPath::new(path);
                    changes.push(Change { path, old, new });
                }
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::git::Git;
    use crate::git::raw_diff::{parse_differences, tree_changes};

    /// Stages everything and writes its tree.
    fn tree(git: &Git) -> Oid {
        git.run(&["add", "--all"]).unwrap();
        git.line(&["write-tree"]).unwrap().parse().unwrap()
    }

    /// Lists the changes as git does.
    fn by_git(git: &Git, old: Oid, new: Oid) -> Vec<Change> {
        let args = ["-r", "-z", "--raw", "--no-renames", "--no-abbrev"];
        let args = [&["diff-tree", "--stdin"], &args[..]].concat();
        let input = format!("{old} {new}\n");
        let output = git.program().args(args).stdin(input).output().unwrap();
        let mut found = parse_differences(&output.stdout).unwrap().into_iter();
        tree_changes(found.next().unwrap().1).changes
    }

    #[test]
    fn changes_are_those_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let git = Git::at(top);
        git.run(&["init", "--quiet"]).unwrap();
        let write = |name: &str, text: &str| {
            let path = top.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // Trees sort the folder `a` after the file `a.b`, and paths before it.
        for name in [
            "a/x", "a.b", "a0", "d/e/f", "d/e/g", "file", "mode", "same/x",
        ] {
            write(name, "one\n");
        }
        symlink("a0", top.join("link")).unwrap();
        fs::create_dir(top.join("module")).unwrap();
        let check_out = |commit: &str| {
            let submodule = format!("160000,{},module", commit.repeat(40));
            let args = ["update-index", "--add", "--cacheinfo", &submodule];
            git.run(&args).unwrap();
        };
        check_out("1");
        let old = tree(&git);
        fs::remove_dir_all(top.join("a")).unwrap();
        fs::remove_file(top.join("file")).unwrap();
        fs::remove_file(top.join("link")).unwrap();
        write("a", "a file\n");
        write("file/below", "a folder\n");
        write("d/e/g", "two\n");
        write("link", "a0");
        write("new/folder/x", "one\n");
        fs::set_permissions(top.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        check_out("2");
        let new = tree(&git);
        let store = Store::open(&Repo::discover(top).unwrap()).unwrap();
        let empty = store.empty_tree().unwrap();
        for (old, new) in [(old, new), (new, old), (empty, new), (new, empty)] {
            let changes = store.changes(old, new).unwrap();
            assert_eq!(changes, by_git(&git, old, new));
            assert!(changes.len() >= 7);
        }
        assert_eq!(store.changes(old, old).unwrap(), []);
    }
}
