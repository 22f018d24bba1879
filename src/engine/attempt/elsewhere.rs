//! Finds the work of an attempt that is not on its branch but somewhere else: on another branch, in the
//! stash, in a detached commit, and for one without a change in ignored files and nested repositories.
//!
//! Everything found is kept under references of the attempt, and named with the command that shows it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::job::base_file;
use crate::engine::worktree::ignored_repositories::{Found, ignored_paths, repositories_below};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::engine::worktree::submodules::{has_own_commits, ignored_repository, keep_nested};
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::git::{Git, GitError, Store};
use crate::merge::oid::Oid;

/// The number of ignored files that a remark names.
const NAMED: usize = 5;

/// The most bytes of ignored files that are kept as a commit.
const KEPT_BYTES: u64 = 1024 * 1024;

/// The beginning of a message in the log of HEAD where something else was checked out.
const MOVES: &str = "checkout: moving from ";

/// The most files in a folder that are looked at.
const EXAMINED: usize = 2000;

/// Keeps the work that is elsewhere, and returns a remark on each piece of it.
///
/// # Errors
/// When git or the store fails.
pub(super) fn keep_work_elsewhere(
    case: &Case,
    store: &Store,
    kept: Option<Oid>,
) -> Result<Vec<String>, EngineError> {
    let mut search = Search::new(case, store, kept, "no change on its branch, but it left");
    search.commits()?;
    search.ignored_files()?;
    Ok(search.remarks)
}

/// Keeps the commits that are elsewhere, and returns a remark on each. An attempt that may pass without
/// a change is searched for these only: the files that git ignores are what its commands built.
///
/// # Errors
/// When git or the store fails.
pub(super) fn keep_commits_elsewhere(
    case: &Case,
    store: &Store,
) -> Result<Vec<String>, EngineError> {
    let mut search = Search::new(case, store, None, "no change on its branch, but it left");
    search.commits()?;
    Ok(search.remarks)
}

/// Keeps the commits and stash entries that an attempt left besides `result`, its candidate or its kept
/// work, and returns a remark on each. Commits that it replaced (`git commit --amend`, `git rebase`) are
/// in the result in another form.
///
/// # Errors
/// When git or the store fails.
pub(super) fn keep_commits_beside(
    case: &Case,
    store: &Store,
    result: Oid,
) -> Result<Vec<String>, EngineError> {
    let mut search = Search::new(case, store, Some(result), "besides its change it left");
    search.left_checkouts(result)?;
    search.own_worktrees()?;
    if search.may_have_stash() {
        search.stash()?;
    }
    Ok(search.remarks)
}

struct Search<'a> {
    case: &'a Case,
    store: &'a Store,
    /// The candidate or the kept work of the attempt.
    result: Option<Oid>,
    /// The beginning of each remark.
    words: &'static str,
    /// Commits that are kept, or that the attempt did not make.
    kept: Vec<Oid>,
    remarks: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(case: &'a Case, store: &'a Store, kept: Option<Oid>, words: &'static str) -> Search<'a> {
        let of_set_up = StartingTree::read(&case.worktree).and_then(|start| start.head);
        Search {
            case,
            store,
            result: kept,
            words,
            kept: kept
                .into_iter()
                .chain([case.base])
                .chain(of_set_up)
                .collect(),
            remarks: Vec::new(),
        }
    }

    /// Searches the commits that were checked out in the worktree, branches and the stash.
    fn commits(&mut self) -> Result<(), EngineError> {
        for (commit, _) in self.log("HEAD")? {
            self.keep_checkout(commit)?;
        }
        self.own_worktrees()?;
        self.branches()?;
        self.stash()
    }

    /// Keeps the commits that were checked out in worktrees which the worker added inside of its own, and
    /// names those that have changes: they go with it.
    fn own_worktrees(&mut self) -> Result<(), EngineError> {
        let top = &self.case.worktree.path;
        let real_top = top.canonicalize().unwrap_or_else(|_| top.clone());
        let is_inside = |path: &Path| path.starts_with(top) || path.starts_with(&real_top);
        let repo = &self.case.execution.context.repo;
        let mut own = repo.worktrees();
        own.retain(|one| one.path != *top && one.path != real_top && is_inside(&one.path));
        for worktree in own.into_iter().filter(Worktree::exists) {
            let log = log_in(&repo.git_in(&worktree)?, "HEAD")?;
            let is_left = |number: usize| number == 0 || log[number - 1].1.starts_with(MOVES);
            let left = log
                .iter()
                .enumerate()
                .filter(|(number, _)| is_left(*number));
            for (_, (commit, _)) in left {
                if !self.is_in_result(*commit)? {
                    self.keep_checkout(*commit)?;
                }
            }
            // Its settings could name programs that status would start.
            if worktree.verify().is_err() {
                continue;
            }
            let status = repo.git_in(&worktree)?.line(&["status", "--porcelain"])?;
            if !status.is_empty() {
                let path = worktree.path.strip_prefix(&real_top);
                let path = path.unwrap_or(&worktree.path);
                self.remarks.push(format!(
                    "{} changes in no commit in the worktree {} that it added; they are there only: \
                     `git -C {} status`",
                    self.words,
                    path.display(),
                    shell_path(&worktree.path)
                ));
            }
        }
        Ok(())
    }

    /// Returns `true` if the result has the changes of a commit in another form.
    fn is_in_result(&self, commit: Oid) -> Result<bool, EngineError> {
        match self.result {
            Some(result) => self.is_in_other_form(commit, result),
            None => Ok(false),
        }
    }

    fn keep_checkout(&mut self, commit: Oid) -> Result<(), EngineError> {
        if self.is_kept(commit)? {
            return Ok(());
        }
        let points = format!("--points-at={commit}");
        let format = "--format=%(refname:lstrip=2)";
        let git = self.git()?;
        let branch = git.line(&["for-each-ref", &points, format, "refs/heads"])?;
        let place = match branch.lines().next() {
            Some(branch) => format!("on the branch {branch}"),
            None => "on no branch".to_owned(),
        };
        let show = format!("git show {}", commit.short());
        self.keep(commit, &format!("commit {} {place}", commit.short()), &show)
    }

    /// Finds commits that the worker left by checking out something else, and whose changes are not in
    /// the result.
    fn left_checkouts(&mut self, result: Oid) -> Result<(), EngineError> {
        if !self.may_have_left_checkouts() {
            return Ok(());
        }
        let log = self.log("HEAD")?;
        for pair in log.windows(2) {
            let (after, (commit, _)) = (&pair[0].1, &pair[1]);
            if after.starts_with(MOVES)
                && !self.is_kept(*commit)?
                && !self.is_in_other_form(*commit, result)?
            {
                self.keep_checkout(*commit)?;
            }
        }
        Ok(())
    }

    /// Returns `false` if the log of HEAD, where it is a file, has no move to another commit or branch.
    fn may_have_left_checkouts(&self) -> bool {
        let log = regular_file::read(&self.case.worktree.admin.join("logs/HEAD"), RECORD_LIMIT);
        log.is_err() || log.is_ok_and(|log| String::from_utf8_lossy(&log).contains(MOVES))
    }

    /// Returns `false` if there is no stash, where its log is a file.
    fn may_have_stash(&self) -> bool {
        let git_folder = &self.case.execution.context.repo.common;
        git_folder.join("reftable").is_dir() || git_folder.join("logs/refs/stash").exists()
    }

    /// Returns `true` if the result has the same files, or a commit with the same change for each one
    /// that leads to this commit.
    fn is_in_other_form(&self, commit: Oid, result: Oid) -> Result<bool, EngineError> {
        if self.store.tree_of(commit)? == self.store.tree_of(result)? {
            return Ok(true);
        }
        let git = self.git()?;
        let compared = git.line(&["cherry", &result.to_string(), &commit.to_string()])?;
        Ok(!compared.is_empty() && compared.lines().all(|line| line.starts_with('-')))
    }

    /// Finds branches that appeared or moved while the worker ran.
    fn branches(&mut self) -> Result<(), EngineError> {
        let names = self.case.meanwhile.iter();
        let names = names.filter_map(|change| change.name.strip_prefix("the branch "));
        for name in names {
            if let Some(tip) = self.store.reference(&branch_ref(name))? {
                let what = format!("the branch {name}, which changed while it ran");
                self.keep(tip, &what, &format!("git log {}", tip.short()))?;
            }
        }
        Ok(())
    }

    /// Finds stash entries that were made on the task's branch, by their message.
    fn stash(&mut self) -> Result<(), EngineError> {
        let spec = &self.case.execution.spec;
        let branch = self.case.execution.context.attempt_branch(spec.of());
        let is_own = |message: &str| {
            let rest = message
                .strip_prefix("WIP on ")
                .or(message.strip_prefix("On "));
            let rest = rest.and_then(|rest| rest.strip_prefix(branch.as_str()));
            rest.is_some_and(|rest| rest.starts_with(':'))
        };
        for (commit, message) in self.log("refs/stash")? {
            if is_own(&message) {
                let show = format!("git stash show -p {}", commit.short());
                self.keep(commit, "a stash entry", &show)?;
            }
        }
        Ok(())
    }

    fn git(&self) -> Result<Git, EngineError> {
        let repo = &self.case.execution.context.repo;
        Ok(repo.git_in(&self.case.worktree)?)
    }

    /// Lists the commits in the log of a reference with their messages, the latest first.
    fn log(&self, reference: &str) -> Result<Vec<(Oid, String)>, EngineError> {
        Ok(log_in(&self.git()?, reference)?)
    }

    /// Returns `true` if a kept commit contains this one.
    fn is_kept(&self, commit: Oid) -> Result<bool, EngineError> {
        for kept in &self.kept {
            if self.store.is_ancestor(commit, *kept)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps a commit, unless a kept one contains it.
    fn keep(&mut self, commit: Oid, what: &str, show: &str) -> Result<(), EngineError> {
        if self.is_kept(commit)? {
            return Ok(());
        }
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let name = context.attempt_ref(spec.task, spec.attempt);
        keep(self.store, &name, commit)?;
        self.kept.push(commit);
        self.remarks.push(format!(
            "{} {what}; it is kept below {name}: `{show}`",
            self.words
        ));
        Ok(())
    }

    /// Finds ignored files that the worker wrote, and ignored repositories.
    fn ignored_files(&mut self) -> Result<(), EngineError> {
        let worktree = &self.case.worktree;
        let since = fs::metadata(base_file(&self.case.execution.folder()));
        let since = since.and_then(|meta| meta.modified()).ok();
        let links = links_in(&self.case.execution.context, &worktree.path);
        let mut ignored = ignored_paths(&self.case.execution.context.repo, worktree)?;
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
            let repository = ignored_repository(context, one.clone());
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
        let mut names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.truncate(NAMED);
        let names = names.join(", ");
        if sizes.fold(0, u64::saturating_add) > KEPT_BYTES {
            self.remarks.push(format!(
                "no change on its branch, but it left files that git ignores: {names}; they are in the \
                 worktree only: `git -C {} status --ignored`",
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
        let tree = tree.parse().unwrap_or(Oid::ZERO);
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

/// Lists the commits in the log of a reference with their messages, the latest first.
fn log_in(git: &Git, reference: &str) -> Result<Vec<(Oid, String)>, GitError> {
    let format = "--format=%H %gs";
    let finished = git.finish(["log", "-g", format, reference, "--"])?;
    // Without the reference it fails, and there is nothing to list.
    let listed = String::from_utf8_lossy(&finished.stdout);
    let parse = |line: &str| {
        let (commit, message) = line.split_once(' ')?;
        Some((commit.parse().ok()?, message.to_owned()))
    };
    Ok(listed.lines().filter_map(parse).collect())
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
