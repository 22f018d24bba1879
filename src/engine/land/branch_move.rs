//! Moves a branch of the user with `git update-ref`, so that the user's hook `reference-transaction` is
//! asked and a lock is named.

use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::git::Git;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;

/// One move of a branch.
pub(super) struct BranchMove<'a> {
    /// The git of the move, with the user's hooks.
    pub(super) git: &'a Git,
    /// The branch.
    pub(super) branch: &'a str,
    /// The commit that the branch is at.
    pub(super) old: Oid,
    /// The commit that it moves to.
    pub(super) new: Oid,
    /// The entry of the reflog.
    pub(super) why: &'a str,
}

impl BranchMove<'_> {
    /// Makes git lock the branch and ask the hook, then give up, so that a branch that cannot move is
    /// found before a file changes.
    ///
    /// # Errors
    /// When the branch cannot move.
    pub(super) fn refuse_fixed(&self) -> Result<(), LandError> {
        let (name, old, new) = (branch_ref(self.branch), self.old, self.new);
        let input = format!("start\nupdate {name} {new} {old}\nprepare\nabort\n");
        let program = self.git.program().args(["update-ref", "--stdin"]);
        let finished = program.stdin(input).output().map_err(EngineError::from)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(self.refused(&String::from_utf8_lossy(&finished.stderr)))
    }

    /// Moves the branch, and reads it back: a move is what git reports as one.
    ///
    /// # Errors
    /// When it is locked, a hook refuses, or another process has moved it.
    pub(super) fn run(&self) -> Result<(), LandError> {
        let name = branch_ref(self.branch);
        let (old, new) = (self.old.to_string(), self.new.to_string());
        let read = || self.git.line(&["rev-parse", "--verify", &name]);
        let args = ["update-ref", "-m", self.why, &name, &new, &old];
        let finished = self
            .git
            .clone()
            .setting("core.fsync=reference")
            .finish(args)?;
        if finished.status.success() && read()? == new {
            return Ok(());
        }
        match finished.status.success() || read().is_ok_and(|found| found != old) {
            true => Err(LandError::MovedMeanwhile(self.branch.to_owned())),
            false => Err(self.refused(&String::from_utf8_lossy(&finished.stderr))),
        }
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
}
