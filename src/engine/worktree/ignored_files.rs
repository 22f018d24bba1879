//! Keeps files of a worktree that git ignores and that no build makes again, before they go with it.
//!
//! A worktree does not stay for them: most of them are output of builds and tests. What common tools
//! build, and what copies and set-up brought, is left out. The others are named, and small ones are kept
//! in a commit.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::text::first_names;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::ignored_repositories::{ignored_paths, repositories_below};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{GitError, Store};
use crate::merge::oid::Oid;
use crate::model::shortage::bytes;

/// The number of ignored files that a message names.
pub const NAMED: usize = 5;

/// The most bytes of ignored files that are kept as a commit.
pub const KEPT_BYTES: u64 = 1024 * 1024;

/// The most files in a folder that are looked at.
const EXAMINED: usize = 2000;

/// Folders that tools for builds, tests and packages fill, wherever they are.
const BUILT_FOLDERS: [&str; 40] = [
    ".build",
    ".cache",
    ".dart_tool",
    ".eggs",
    ".gradle",
    ".hypothesis",
    ".mypy_cache",
    ".next",
    ".nox",
    ".nuxt",
    ".nyc_output",
    ".output",
    ".parcel-cache",
    ".pnpm-store",
    ".pytest_cache",
    ".ruff_cache",
    ".svelte-kit",
    ".terraform",
    ".tox",
    ".turbo",
    ".venv",
    ".vite",
    ".yarn",
    "Pods",
    "__pycache__",
    "_build",
    "bin",
    "bower_components",
    "build",
    "coverage",
    "deps",
    "dist",
    "elm-stuff",
    "node_modules",
    "obj",
    "out",
    "target",
    "tmp",
    "vendor",
    "venv",
];

/// Endings of files that compilers and tools make.
const BUILT_FILES: [&str; 18] = [
    ".a",
    ".beam",
    ".class",
    ".coverage",
    ".d",
    ".dll",
    ".DS_Store",
    ".dylib",
    ".egg-info",
    ".exe",
    ".gcda",
    ".gcno",
    ".o",
    ".pyc",
    ".pyo",
    ".so",
    ".swp",
    ".tsbuildinfo",
];

/// Ignored files of a worktree that go with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnoredFiles {
    /// Their paths below the top; a whole folder ends in a slash.
    paths: Vec<PathBuf>,
    /// Nested repositories in them, of which git would keep an id only.
    nested: Vec<PathBuf>,
    size: u64,
    /// The reference that keeps them, if they are small.
    reference: Option<String>,
}

impl IgnoredFiles {
    /// Lists the ignored files of a worktree; `None` if there are none but those that are built or brought.
    ///
    /// # Errors
    /// When git cannot read the worktree.
    pub fn of(context: &Context, worktree: &Worktree) -> Result<Option<IgnoredFiles>, GitError> {
        let top = &worktree.path;
        let mut paths = ignored_paths(&context.repo.git_in(worktree)?)?;
        let links = links_in(context, top);
        paths.retain(|path| !is_built(path) && !links.iter().any(|link| Path::new(link) == path));
        if let Some(start) = StartingTree::read(worktree).filter(|_| !paths.is_empty()) {
            paths.retain(|path| start.is_written_since(&top.join(path)));
        }
        let nested = repositories_below(top, &paths).repositories.into_iter();
        let nested: Vec<PathBuf> = nested.map(|found| found.path).collect();
        paths.retain(|path| !nested.contains(&path.components().collect()));
        let sizes = paths.iter().map(|path| size_of(&top.join(path)));
        let size = sizes.fold(0, u64::saturating_add);
        let name = worktree.path.file_name().unwrap_or_default();
        let name = name
            .to_string_lossy()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let reference = format!("refs/dispatch/attempts/{}/{name}.ignored", context.run);
        Ok((!paths.is_empty()).then(|| IgnoredFiles {
            paths,
            nested,
            size,
            reference: (size <= KEPT_BYTES).then_some(reference),
        }))
    }

    /// Names them and their fate, as in `out.log, which git ignores; kept below …`.
    pub fn words(&self) -> String {
        let names = first_names(self.paths.iter().map(PathBuf::as_path), NAMED);
        match &self.reference {
            Some(reference) => format!("{names}, which git ignores; kept below {reference}"),
            None if self.size == u64::MAX => format!("{names}, which git ignores; they go with it"),
            None => {
                let size = bytes(self.size);
                format!("{names}, which git ignores; {size}, which go with it")
            }
        }
    }

    /// Keeps small ones in a commit on top of HEAD.
    ///
    /// # Errors
    /// When git or the store fails.
    pub fn keep(
        &self,
        context: &Context,
        store: &Store,
        worktree: &Worktree,
    ) -> Result<(), EngineError> {
        let (Some(reference), Some(head)) = (&self.reference, head_of(store, worktree)?) else {
            return Ok(());
        };
        let message = format!("Ignored files of {}", worktree.path.display());
        let (paths, nested) = (&self.paths, &self.nested);
        if let Some(commit) = commit(context, store, worktree, head, (paths, nested), &message)? {
            keep(store, reference, commit)?;
        }
        Ok(())
    }
}

fn head_of(store: &Store, worktree: &Worktree) -> Result<Option<Oid>, EngineError> {
    Ok(match worktree.head() {
        Some(Head::Branch(branch)) => store.reference(&branch_ref(&branch))?,
        Some(Head::Detached(commit)) => Some(commit).filter(|commit| !commit.is_zero()),
        None => None,
    })
}

/// Commits ignored files on top of `base`, with an index of their own. `None` if all files are in nested
/// repositories.
///
/// # Errors
/// When git or the store fails.
pub fn commit(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
    base: Oid,
    (paths, nested): (&[PathBuf], &[PathBuf]),
    message: &str,
) -> Result<Option<Oid>, EngineError> {
    let index = worktree.admin.join("dispatch-ignored-index");
    let git = context.repo.git_in(worktree)?;
    let git = git.env("GIT_INDEX_FILE", index.as_os_str());
    git.run(&["read-tree", &base.to_string()])?;
    let mut add: Vec<OsString> = ["add", "--force", "--"].map(OsString::from).to_vec();
    let spec = |magic: &str, path: &PathBuf| {
        let mut spec = OsString::from(magic);
        spec.push(OsStr::from_bytes(path.as_os_str().as_bytes()));
        spec
    };
    add.extend(paths.iter().map(|path| spec(":(top,literal)", path)));
    let nested = nested.iter();
    add.extend(nested.map(|path| spec(":(top,literal,exclude)", path)));
    git.run(&add)?;
    let tree = git.line(&["write-tree"])?;
    // A file that stays is removed with the worktree's admin folder.
    let _ = fs::remove_file(&index);
    let tree: Oid = tree.parse().map_err(|_| EngineError::Broken(tree))?;
    if tree == store.tree_of(base)? {
        return Ok(None);
    }
    Ok(Some(store.write_commit(&NewCommit {
        tree,
        parents: &[base],
        message,
        time: context.clock.now(),
        by: By::Dispatch,
    })?))
}

/// Returns `true` for a path that tools make: in a folder of output, or with such an ending.
fn is_built(path: &Path) -> bool {
    let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
    let mut names: Vec<&OsStr> = path.iter().collect();
    let file = match is_folder {
        true => None,
        false => names.pop(),
    };
    let is_output = |name: &&OsStr| {
        let text = name.to_string_lossy();
        BUILT_FOLDERS.contains(&&*text) || text.ends_with(".egg-info")
    };
    let ends = |file: &OsStr| {
        let text = file.to_string_lossy();
        BUILT_FILES.iter().any(|end| text.ends_with(end))
    };
    names.iter().any(is_output) || file.is_some_and(ends)
}

/// Returns the size of a file, or of the files in a folder; of a folder with many files the largest
/// number.
fn size_of(path: &Path) -> u64 {
    let (mut size, mut left) = (0u64, EXAMINED);
    let mut places = vec![path.to_owned()];
    while let Some(place) = places.pop() {
        let Ok(meta) = place.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            let entries = fs::read_dir(&place).into_iter().flatten().flatten();
            places.extend(entries.map(|entry| entry.path()));
        } else {
            size = size.saturating_add(meta.len());
        }
        left -= 1;
        if left == 0 {
            return u64::MAX;
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_tools_is_told_from_other_files() {
        let built = |path: &str| is_built(Path::new(path));
        for path in [
            "target/",
            "web/node_modules/",
            "dist/app.js",
            "src/__pycache__/",
            "lib/a.o",
            "x.egg-info/",
            ".DS_Store",
        ] {
            assert!(built(path), "{path}");
        }
        for path in [
            "out.log",
            ".env",
            "data/",
            "notes/target.txt",
            "secrets/key.pem",
        ] {
            assert!(!built(path), "{path}");
        }
    }
}
