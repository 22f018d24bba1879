//! Keeps commits that are elsewhere under references of the attempt, and says so.

use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::Search;
use crate::engine::worktree::remains::keep;
use crate::merge::oid::Oid;

impl Search<'_> {
    /// Returns `true` if a kept commit contains this one.
    pub(super) fn is_kept(&self, commit: Oid) -> Result<bool, EngineError> {
        for kept in &self.kept {
            if self.store.is_ancestor(commit, *kept)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps a commit that the attempt left, unless a kept one contains it.
    pub(super) fn keep(&mut self, commit: Oid, what: &str, show: &str) -> Result<(), EngineError> {
        let sentence = format!("{} {what}", self.words);
        self.keep_and_say(commit, &sentence, show)
    }

    /// Says that a commit is not there any more.
    pub(super) fn say_lost(&mut self, commit: Oid) {
        let (words, short) = (self.words, commit.short());
        self.remarks.push(format!(
            "{words} commit {short}, which was removed by a `git gc --prune=now` that ran at the same time"
        ));
    }

    pub(super) fn keep_and_say(
        &mut self,
        commit: Oid,
        sentence: &str,
        show: &str,
    ) -> Result<(), EngineError> {
        if self.is_kept(commit)? {
            return Ok(());
        }
        // A reference to what is not there would break the whole repository.
        match self.store.keep_history(self.case.base, commit) {
            Err(error) if error.says_pruned() => {
                self.say_lost(commit);
                return Ok(());
            }
            copied => copied?,
        }
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let name = context.attempt_ref(spec.task, spec.attempt);
        keep(self.store, &name, commit)?;
        self.kept.push(commit);
        self.remarks
            .push(format!("{sentence}; it is kept below {name}: `{show}`"));
        Ok(())
    }
}
