//! Finds the work of an attempt without a change on its branch that is somewhere else: on another
//! branch, in the stash, in a detached commit, in ignored files, in a nested repository.
//!
//! Everything found is kept under references of the attempt, and named with the command that shows it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::job::base_file;
use crate::engine::worktree::ignored_repositories::{
    EXAMINED as SEARCHED, ignored_paths, repositories_below,
};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::submodules::{keep_nested, nested_repository};
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::{Git, Store};
use crate::merge::oid::Oid;

/// The number of ignored files that a remark names.
const NAMED: usize = 5;

/// The most bytes of ignored files that are kept as a commit.
const KEPT_BYTES: u64 = 1024 * 1024;

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
    let mut search = Search::of_commits(case, store, kept)?;
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
    Ok(Search::of_commits(case, store, None)?.remarks)
}

struct Search<'a> {
    case: &'a Case,
    store: &'a Store,
    /// Commits that are kept, or that the attempt did not make.
    kept: Vec<Oid>,
    remarks: Vec<String>,
}

impl<'a> Search<'a> {
    /// Searches the worktree's own commits, branches and the stash.
    fn of_commits(
        case: &'a Case,
        store: &'a Store,
        kept: Option<Oid>,
    ) -> Result<Search<'a>, EngineError> {
        let mut search = Search {
            case,
            store,
            kept: kept.into_iter().chain([case.base]).collect(),
            remarks: Vec::new(),
        };
        search.commits()?;
        search.branches()?;
        search.stash()?;
        Ok(search)
    }

    /// Finds commits that were checked out in the worktree.
    fn commits(&mut self) -> Result<(), EngineError> {
        for (commit, _) in self.log("HEAD")? {
            let points = format!("--points-at={commit}");
            let format = "--format=%(refname:lstrip=2)";
            let git = self.git()?;
            let branch = git.line(&["for-each-ref", &points, format, "refs/heads"])?;
            let place = match branch.lines().next() {
                Some(branch) => format!("on the branch {branch}"),
                None => "on no branch".to_owned(),
            };
            let show = format!("git show {}", commit.short());
            self.keep(commit, &format!("commit {} {place}", commit.short()), &show)?;
        }
        Ok(())
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
        let git = self.git()?;
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

    /// Keeps a commit, unless a kept one contains it.
    fn keep(&mut self, commit: Oid, what: &str, show: &str) -> Result<(), EngineError> {
        for kept in &self.kept {
            if self.store.is_ancestor(commit, *kept)? {
                return Ok(());
            }
        }
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let name = context.attempt_ref(spec.task, spec.attempt);
        keep(self.store, &name, commit)?;
        self.kept.push(commit);
        self.remarks.push(format!(
            "no change on its branch, but it left {what}; it is kept below {name}: `{show}`"
        ));
        Ok(())
    }

    /// Finds ignored files that the worker wrote, and ignored repositories.
    fn ignored_files(&mut self) -> Result<(), EngineError> {
        let worktree = &self.case.worktree;
        let since = fs::metadata(base_file(&self.case.execution.folder()));
        let since = since.and_then(|meta| meta.modified()).ok();
        let links = links_in(&self.case.execution.context, &worktree.path);
        let is_own = |path: &PathBuf| {
            let is_link = links.iter().any(|link| Path::new(link) == path);
            !is_link && size_since(&worktree.path.join(path), since).is_some()
        };
        let own: Vec<PathBuf> = ignored_paths(&self.case.execution.context.repo, worktree)?
            .into_iter()
            .filter(is_own)
            .collect();
        let nested = repositories_below(&worktree.path, &own);
        if !nested.is_complete {
            self.remarks.push(format!(
                "the ignored folders were searched for repositories up to {SEARCHED} files and \
                 folders; one further down is in the worktree only"
            ));
        }
        self.nested(&nested.paths)?;
        let is_nested = |path: &PathBuf| nested.paths.contains(&path.components().collect());
        let files: Vec<PathBuf> = own.into_iter().filter(|path| !is_nested(path)).collect();
        self.files(&files, &nested.paths, since)
    }

    fn nested(&mut self, paths: &[PathBuf]) -> Result<(), EngineError> {
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let found = paths
            .iter()
            .map(|path| nested_repository(context, &self.case.worktree, path));
        let found: Vec<_> = found.collect();
        self.remarks
            .extend(keep_nested(context, (spec.task, spec.attempt), &found)?);
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
                top.display()
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
