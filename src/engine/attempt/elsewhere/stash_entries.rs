//! Finds the stash entries of an attempt.

use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::Search;
use crate::engine::attempt::stash_uses::own_pushes;
use crate::merge::oid::Oid;

impl Search<'_> {
    /// Finds stash entries that were made on the task's branch, by their message, and those made in the
    /// worktree on another branch or on none, by the trace of git.
    pub(super) fn stash(&mut self) -> Result<(), EngineError> {
        let spec = &self.case.execution.spec;
        let branch = self.case.execution.context.attempt_branch(spec.of());
        let pushes = own_pushes(self.case);
        for (commit, message) in self.log("refs/stash")? {
            let place = stash_place(&message);
            let is_own = self.left.is_some() || place == Some(branch.as_str());
            if is_own || self.is_pushed_here(commit, place, &pushes)? {
                let show = format!("git stash show -p {}", commit.short());
                self.keep(commit, "a stash entry", &show)?;
            }
        }
        Ok(())
    }

    /// Returns `true` for an entry that was made while the attempt added one, of a commit that was checked
    /// out in its worktree, and on a branch that is not checked out elsewhere.
    fn is_pushed_here(
        &self,
        entry: Oid,
        place: Option<&str>,
        pushes: &[(i64, i64)],
    ) -> Result<bool, EngineError> {
        let made = self.store.commit(entry)?;
        let time = made.time.as_second();
        if !pushes
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&time))
        {
            return Ok(false);
        }
        let context = &self.case.execution.context;
        let top = &self.case.worktree.path;
        let is_elsewhere = place.is_some_and(|place| {
            let mut tasks = context.plan.tasks().iter();
            let places = context.repo.checkouts_of(place);
            tasks.any(|task| context.branch(task.number) == place)
                || places.iter().any(|path| !path.starts_with(top))
        });
        let parent = made.parents.first().copied();
        let mut log = self.log("HEAD")?.into_iter();
        Ok(!is_elsewhere && log.any(|(commit, _)| Some(commit) == parent))
    }

    /// Returns `false` if there is no stash, where its log is a file.
    pub(super) fn may_have_stash(&self) -> bool {
        if let Some(left) = &self.left {
            return !left.stash.is_empty();
        }
        let git_folder = &self.case.execution.context.repo.common;
        git_folder.join("reftable").is_dir() || git_folder.join("logs/refs/stash").exists()
    }
}

/// Returns the branch on which a stash entry was made, or `(no branch)`, from its message.
fn stash_place(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("WIP on ");
    let rest = rest.or(message.strip_prefix("On "))?;
    rest.split_once(':').map(|(place, _)| place)
}
