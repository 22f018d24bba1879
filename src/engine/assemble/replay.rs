//! Replays the commits of a candidate on top of a chain, for a linear history.

use crate::engine::EngineError;
use crate::engine::assemble::step::Step;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::git::StoreError;
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::MergeAnswer;
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::model::run::RunState;

/// A worker's commit, replayed on top of everything before it.
#[derive(Clone, Copy)]
pub(super) struct Replayed {
    pub(super) original: Oid,
    pub(super) tree: Oid,
}

/// Replays candidates.
pub(super) struct Replay<'a> {
    context: &'a Context,
    state: &'a RunState,
    store: &'a Store,
    engine: MergeEngine,
    base_board: Option<Entry>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        context: &'a Context,
        state: &'a RunState,
        store: &'a Store,
    ) -> Result<Replay<'a>, EngineError> {
        let base_tree = store.tree_of(context.base)?;
        Ok(Replay {
            context,
            state,
            store,
            engine: MergeEngine::writing(&context.repo, context.base)?,
            base_board: store.entry(base_tree, &context.settings.board.file)?,
        })
    }

    /// Replays the commits of a step on top of a tree; `None` if they do not end in its tree.
    pub(super) fn commits(
        &self,
        before: Oid,
        step: &Step,
    ) -> Result<Option<Vec<Replayed>>, EngineError> {
        let attempt = self.state.task(step.task).deciding_attempt();
        let Some(base) = attempt.and_then(|attempt| attempt.base) else {
            return Ok(None);
        };
        let mut commits = self.store.commits_above(step.candidate, Some(base))?;
        commits.reverse();
        let mut tree = before;
        let mut replayed = Vec::with_capacity(commits.len());
        for (original, parents) in commits {
            let parent = match parents[..] {
                [parent] => parent,
                [] => return Ok(None),
                // The commits that a merge brings together are replayed, as `git rebase` does.
                _ => continue,
            };
            let (old, new) = (self.code_tree(parent)?, self.code_tree(original)?);
            let Some(merged) = self.apply(tree, old, new)? else {
                return Ok(None);
            };
            // A change that is present already, as from a commit picked twice, is skipped.
            if merged != tree || old == new {
                tree = merged;
                replayed.push(Replayed { original, tree });
            }
        }
        let is_complete = tree == step.tree && !replayed.is_empty();
        Ok(is_complete.then_some(replayed))
    }

    /// Returns the tree of a commit with the base's board file.
    fn code_tree(&self, commit: Oid) -> Result<Oid, StoreError> {
        let tree = self.store.tree_of(commit)?;
        with_board(self.context, self.store, tree, self.base_board)
    }

    /// Applies the change from `old` to `new` to a tree; `None` if it conflicts.
    fn apply(&self, tree: Oid, old: Oid, new: Oid) -> Result<Option<Oid>, EngineError> {
        if tree == old {
            return Ok(Some(new));
        }
        let base = self.engine.commit_tree(old, &[])?;
        let ours = self.engine.commit_tree(tree, &[base])?;
        let theirs = self.engine.commit_tree(new, &[base])?;
        Ok(match self.engine.merge(ours, theirs)? {
            MergeAnswer::Done(result) if result.clean => Some(result.tree),
            _ => None,
        })
    }
}

/// Returns a tree with this board file.
pub(super) fn with_board(
    context: &Context,
    store: &Store,
    tree: Oid,
    board: Option<Entry>,
) -> Result<Oid, StoreError> {
    let file = &context.settings.board.file;
    if store.entry(tree, file)? == board {
        return Ok(tree);
    }
    store.tree_with(tree, file, board)
}
