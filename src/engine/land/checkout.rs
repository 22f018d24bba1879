//! Moves a branch together with its checkout, by git's plumbing.
//!
//! `git merge` obeys `branch.<name>.mergeoptions`, `merge.*` and `pull.*`, and with some of them it
//! exits with 0 although the branch has not moved. `git read-tree` and `git update-ref` do as told.

use std::path::Path;

use crate::base::fault;
use crate::engine::land::branch_move::BranchMove;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::git::Git;
use crate::git::checkout_obstacle::refusal;
use crate::merge::oid::Oid;

/// One move of a branch and its checkout.
pub(super) struct CheckoutMove<'a> {
    /// The git of the move, with or without the user's hooks.
    pub(super) git: Git,
    /// The lock that git holds while it changes something.
    pub(super) lock: &'a LandLock,
    /// The branch.
    pub(super) branch: &'a str,
    /// Its checkout.
    pub(super) place: &'a Path,
    /// The commit that the branch is at.
    pub(super) old: Oid,
    /// The commit that it moves to.
    pub(super) new: Oid,
    /// The entry of the reflog.
    pub(super) why: String,
    /// The name of its fault points.
    pub(super) name: &'static str,
}

impl CheckoutMove<'_> {
    /// Moves the files and the index, then the branch. Both are at the new commit afterwards, or at
    /// the old one. Unrelated local changes stay.
    ///
    /// # Errors
    /// When local changes block the move, or the branch cannot move: it is locked, a hook refuses,
    /// or another process has moved it.
    pub(super) fn run(self) -> Result<(), LandError> {
        if self.git.line(&["rev-parse", "--verify", "HEAD"])? != self.old.to_string() {
            return Err(LandError::MovedMeanwhile(self.branch.to_owned()));
        }
        self.branch_move(&self.git).refuse_fixed()?;
        fault::point(self.name, "before the checkout moves");
        let git = self.lock.hold(self.git.clone());
        // Exits with 1 if a file differs; only the refreshed index matters.
        git.finish(["update-index", "-q", "--refresh"])?;
        self.move_files(&git, self.old, self.new)?;
        fault::point(self.name, "after the files have moved");
        if let Err(error) = self.branch_move(&git).run() {
            self.move_files(&git, self.new, self.old)?;
            return Err(error);
        }
        fault::point(self.name, "after the checkout has moved");
        Ok(())
    }

    fn branch_move<'a>(&'a self, git: &'a Git) -> BranchMove<'a> {
        BranchMove {
            git,
            branch: self.branch,
            old: self.old,
            new: self.new,
            why: &self.why,
        }
    }

    fn move_files(&self, git: &Git, from: Oid, to: Oid) -> Result<(), LandError> {
        let (from, to) = (from.to_string(), to.to_string());
        let finished = git.finish(["read-tree", "-m", "-u", &from, &to])?;
        if finished.status.success() {
            return Ok(());
        }
        Err(LandError::CheckoutRefused {
            target: self.branch.to_owned(),
            place: self.place.to_owned(),
            why: refusal(&finished),
        })
    }
}
