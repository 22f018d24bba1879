//! Finds the files and repositories of an attempt in what git ignores.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::text::{first_names, shell_path};
use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::Search;
use crate::engine::worktree::ignored_repositories::{Found, ignored_paths, repositories_below};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::submodules::keep_nested;
use crate::engine::worktree::unsaved_repositories::has_own_commits;
use crate::git::commit::{By, NewCommit};
use crate::merge::oid::Oid;

/// The number of ignored files that a remark names.
const NAMED: usize = 5;

/// The most bytes of ignored files that are kept as a commit.
const KEPT_BYTES: u64 = 1024 * 1024;

/// The most files in a folder that are looked at.
const EXAMINED: usize = 2000;

impl Search<'_> {
    /// Finds ignored files that the worker wrote, and ignored repositories.
    pub(super) fn ignored_files(&mut self) -> Result<(), EngineError> {
        let worktree = &self.case.worktree;
        let since = self.since();
        let links = links_in(&self.case.execution.context, &worktree.path);
        let mut ignored = ignored_paths(&self.git()?)?;
        ignored.retain(|path| !links.iter().any(|link| Path::new(link) == path));
        let found = repositories_below(&worktree.path, &ignored);
        if let Some((folder, why)) = &found.unread {
            self.remarks.push(format!(
                "its ignored folder {} could not be searched for repositories: {why}",
                folder.display()
            ));
        }
        ignored.retain(|path| size_since(&worktree.path.join(path), since).is_some());
        self.nested(&found, &ignored)?;
        let nested = found.repositories.into_iter().map(|found| found.path);
        let nested: Vec<PathBuf> = nested.collect();
        ignored.retain(|path| !nested.contains(&path.components().collect()));
        self.files(&ignored, &nested, since)
    }

    /// Keeps the commits of nested repositories, and names the repositories that are new.
    fn nested(&mut self, found: &Found, new: &[PathBuf]) -> Result<(), EngineError> {
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let is_new = |path: &Path| new.iter().any(|new| path.starts_with(new));
        let mut nested = Vec::new();
        for one in &found.repositories {
            let repository = one.as_submodule(&context.repo);
            let is_shown = one.is_inside && one.folder.is_some() && is_new(&one.path);
            if is_shown || has_own_commits(&repository, one)? {
                nested.push(repository);
            }
        }
        self.remarks
            .extend(keep_nested(context, (spec.task, spec.attempt), &nested)?);
        Ok(())
    }

    /// Names ignored files, and keeps them in a commit if they are small.
    fn files(
        &mut self,
        paths: &[PathBuf],
        nested: &[PathBuf],
        since: Option<SystemTime>,
    ) -> Result<(), EngineError> {
        if paths.is_empty() {
            return Ok(());
        }
        let top = &self.case.worktree.path;
        let sizes = paths
            .iter()
            .filter_map(|path| size_since(&top.join(path), since));
        let names = first_names(paths.iter().map(PathBuf::as_path), NAMED);
        if sizes.fold(0, u64::saturating_add) > KEPT_BYTES {
            self.remarks.push(format!(
                "{} files that git ignores: {names}; they are in the worktree only: \
                 `git -C {} status --ignored`",
                self.words,
                shell_path(top)
            ));
            return Ok(());
        }
        let Some(commit) = self.commit_of(paths, nested)? else {
            return Ok(());
        };
        let show = format!("git show --stat {}", commit.short());
        self.keep(commit, &format!("files that git ignores ({names})"), &show)
    }

    /// Commits ignored files with an index of their own. `None` if all files are in nested
    /// repositories, of which git would add an id only.
    fn commit_of(&self, paths: &[PathBuf], nested: &[PathBuf]) -> Result<Option<Oid>, EngineError> {
        let (case, worktree) = (self.case, &self.case.worktree);
        let index = worktree.admin.join("dispatch-ignored-index");
        let git = self.git()?.env("GIT_INDEX_FILE", index.as_os_str());
        git.run(&["read-tree", &case.base.to_string()])?;
        let mut add: Vec<OsString> = ["add", "--force", "--"].map(OsString::from).to_vec();
        let spec = |magic: &str, path: &PathBuf| {
            let mut spec = OsString::from(magic);
            spec.push(OsStr::from_bytes(path.as_os_str().as_bytes()));
            spec
        };
        add.extend(paths.iter().map(|path| spec(":(top,literal)", path)));
        add.extend(
            nested
                .iter()
                .map(|path| spec(":(top,literal,exclude)", path)),
        );
        git.run(&add)?;
        let tree = git.line(&["write-tree"])?;
        // A file that stays is removed with the worktree's admin folder.
        let _ = fs::remove_file(&index);
        let (context, spec) = (&case.execution.context, &case.execution.spec);
        let trailers = context.trailers(spec.task, spec.attempt);
        let tree: Oid = tree.parse().map_err(|_| EngineError::Broken(tree))?;
        if tree == self.store.tree_of(case.base)? {
            return Ok(None);
        }
        Ok(Some(self.store.write_commit(&NewCommit {
            tree,
            parents: &[case.base],
            message: &format!("Ignored files of attempt {}\n\n{trailers}", spec.attempt),
            time: context.clock.now(),
            by: By::Dispatch,
        })?))
    }
}

/// Returns the size of a file, or of the files in a folder, if one of them was written since.
fn size_since(path: &Path, since: Option<SystemTime>) -> Option<u64> {
    let (mut size, mut is_new, mut left) = (0, false, EXAMINED);
    let mut places = vec![path.to_owned()];
    while let Some(place) = places.pop() {
        let Ok(meta) = place.symlink_metadata() else {
            continue;
        };
        let modified = meta.modified().ok();
        is_new |= since.is_none() || modified.is_none() || modified >= since;
        if meta.is_dir() {
            let entries = fs::read_dir(&place).into_iter().flatten().flatten();
            places.extend(entries.map(|entry| entry.path()));
        } else {
            size = meta.len().saturating_add(size);
        }
        left -= 1;
        if left == 0 {
            return is_new.then_some(u64::MAX);
        }
    }
    is_new.then_some(size)
}
