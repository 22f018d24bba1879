//! The references that belong to one worktree, such as those of a bisection. They go with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::git::command::GitError;
use crate::git::head::{git_in, keeps_reftable};
use crate::git::loose_references::{OF_WORKTREE, loose_references_of_worktree};
use crate::git::worktree::{Worktree, WorktreeError, at};
use crate::merge::oid::Oid;

impl Worktree {
    /// Lists the references of this worktree alone, by their full names. It costs a process only where
    /// references are in a reftable.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn own_references(&self) -> Result<BTreeMap<String, Oid>, WorktreeError> {
        if !keeps_reftable(&self.admin) {
            return at(&self.admin, loose_references_of_worktree(&self.admin));
        }
        let list = ["for-each-ref", "--format=%(objectname) %(refname)"];
        let listed = git_in(&self.admin).run(&[&list[..], &OF_WORKTREE].concat())?;
        let listed = String::from_utf8_lossy(&listed);
        let reference = |line: &str| {
            let (object, name) = line.split_once(' ')?;
            Some((name.to_owned(), object.parse().ok()?))
        };
        Ok(listed.lines().filter_map(reference).collect())
    }

    /// Makes the references of this worktree alone those that are given.
    ///
    /// # Errors
    /// When git cannot write one.
    pub(super) fn set_own_references(
        &self,
        new: &BTreeMap<String, Oid>,
    ) -> Result<(), WorktreeError> {
        let old = self.own_references()?;
        if old == *new {
            return Ok(());
        }
        let mut commands = String::new();
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let _ = writeln!(commands, "delete {name}");
        }
        for (name, object) in new {
            let _ = writeln!(commands, "update {name} {object}");
        }
        let args = ["update-ref", "--stdin", "--no-deref"];
        let git = git_in(&self.admin);
        let finished = git.program().args(args).stdin(commands).output();
        let finished = finished.map_err(GitError::from)?;
        match finished.status.success() {
            true => Ok(()),
            false => Err(git.failed(&args, &finished).into()),
        }
    }
}
