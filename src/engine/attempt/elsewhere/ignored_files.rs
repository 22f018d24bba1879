//! Finds the files and repositories of an attempt in what git ignores.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::text::{first_names, shell_path};
use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::Search;
use crate::engine::worktree::ignored_commit::{FilesToKeep, KEPT_BYTES, commit};
use crate::engine::worktree::ignored_files::{NAMED, files_of};
use crate::engine::worktree::ignored_paths::{IgnoredPath, ignored_inside, ignored_paths};
use crate::engine::worktree::ignored_repositories::{Found, repositories_below};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::since_set_up::{changes_since, has_references_since};
use crate::engine::worktree::starting_tree::StartingTree;
use crate::engine::worktree::submodules::keep_nested;
use crate::engine::worktree::unsaved_repositories::has_own_commits;
use crate::git::submodules::Submodule;

/// The most files in a folder that are looked at.
const EXAMINED: usize = 2000;

impl Search<'_> {
    /// Finds ignored files that the worker wrote, and ignored repositories.
    pub(super) fn ignored_files(&mut self) -> Result<(), EngineError> {
        let (repo, worktree) = (&self.case.execution.context.repo, &self.case.worktree);
        let (top, since) = (&worktree.path, self.since());
        let links = links_in(&self.case.execution.context, top);
        let mut ignored = ignored_paths(&self.git()?)?;
        ignored.retain(|path| !links.iter().any(|link| Path::new(link) == path));
        let submodules = repo.submodules_in(worktree)?;
        let checked_out = submodules.iter().filter(|one| one.folder.is_some());
        let checked_out = checked_out.map(|submodule| submodule.path.clone());
        let folders: Vec<PathBuf> = ignored.iter().cloned().chain(checked_out).collect();
        let found = repositories_below(top, &folders);
        if let Some((folder, why)) = &found.unread {
            self.remarks.push(format!(
                "its ignored folder {} could not be searched for repositories: {why}",
                folder.display()
            ));
        }
        let is_new = |path: &Path| size_since(&top.join(path), since).is_some();
        ignored.retain(|path| is_new(path));
        let nested: Vec<PathBuf> = found
            .repositories
            .iter()
            .map(|one| one.path.clone())
            .collect();
        let is_nested = |path: &Path| nested.contains(&path.components().collect());
        let inside = ignored_inside(repo, &found.repositories)?.into_iter();
        let inside = inside.filter(|one| !one.is_of_tool() && !is_nested(&one.path));
        let inside: Vec<IgnoredPath> = inside.filter(|one| is_new(&one.path)).collect();
        let new = inside.iter().map(|one| &one.path).chain(&ignored);
        let new: Vec<PathBuf> = new.cloned().collect();
        self.nested(&found, &submodules, &new)?;
        ignored.retain(|path| !is_nested(path));
        let inside = files_of(top, &inside, &nested);
        let files = FilesToKeep {
            paths: &ignored,
            nested: &nested,
            inside: &inside,
        };
        self.files(files, since)
    }

    /// Keeps the commits of nested repositories, and names the repositories that are new.
    fn nested(
        &mut self,
        found: &Found,
        submodules: &[Submodule],
        new: &[PathBuf],
    ) -> Result<(), EngineError> {
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let start = StartingTree::read(&self.case.worktree);
        let is_new = |path: &Path| new.iter().any(|new| path.starts_with(new));
        let mut nested = Vec::new();
        for one in found.others_than(submodules) {
            let repository = one.as_submodule(&context.repo);
            let is_shown = one.is_inside && one.folder.is_some() && is_new(&one.path);
            // git's maintenance in the background touches what set-up made.
            let is_work = has_references_since(&repository, start.as_ref())
                || !changes_since(&repository, start.as_ref())?.is_empty();
            if is_shown && is_work || has_own_commits(&repository, one, start.as_ref())? {
                nested.push(repository);
            }
        }
        let (of, worktree) = ((spec.task, spec.attempt), &self.case.worktree);
        self.remarks
            .extend(keep_nested(context, of, worktree, &nested)?);
        Ok(())
    }

    /// Names ignored files, and keeps them in a commit if they are small.
    fn files(
        &mut self,
        files: FilesToKeep<'_>,
        since: Option<SystemTime>,
    ) -> Result<(), EngineError> {
        let paths = || files.paths.iter().chain(files.inside);
        if paths().next().is_none() {
            return Ok(());
        }
        let top = &self.case.worktree.path;
        let sizes = paths().filter_map(|path| size_since(&top.join(path), since));
        let names = first_names(paths().map(PathBuf::as_path), NAMED);
        if sizes.fold(0, u64::saturating_add) > KEPT_BYTES {
            self.remarks.push(format!(
                "{} files that git ignores: {names}; they are in the worktree only: \
                 `git -C {} status --ignored`",
                self.words,
                shell_path(top)
            ));
            return Ok(());
        }
        let (case, spec) = (self.case, &self.case.execution.spec);
        let context = &case.execution.context;
        let trailers = context.trailers(spec.task, spec.attempt);
        let message = format!("Ignored files of attempt {}\n\n{trailers}", spec.attempt);
        let (base, worktree) = (case.base, &case.worktree);
        let made = commit(context, self.store, worktree, base, files, &message);
        let Some(commit) = made? else {
            return Ok(());
        };
        let show = format!("git show --stat {}", commit.short());
        self.keep(commit, &format!("files that git ignores ({names})"), &show)
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
