//! Finds the work of an attempt in repositories and worktrees inside of its own worktree.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::references::described;
use crate::engine::attempt::elsewhere::{Search, leaves};
use crate::engine::attempt::stash_uses::traced_folders;
use crate::engine::attempt::traced_commands::has_traced;
use crate::engine::worktree::ignored_repositories::repositories_below;
use crate::engine::worktree::since_set_up::changes_since;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::reference_log::log_of;
use crate::git::worktree::Worktree;

/// Describes a reference of a worktree that the worker added.
fn of_worktree(reference: &str, worktree: &str) -> String {
    format!("{reference} of the worktree {worktree} that it added")
}

/// Returns `true` if a path leads to this place from some folder.
fn leads_to(path: &str, place: &Path) -> bool {
    let path = Path::new(path);
    let is_step = |part: &Component<'_>| matches!(part, Component::CurDir | Component::ParentDir);
    let named: PathBuf = path.components().skip_while(is_step).collect();
    match path.is_absolute() {
        true => path == place || path.canonicalize().is_ok_and(|real| real == place),
        false => !named.as_os_str().is_empty() && place.ends_with(named),
    }
}

impl Search<'_> {
    /// Keeps the commits that were checked out in worktrees which the worker added. Names those inside of its
    /// own that have changes, because they go with it, and those elsewhere, because they stay.
    pub(super) fn own_worktrees(&mut self) -> Result<(), EngineError> {
        // Every task has a worktree, so all of them are read for few attempts only.
        let adds = |args: &[String]| args.iter().any(|arg| arg == "worktree");
        if !has_traced(&self.case.execution.folder(), "worktree", adds) {
            return Ok(());
        }
        let abandoned = self.left.as_ref().map(|left| left.abandoned.clone());
        for commit in abandoned.into_iter().flatten() {
            if self.store.has(commit) && !self.is_in_result(commit)? {
                self.keep_checkout(commit)?;
            }
        }
        let of_added = self.left.iter().flat_map(|left| &left.of_added);
        let of_added = of_added
            .map(|(worktree, name, object)| (of_worktree(&described(name), worktree), *object));
        self.keep_unreachable(of_added.collect())?;
        let (top, real_top) = (&self.case.worktree.path, self.real_top());
        let is_inside = |path: &Path| path.starts_with(top) || path.starts_with(&real_top);
        let repo = &self.case.execution.context.repo;
        let mut own = match self.since() {
            Some(since) => repo.worktrees_changed_since(since),
            None => repo.worktrees(),
        };
        own.retain(|one| one.path != *top && one.path != real_top);
        own.retain(|one| is_inside(&one.path) || self.adds_elsewhere(one));
        for worktree in own.into_iter().filter(Worktree::exists) {
            let log = log_of(&repo.git_in(&worktree)?, "HEAD")?;
            let is_left = |number: usize| number == 0 || leaves(&log[number - 1].1);
            let left = log
                .iter()
                .enumerate()
                .filter(|(number, _)| is_left(*number));
            for (_, (commit, _)) in left {
                if !self.is_in_result(*commit)? {
                    self.keep_checkout(*commit)?;
                }
            }
            if !is_inside(&worktree.path) {
                let place = shell_path(&worktree.path);
                self.remarks.push(format!(
                    "{} the worktree {place}, which it added: `git worktree remove {place}` removes it",
                    self.words
                ));
                continue;
            }
            let path = worktree.path.strip_prefix(&real_top);
            let shown = path.unwrap_or(&worktree.path).display().to_string();
            let own = worktree.own_references()?.into_iter();
            let own = own.map(|(name, object)| (of_worktree(&described(&name), &shown), object));
            self.keep_unreachable(own.collect())?;
            // Its settings could name programs that status would start.
            if worktree.verify().is_err() {
                continue;
            }
            if self.store.has_changes(&worktree, &[])? {
                self.remarks.push(format!(
                    "{} changes in no commit in the worktree {shown} that it added; they are there only: \
                     `git -C {} status`",
                    self.words,
                    shell_path(&worktree.path)
                ));
            }
        }
        Ok(())
    }

    /// Returns `true` for a worktree outside of the attempt's own that one of its commands added.
    fn adds_elsewhere(&self, worktree: &Worktree) -> bool {
        // One that is inside of the worktree of another task belongs to that task.
        let all = self.case.execution.context.repo.worktrees();
        let mut others = all.iter().filter(|one| one.path != worktree.path);
        if others.any(|one| worktree.path.starts_with(&one.path)) {
            return false;
        }
        let of_dispatch = |reason: String| reason.starts_with("dispatch");
        !worktree.lock_reason().is_some_and(of_dispatch)
            && has_traced(&self.case.execution.folder(), "worktree", |args| {
                let is_add = ["worktree", "add"]
                    .iter()
                    .all(|word| args.iter().any(|arg| arg == word));
                is_add && args.iter().any(|arg| leads_to(arg, &worktree.path))
            })
    }

    /// Names the ignored repositories with changes in no commit in which git worked for the attempt. The
    /// worktree stays for them.
    pub(super) fn nested_changes(&mut self) -> Result<(), EngineError> {
        let (context, worktree) = (&self.case.execution.context, &self.case.worktree);
        let start = StartingTree::read(worktree);
        let mut remarks = Vec::new();
        let top = self.real_top();
        for folder in traced_folders(&self.case.execution.folder(), &top) {
            let path = folder.strip_prefix(&top).unwrap_or(&folder);
            let ask = [
                OsStr::new("check-ignore"),
                OsStr::new("-q"),
                OsStr::new("--"),
            ];
            let ask = ask.into_iter().chain([path.as_os_str()]);
            let is_ignored = self.git()?.finish(ask)?.status.success();
            let found = match is_ignored {
                true => repositories_below(&worktree.path, &[path.to_owned()]),
                false => continue,
            };
            let found = found.repositories.into_iter();
            for one in found.filter(|one| one.is_inside && one.path == path) {
                let repository = one.as_submodule(&context.repo);
                if !changes_since(&repository, start.as_ref())?.is_empty() {
                    remarks.push(format!(
                        "{} changes in no commit in the nested repository {}; they are there only: \
                         `git -C {} status`",
                        self.words,
                        repository.shown(),
                        shell_path(&folder)
                    ));
                }
            }
        }
        self.remarks.extend(remarks);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_leads_to_a_place_by_its_last_parts() {
        let place = Path::new("/runs/run/beside");
        for (path, leads) in [
            ("../beside", true),
            ("./beside", true),
            ("run/beside", true),
            ("/runs/run/beside", true),
            ("/tmp/beside", false),
            ("ign/beside", false),
            ("..", false),
            ("side", false),
        ] {
            assert_eq!(leads_to(path, place), leads, "{path}");
        }
    }
}
