//! Moves a branch together with its checkout, by git's plumbing.
//!
//! `git merge` obeys `branch.<name>.mergeoptions`, `merge.*` and `pull.*`, and with some of them it
//! exits with 0 although the branch has not moved. `git read-tree` and `git update-ref` do as told.

use std::path::Path;

use crate::base::fault;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::git::Git;
use crate::git::checkout_obstacle::refusal;
use crate::git::refs::branch_ref;
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
        self.refuse_fixed_branch()?;
        fault::point(self.name, "before the checkout moves");
        let git = self.lock.hold(self.git.clone());
        // Exits with 1 if a file differs; only the refreshed index matters.
        git.finish(["update-index", "-q", "--refresh"])?;
        self.move_files(&git, self.old, self.new)?;
        fault::point(self.name, "after the files have moved");
        if let Err(error) = self.move_branch(&git) {
            self.move_files(&git, self.new, self.old)?;
            return Err(error);
        }
        fault::point(self.name, "after the checkout has moved");
        Ok(())
    }

    /// Makes git lock the branch and ask the hook `reference-transaction`, then give up, so that a
    /// branch that cannot move is found before a file changes.
    fn refuse_fixed_branch(&self) -> Result<(), LandError> {
        let (name, old, new) = (branch_ref(self.branch), self.old, self.new);
        let input = format!("start\nupdate {name} {new} {old}\nprepare\nabort\n");
        let program = self.git.program().args(["update-ref", "--stdin"]);
        let finished = program.stdin(input).output().map_err(EngineError::from)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(self.refused(&String::from_utf8_lossy(&finished.stderr)))
    }

    fn refused(&self, why: &str) -> LandError {
        let why = one_line(why).replace("fatal: ", "");
        LandError::BranchRefused {
            target: self.branch.to_owned(),
            // git says that there was a hook, and not which.
            why: self.git.with_lock(why.replace(
                "aborted by hook",
                "aborted by the hook reference-transaction",
            )),
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

    /// Moves the branch, and reads it back: a move is what git reports as one.
    fn move_branch(&self, git: &Git) -> Result<(), LandError> {
        let (name, old, new) = (
            branch_ref(self.branch),
            self.old.to_string(),
            self.new.to_string(),
        );
        let finished = git.finish(["update-ref", "-m", &self.why, &name, &new, &old])?;
        if !finished.status.success() {
            return Err(self.refused(&String::from_utf8_lossy(&finished.stderr)));
        }
        match git.line(&["rev-parse", "--verify", &name])? == new {
            true => Ok(()),
            false => Err(LandError::MovedMeanwhile(self.branch.to_owned())),
        }
    }
}
