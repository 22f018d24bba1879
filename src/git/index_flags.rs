//! Clears the flags with which an index hides changes of tracked files.
//!
//! `git update-index --assume-unchanged` and `--skip-worktree`, and the setting `core.ignoreStat`, keep
//! git from reading a file again: `git add --all` and `git status` then miss its changes. A file that is
//! absent with `--skip-worktree` is outside of a sparse checkout, and not a change.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry};

use crate::git::command::{Git, GitError};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::ObjectFormat;

/// The flag of `--assume-unchanged` (`index-format` in git's documentation).
const ASSUME_UNCHANGED: u16 = 0x8000;

/// The extended flag of `--skip-worktree`.
const SKIP_WORKTREE: u16 = 0x4000;

const KIND: u32 = 0o170_000;

/// Paths with a flag of their index.
#[derive(Default, Debug)]
struct Flagged {
    assumed: Vec<RepoPath>,
    skipped: Vec<RepoPath>,
}

/// Clears these flags in the index that the environment of `git` names, a copy, and returns the paths that
/// had one. It may be opened already. The files of the index are below `top`.
///
/// An index without flags costs no process where libgit2 reads its format.
///
/// # Errors
/// When git cannot read or write the index.
pub(super) fn clear_hiding_flags(
    git: &Git,
    opened: Option<&Index>,
    top: &Path,
) -> Result<Vec<RepoPath>, GitError> {
    let mut flagged = read(git, opened)?;
    keep_present(&mut flagged.skipped, top);
    for (option, paths) in [
        ("--no-assume-unchanged", &flagged.assumed),
        ("--no-skip-worktree", &flagged.skipped),
    ] {
        if !paths.is_empty() {
            let args = ["update-index", option, "-z", "--stdin"];
            let paths: Vec<&[u8]> = paths.iter().map(RepoPath::as_bytes).collect();
            let input = paths.join(&0);
            let finished = git.program().args(args).stdin(input).output()?;
            if !finished.status.success() {
                return Err(git.failed(&args, &finished));
            }
        }
    }
    let mut paths = flagged.assumed;
    paths.extend(flagged.skipped);
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Returns `true` if the index at `index`, which `git` reads, has such a flag.
///
/// # Errors
/// When git cannot read it.
pub(super) fn hides_changes(
    git: &Git,
    index: &Path,
    format: ObjectFormat,
) -> Result<bool, GitError> {
    if !index.exists() {
        return Ok(false);
    }
    let flagged = read(git, open(index, format).as_ref())?;
    Ok(!flagged.assumed.is_empty() || !flagged.skipped.is_empty())
}

fn read(git: &Git, opened: Option<&Index>) -> Result<Flagged, GitError> {
    match opened {
        Some(index) => Ok(of_entries(index)),
        None => listed_by_git(git),
    }
}

/// Opens an index in this process, if libgit2 reads its format. It might take the longer entries of
/// another object format for others.
pub(super) fn open(index: &Path, format: ObjectFormat) -> Option<Index> {
    match format {
        ObjectFormat::Sha1 => Index::open(index).ok(),
        ObjectFormat::Sha256 => None,
    }
}

fn of_entries(index: &Index) -> Flagged {
    let mut flagged = Flagged::default();
    for entry in index.iter() {
        if entry.flags & ASSUME_UNCHANGED != 0 {
            flagged.assumed.push(RepoPath::new(entry.path.as_slice()));
        }
        if entry.flags_extended & SKIP_WORKTREE != 0 && is_file(&entry) {
            flagged.skipped.push(RepoPath::new(entry.path));
        }
    }
    flagged
}

/// Returns `false` for a submodule. One outside of a sparse checkout may have an empty folder.
fn is_file(entry: &IndexEntry) -> bool {
    entry.mode & KIND != Entry::SUBMODULE
}

/// Lists the flagged paths of an index that libgit2 does not read. A damaged one has none: the command
/// that uses it names it.
fn listed_by_git(git: &Git) -> Result<Flagged, GitError> {
    let listed = git.run_unless_invalid(&["ls-files", "-v", "-z", "--sparse"])?;
    Ok(parse(&listed.unwrap_or_default()))
}

/// Parses lines such as `H a.txt`: the tag of a file to assume unchanged is in lower case, that of a
/// skipped one is an S. The folders of a sparse index end in a slash.
fn parse(listed: &[u8]) -> Flagged {
    let mut flagged = Flagged::default();
    for line in listed.split(|byte| *byte == 0) {
        let [tag, b' ', path @ ..] = line else {
            continue;
        };
        if tag.is_ascii_lowercase() {
            flagged.assumed.push(RepoPath::new(path));
        }
        if tag.eq_ignore_ascii_case(&b'S') && !path.ends_with(b"/") {
            flagged.skipped.push(RepoPath::new(path));
        }
    }
    flagged
}

/// Keeps the paths whose files are there. The files of a folder that is missing are not looked for one
/// by one.
fn keep_present(paths: &mut Vec<RepoPath>, top: &Path) {
    let mut missing: Option<PathBuf> = None;
    paths.retain(|path| {
        let path = top.join(OsStr::from_bytes(path.as_bytes()));
        if missing
            .as_ref()
            .is_some_and(|folder| path.starts_with(folder))
        {
            return false;
        }
        let is_there = path
            .symlink_metadata()
            .is_ok_and(|meta| !meta.is_dir() || path.join(".git").exists());
        if !is_there {
            let folder = path.parent().filter(|folder| !folder.exists());
            missing = folder.map(Path::to_owned);
        }
        is_there
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    /// A repository with the files a, b and d/c.
    struct Scene {
        top: tempfile::TempDir,
        git: Git,
    }

    impl Scene {
        fn new() -> Scene {
            let top = tempfile::tempdir().unwrap();
            let git = Git::at(top.path());
            git.run(&["init", "--quiet"]).unwrap();
            fs::create_dir(top.path().join("d")).unwrap();
            for name in ["a", "b", "d/c"] {
                fs::write(top.path().join(name), "one\n").unwrap();
            }
            git.run(&["add", "--all"]).unwrap();
            Scene { top, git }
        }

        fn mark(&self, flag: &str, names: &[&str]) {
            let args = [&["update-index", flag, "--"], names].concat();
            self.git.run(&args).unwrap();
        }

        /// Clears the flags, and returns the paths that had one and those that have one still.
        fn cleared(&self) -> (String, String) {
            let index = self.top.path().join(".git/index");
            let opened = open(&index, ObjectFormat::Sha1);
            let cleared = clear_hiding_flags(&self.git, opened.as_ref(), self.top.path()).unwrap();
            let left = parse(&self.git.run(&["ls-files", "-v", "-z"]).unwrap());
            let words = |paths: Vec<RepoPath>| {
                let words: Vec<String> = paths.iter().map(RepoPath::to_string).collect();
                words.join(" ")
            };
            (words(cleared), words([left.assumed, left.skipped].concat()))
        }
    }

    #[test]
    fn flags_of_files_that_are_there_are_cleared_in_every_index() {
        for format in [
            &["--index-version", "4"][..],
            &["--split-index"],
            &["--refresh"],
        ] {
            let scene = Scene::new();
            scene
                .git
                .run(&[&["update-index"], format].concat())
                .unwrap();
            assert_eq!(scene.cleared(), (String::new(), String::new()));
            scene.mark("--assume-unchanged", &["a", "d/c"]);
            scene.mark("--skip-worktree", &["b", "d/c"]);
            fs::remove_file(scene.top.path().join("a")).unwrap();
            assert_eq!(scene.cleared(), ("a b d/c".to_owned(), String::new()));
        }
    }

    #[test]
    fn a_skipped_file_that_is_absent_is_outside_of_a_sparse_checkout() {
        let scene = Scene::new();
        scene.mark("--skip-worktree", &["a", "b", "d/c"]);
        fs::remove_file(scene.top.path().join("a")).unwrap();
        fs::remove_dir_all(scene.top.path().join("d")).unwrap();
        assert_eq!(scene.cleared(), ("b".to_owned(), "a d/c".to_owned()));
    }
}
