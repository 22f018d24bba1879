//! Finds the work of an attempt that is not on its branch but somewhere else: on another branch, in the
//! stash, in a detached commit, and for one without a change in ignored files and nested repositories.
//!
//! Everything found is kept under references of the attempt, and named with the command that shows it.

mod ignored_files;
mod kept;
mod nested;
mod references;
mod stash_entries;

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::EngineError;
use crate::engine::attempt::branch_makers::{Maker, branch_of, maker_of};
use crate::engine::attempt::case::Case;
use crate::engine::attempt::job::base_file;
use crate::engine::worktree::hand_made_commits::remarks_on_hand_made;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::private_folder::PrivateFolder;
use crate::git::private_folder::left::Left;
use crate::git::reference_log::{Log, log_of};
use crate::git::refs::branch_ref;
use crate::git::{Git, Store};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::task_list::comma_list;

/// The beginnings of messages in the log of HEAD for a step that leaves the commit before it.
const LEAVES: [&str; 2] = ["checkout: moving from ", "reset: moving to "];

/// Returns `true` if a step in the log of HEAD left the commit before it.
fn leaves(message: &str) -> bool {
    LEAVES.iter().any(|start| message.starts_with(start))
}

/// Keeps the work that is elsewhere, and returns a remark on each piece of it.
///
/// # Errors
/// When git or the store fails.
pub(super) fn keep_work_elsewhere(
    case: &Case,
    store: &Store,
    kept: Option<Oid>,
) -> Result<Vec<String>, EngineError> {
    let mut search = Search::new(case, store, kept, "no change on its branch, but it left")?;
    search.hand_made();
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
    let mut search = Search::new(case, store, None, "no change on its branch, but it left")?;
    search.hand_made();
    search.commits()?;
    search.nested_changes()?;
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
    let mut search = Search::new(case, store, Some(result), "besides its change it left")?;
    search.hand_made();
    search.left_checkouts()?;
    search.own_worktrees()?;
    search.nested_changes()?;
    search.own_branches()?;
    search.own_references()?;
    if search.may_have_stash() {
        search.stash()?;
    }
    Ok(search.remarks)
}

/// A search for the work of one attempt.
struct Search<'a> {
    case: &'a Case,
    store: &'a Store,
    /// The candidate or the kept work of the attempt.
    result: Option<Oid>,
    /// The state of its worker's own git folder, if it had one.
    left: Option<Left>,
    /// The beginning of each remark.
    words: &'static str,
    /// Commits that are kept, or that the attempt did not make.
    kept: Vec<Oid>,
    remarks: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(
        case: &'a Case,
        store: &'a Store,
        kept: Option<Oid>,
        words: &'static str,
    ) -> Result<Search<'a>, EngineError> {
        let of_set_up = StartingTree::read(&case.worktree).and_then(|start| start.head);
        Ok(Search {
            case,
            store,
            result: kept,
            left: what_is_left(case)?,
            words,
            kept: kept
                .into_iter()
                .chain([case.base])
                .chain(of_set_up)
                .collect(),
            remarks: Vec::new(),
        })
    }

    /// Names the commits of the user that were kept when the attempt started without them.
    fn hand_made(&mut self) {
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let remarks = remarks_on_hand_made(context, self.store, spec, self.result);
        self.remarks.extend(remarks);
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

    /// Returns `true` if the result has the changes of a commit in another form.
    fn is_in_result(&self, commit: Oid) -> Result<bool, EngineError> {
        match self.result {
            Some(result) => self.is_in_other_form(commit, result),
            None => Ok(false),
        }
    }

    fn keep_checkout(&mut self, commit: Oid) -> Result<(), EngineError> {
        if !self.store.has(commit) {
            self.say_lost(commit);
            return Ok(());
        }
        if self.is_kept(commit)? {
            return Ok(());
        }
        let points = format!("--points-at={commit}");
        let format = "--format=%(refname:lstrip=2)";
        let git = self.git()?;
        let branch = git.line(&["for-each-ref", &points, format, "refs/heads"])?;
        let own = self.left.as_ref().map(|left| &left.branches);
        let mut own = own.into_iter().flatten();
        let own = own.find(|(_, tip)| **tip == commit);
        let own = own.map(|(branch, _)| branch.as_str());
        let place = match branch.lines().next().or(own) {
            Some(branch) => format!("on the branch {branch}"),
            None => "on no branch".to_owned(),
        };
        let show = format!("git show {}", commit.short());
        self.keep(commit, &format!("commit {} {place}", commit.short()), &show)
    }

    /// Finds commits that the worker left by checking out something else or by `git reset`, and whose
    /// changes are not in the result.
    fn left_checkouts(&mut self) -> Result<(), EngineError> {
        if !self.may_have_left_checkouts() {
            return Ok(());
        }
        let log = self.log("HEAD")?;
        for pair in log.windows(2) {
            let (after, (commit, _)) = (&pair[0].1, &pair[1]);
            if !leaves(after) {
                continue;
            }
            let is_lost = !self.store.has(*commit);
            if is_lost || (!self.is_kept(*commit)? && !self.is_in_result(*commit)?) {
                self.keep_checkout(*commit)?;
            }
        }
        Ok(())
    }

    /// Returns `false` if the log of HEAD, where it is a file, has no move to another commit or branch.
    fn may_have_left_checkouts(&self) -> bool {
        if let Some(left) = &self.left {
            let mut log = left.head_log.iter();
            return log.any(|(_, message)| leaves(message));
        }
        let log = regular_file::read(&self.case.worktree.admin.join("logs/HEAD"), RECORD_LIMIT);
        let has_any = |log: Vec<u8>| {
            let log = String::from_utf8_lossy(&log);
            LEAVES.iter().any(|start| log.contains(start))
        };
        log.map_or(true, has_any)
    }

    /// Returns `true` if the result has the same files, or a commit with the same change for each one
    /// that leads to this commit.
    fn is_in_other_form(&self, commit: Oid, result: Oid) -> Result<bool, EngineError> {
        let (tree, in_result) = (self.store.tree_of(commit)?, self.store.tree_of(result)?);
        if tree == in_result || self.has_all_files_of(tree, in_result)? {
            return Ok(true);
        }
        let git = self.git()?;
        let compared = git.line(&["cherry", &result.to_string(), &commit.to_string()])?;
        Ok(!compared.is_empty() && compared.lines().all(|line| line.starts_with('-')))
    }

    /// Returns `true` if a tree has every file that another one changed, as it is there.
    fn has_all_files_of(&self, changed: Oid, tree: Oid) -> Result<bool, EngineError> {
        let changes = self
            .store
            .changes(self.store.tree_of(self.case.base)?, changed)?;
        for change in &changes {
            if self.store.entry_at(tree, &change.path)? != change.new {
                return Ok(false);
            }
        }
        Ok(!changes.is_empty())
    }

    /// Finds branches of the worker's own git folder that the user does not have, or has elsewhere.
    fn own_branches(&mut self) -> Result<(), EngineError> {
        let context = &self.case.execution.context;
        let own = context.attempt_branch(self.case.execution.spec.of());
        for (name, tip) in self.changed_branches()? {
            if name == own || !self.store.has(tip) {
                continue;
            }
            // The user may have moved a branch that the worker left as it was.
            let is_older = match self.store.reference(&branch_ref(&name))? {
                Some(users) => self.store.is_ancestor(tip, users)?,
                None => false,
            };
            if !is_older && !self.is_in_result(tip)? {
                let what = format!("the branch {name}, which it made or moved");
                self.keep(tip, &what, &format!("git log {}", tip.short()))?;
            }
        }
        Ok(())
    }

    /// Finds branches that appeared or moved while the worker ran.
    fn branches(&mut self) -> Result<(), EngineError> {
        self.own_branches()?;
        self.own_references()?;
        for name in self.case.meanwhile.iter().filter_map(branch_of) {
            if let Some(tip) = self.store.reference(&branch_ref(name))? {
                let show = format!("git log {}", tip.short());
                let what = match maker_of(&self.case.execution, name) {
                    Maker::Unknown(others) => changed_branch(name, &others),
                    Maker::This => {
                        format!("{} the branch {name}, which it made or moved", self.words)
                    }
                    Maker::Other => continue,
                };
                self.keep_and_say(tip, &what, &show)?;
            }
        }
        Ok(())
    }

    /// Lists the branches in the worker's own git folder that the user does not have, or has elsewhere.
    fn changed_branches(&self) -> Result<Vec<(String, Oid)>, EngineError> {
        let Some(left) = &self.left else {
            return Ok(Vec::new());
        };
        let of_user = self.case.execution.context.copied_references()?;
        let changed = left.changed_branches(&of_user);
        Ok(changed.map(|(name, tip)| (name.to_owned(), tip)).collect())
    }

    /// Returns the time at which the worker started.
    fn since(&self) -> Option<SystemTime> {
        let meta = fs::metadata(base_file(&self.case.execution.folder()));
        meta.and_then(|meta| meta.modified()).ok()
    }

    /// Returns the worktree's folder without symbolic links, as git names it.
    fn real_top(&self) -> PathBuf {
        let top = &self.case.worktree.path;
        top.canonicalize().unwrap_or_else(|_| top.clone())
    }

    fn git(&self) -> Result<Git, EngineError> {
        let repo = &self.case.execution.context.repo;
        Ok(repo.git_in(&self.case.worktree)?)
    }

    /// Lists the commits in the log of a reference with their messages, the latest first.
    fn log(&self, reference: &str) -> Result<Vec<(Oid, String)>, EngineError> {
        match (&self.left, reference) {
            (Some(left), "HEAD") => return Ok(self.known(&left.head_log)),
            // git stops at the first commit that is missing.
            (None, "HEAD") => {
                let repo = &self.case.execution.context.repo;
                return Ok(repo.head_log(&self.case.worktree)?);
            }
            (Some(left), "refs/stash") => return Ok(self.known(&left.stash)),
            _ => {}
        }
        Ok(log_of(&self.git()?, reference)?)
    }

    /// Returns the entries of a log whose commits the worker has not removed.
    fn known(&self, log: &Log) -> Log {
        let known = log.iter().filter(|(commit, _)| self.store.has(*commit));
        known.cloned().collect()
    }
}

/// Says that a branch changed while an attempt ran, and that none of its commands names it.
fn changed_branch(name: &str, others: &[TaskNumber]) -> String {
    let makers = match others {
        [] => "you may have made it".to_owned(),
        others => format!(
            "you may have made it, or one that ran at the same time: {}",
            comma_list(others)
        ),
    };
    format!(
        "the branch {name} changed while it ran, and none of its git commands names it ({makers})"
    )
}

/// Reads what the worker left in a git folder of its own, if it had one.
fn what_is_left(case: &Case) -> Result<Option<Left>, EngineError> {
    if let Some(left) = case.execution.left() {
        return Ok(Some(left.clone()));
    }
    let private = PrivateFolder::of(&case.execution.context.repo, &case.worktree);
    if !private.exists() {
        return Ok(None);
    }
    let failed = |error| EngineError::File(case.worktree.path.display().to_string(), error);
    private.left().map(Some).map_err(failed)
}
