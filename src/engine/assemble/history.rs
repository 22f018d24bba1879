//! Writes an assembled chain in the configured history: the same trees, as merges, single commits or
//! a linear replay.

use crate::engine::EngineError;
use crate::engine::assemble::commit_message::merge_message;
use crate::engine::assemble::replay::{Replay, Replayed, with_board};
use crate::engine::assemble::step::Step;
use crate::engine::assemble::trailers::with_trailers_as_stored;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::signing::Signer;
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::History;
use crate::model::run::RunState;

const NOT_REPLAYED: &str = "Squashed: its commits, replayed one by one, do not end in this tree.";

/// Writes assembled steps as commits.
pub(crate) struct HistoryWriter<'a> {
    context: &'a Context,
    state: &'a RunState,
    store: &'a Store,
    steps: &'a [Step],
    signer: Option<Signer>,
    /// The replayed commits of each step, for a linear history; `None` where they end in another tree.
    replays: Vec<Option<Vec<Replayed>>>,
}

/// A written history.
pub(crate) struct Written {
    /// The last commit of each step.
    pub(crate) commits: Vec<Oid>,
    /// Keeps the commits reachable.
    pub(crate) kept: KeptCommit,
}

impl<'a> HistoryWriter<'a> {
    /// Creates a writer of these steps.
    pub(crate) fn new(
        context: &'a Context,
        state: &'a RunState,
        store: &'a Store,
        steps: &'a [Step],
    ) -> Result<HistoryWriter<'a>, EngineError> {
        let mut replays = Vec::new();
        if context.settings.assemble.history == History::Linear {
            let replay = Replay::new(context, state, store)?;
            let mut before = store.tree_of(context.base)?;
            for step in steps {
                replays.push(replay.commits(before, step)?);
                before = step.tree;
            }
        }
        Ok(HistoryWriter {
            context,
            state,
            store,
            steps,
            signer: Signer::find(&context.repo)?,
            replays,
        })
    }

    /// Writes the history on top of a commit, with this board file in every tree.
    pub(crate) fn write(&self, start: Oid, board: Option<Entry>) -> Result<Written, EngineError> {
        let mut kept = KeptCommit::new(self.context);
        let mut tip = start;
        let mut commits = Vec::with_capacity(self.steps.len());
        for place in 0..self.steps.len() {
            tip = self.write_step(tip, place, board)?;
            kept.keep_for_now(self.store, tip)?;
            commits.push(tip);
        }
        kept.keep(self.store, tip)?;
        Ok(Written { commits, kept })
    }

    fn write_step(&self, tip: Oid, place: usize, board: Option<Entry>) -> Result<Oid, EngineError> {
        let step = &self.steps[place];
        let message = |people: &str| merge_message(self.context, self.state, step, people);
        match (
            self.context.settings.assemble.history,
            self.replays.get(place),
        ) {
            (History::Linear, Some(Some(replay))) => self.write_replay(tip, step, replay, board),
            (History::Linear, _) => {
                let message = message(&self.co_authors(step)?);
                let (subject, rest) = message.split_once("\n\n").unwrap_or((&message, ""));
                let message = format!("{subject}\n\n{NOT_REPLAYED}\n\n{rest}");
                self.commit(step.tree, &[tip], &message, board)
            }
            (History::Squash, _) => {
                let message = message(&self.co_authors(step)?);
                self.commit(step.tree, &[tip], &message, board)
            }
            (History::Merge, _) => {
                self.commit(step.tree, &[tip, step.candidate], &message(""), board)
            }
        }
    }

    fn write_replay(
        &self,
        tip: Oid,
        step: &Step,
        replay: &[Replayed],
        board: Option<Entry>,
    ) -> Result<Oid, EngineError> {
        let mut tip = tip;
        for Replayed { original, tree } in replay {
            let mut original = self.store.original(*original)?;
            let trailers = self.trailers(step.task);
            original.message = with_trailers_as_stored(&original.message, &trailers);
            let tree = with_board(self.context, self.store, *tree, board)?;
            let (parents, time) = (&[tip], self.state.updated);
            tip = match &self.signer {
                Some(signer) => signer.commit_again(self.store, &original, tree, parents, time)?,
                None => self.store.write_again(&original, tree, parents, time)?,
            };
        }
        Ok(tip)
    }

    fn commit(
        &self,
        tree: Oid,
        parents: &[Oid],
        message: &str,
        board: Option<Entry>,
    ) -> Result<Oid, EngineError> {
        let new = NewCommit {
            tree: with_board(self.context, self.store, tree, board)?,
            parents,
            message,
            time: self.state.updated,
            by: By::User,
        };
        Ok(match &self.signer {
            Some(signer) => signer.commit(self.store, &new)?,
            None => self.store.write_commit(&new)?,
        })
    }

    /// Renders trailers for those who wrote the commits of a task.
    fn co_authors(&self, step: &Step) -> Result<String, EngineError> {
        let attempt = self.state.task(step.task).deciding_attempt();
        let base = attempt.and_then(|attempt| attempt.base);
        let base = base.unwrap_or(self.state.base);
        Ok(self.store.co_authors(step.candidate, base)?)
    }

    fn trailers(&self, task: TaskNumber) -> String {
        let attempt = self.state.task(task).deciding_attempt();
        let attempt = attempt.map_or(1, |attempt| attempt.number);
        self.context.trailers(task, attempt)
    }
}
