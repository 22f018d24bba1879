//! The shapes of the assembled history: the same trees, told in different ways.
//!
//! Trees come from the chain of two-parent merges, whatever the shape. Only a linear history merges
//! again, to replay each commit; where that does not end in the tree of the chain, the task becomes
//! one commit, which says so.

use crate::engine::EngineError;
use crate::engine::assemble::{Step, message, settled_paragraph, settled_trailers};
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_tree::{MergeAnswer, MergeEngine};
use crate::git::signing::Signer;
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::History;
use crate::model::resolution::Resolution;
use crate::model::run::RunState;

const NOT_REPLAYED: &str = "Squashed: its commits, replayed one by one, do not end in this tree.";

/// Writes assembled steps as commits.
pub(crate) struct HistoryWriter<'a> {
    context: &'a Context,
    state: &'a RunState,
    store: &'a Store,
    steps: &'a [Step],
    signer: Option<Signer>,
    /// For a linear history: the commits of each step with their trees, if they can be replayed.
    replays: Vec<Option<Vec<Replayed>>>,
}

/// A commit of a worker, on top of everything before it.
#[derive(Clone, Copy)]
struct Replayed {
    original: Oid,
    tree: Oid,
}

impl<'a> HistoryWriter<'a> {
    /// A writer of these steps.
    pub(crate) fn new(
        context: &'a Context,
        state: &'a RunState,
        store: &'a Store,
        steps: &'a [Step],
    ) -> Result<HistoryWriter<'a>, EngineError> {
        let mut writer = HistoryWriter {
            context,
            state,
            store,
            steps,
            signer: Signer::find(&context.repo)?,
            replays: Vec::new(),
        };
        if context.settings.assemble.history == History::Linear {
            let engine = MergeEngine::writing(&context.repo, context.base)?;
            let mut before = store.tree_of(context.base)?;
            for step in steps {
                let replay = writer.replay(&engine, before, step)?;
                writer.replays.push(replay);
                before = step.tree;
            }
        }
        Ok(writer)
    }

    /// Writes the history on top of a commit, with this board file in every tree; gives the commit
    /// that brought each step in.
    pub(crate) fn write(&self, start: Oid, board: Option<Entry>) -> Result<Vec<Oid>, EngineError> {
        match self.context.settings.assemble.history {
            History::Octopus => self.write_octopus(start, board),
            shape => {
                let mut tip = start;
                let mut commits = Vec::with_capacity(self.steps.len());
                for place in 0..self.steps.len() {
                    tip = self.write_step(shape, tip, place, board)?;
                    commits.push(tip);
                }
                Ok(commits)
            }
        }
    }

    fn write_octopus(&self, start: Oid, board: Option<Entry>) -> Result<Vec<Oid>, EngineError> {
        let Some(last) = self.steps.last() else {
            return Ok(Vec::new());
        };
        let candidates = self.steps.iter().map(|step| step.candidate);
        let parents: Vec<Oid> = std::iter::once(start).chain(candidates).collect();
        let message = self.octopus_message();
        let commit = self.commit(last.tree, &parents, &message, board)?;
        Ok(vec![commit; self.steps.len()])
    }

    fn octopus_message(&self) -> String {
        if let [step] = self.steps {
            return message(self.context, self.state, step);
        }
        let count = self.steps.len();
        let name = |step: &Step| {
            let task = self.context.plan.task(step.task);
            format!("{} {}: {}\n", step.task, task.tag, task.title)
        };
        let names: String = self.steps.iter().map(name).collect();
        let tasks = self.steps.iter().map(|step| self.trailers(step.task));
        let tasks = tasks.flat_map(|trailers| {
            let lines = trailers.lines().skip(1).map(str::to_owned);
            lines.collect::<Vec<_>>()
        });
        let run = format!("Dispatch-Run: {}", self.context.run);
        let resolved = self.steps.iter().flat_map(|step| &step.resolved);
        let resolved: Vec<Resolution> = resolved.cloned().collect();
        let settled = settled_paragraph(&resolved);
        let trailers: Vec<String> = std::iter::once(run).chain(tasks).collect();
        let trailers = trailers.join("\n");
        let how = settled_trailers(&resolved);
        format!("Merge {count} tasks\n\n{names}\n{settled}{trailers}\n{how}")
    }

    fn write_step(
        &self,
        shape: History,
        tip: Oid,
        place: usize,
        board: Option<Entry>,
    ) -> Result<Oid, EngineError> {
        let step = &self.steps[place];
        let message = message(self.context, self.state, step);
        let replay = self.replays.get(place);
        match (shape, replay) {
            (History::Linear, Some(Some(replay))) => self.write_replay(tip, step, replay, board),
            (History::Linear, _) => {
                let (subject, rest) = message.split_once("\n\n").unwrap_or((&message, ""));
                let message = format!("{subject}\n\n{NOT_REPLAYED}\n\n{rest}");
                self.commit(step.tree, &[tip], &message, board)
            }
            (History::Squash, _) => self.commit(step.tree, &[tip], &message, board),
            _ => self.commit(step.tree, &[tip, step.candidate], &message, board),
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
            let message = self.store.commit(*original)?.message;
            let message = with_trailers(&message, &self.trailers(step.task));
            let tree = self.with_board(*tree, board)?;
            let new = NewCommit {
                tree,
                parents: &[tip],
                message: &message,
                time: self.state.updated,
                by: By::User,
            };
            tip = match &self.signer {
                Some(signer) => signer.commit(self.store, &new, Some(*original))?,
                None => self.store.write_commit_as(&new, *original)?,
            };
        }
        Ok(tip)
    }

    /// The commits of a task, each as a change on top of what is there, or `None` if that cannot
    /// be done or ends elsewhere.
    fn replay(
        &self,
        engine: &MergeEngine,
        before: Oid,
        step: &Step,
    ) -> Result<Option<Vec<Replayed>>, EngineError> {
        let attempt = self.state.task(step.task).deciding_attempt();
        let Some(base) = attempt.and_then(|attempt| attempt.base) else {
            return Ok(None);
        };
        let mut commits = self.store.commits_above(step.candidate, Some(base))?;
        commits.reverse();
        let base_board = self.base_board()?;
        let mut tree = before;
        let mut replayed = Vec::with_capacity(commits.len());
        for (original, parents) in commits {
            let parent = match parents[..] {
                [parent] => parent,
                [] => return Ok(None),
                // What a merge brings together is replayed commit by commit, as `git rebase` does.
                _ => continue,
            };
            let old = self.with_board(self.store.tree_of(parent)?, base_board)?;
            let new = self.with_board(self.store.tree_of(original)?, base_board)?;
            let Some(merged) = on_top(engine, tree, old, new)? else {
                return Ok(None);
            };
            // What is there already, as from a commit that was picked twice, needs no second one.
            if merged != tree || old == new {
                tree = merged;
                replayed.push(Replayed { original, tree });
            }
        }
        let arrived = tree == step.tree && !replayed.is_empty();
        Ok(arrived.then_some(replayed))
    }

    fn base_board(&self) -> Result<Option<Entry>, EngineError> {
        let tree = self.store.tree_of(self.context.base)?;
        Ok(self.store.entry(tree, &self.context.settings.board.file)?)
    }

    fn with_board(&self, tree: Oid, board: Option<Entry>) -> Result<Oid, EngineError> {
        let file = &self.context.settings.board.file;
        if self.store.entry(tree, file)? == board {
            return Ok(tree);
        }
        Ok(self.store.tree_with(tree, file, board)?)
    }

    fn commit(
        &self,
        tree: Oid,
        parents: &[Oid],
        message: &str,
        board: Option<Entry>,
    ) -> Result<Oid, EngineError> {
        let new = NewCommit {
            tree: self.with_board(tree, board)?,
            parents,
            message,
            time: self.state.updated,
            by: By::User,
        };
        Ok(match &self.signer {
            Some(signer) => signer.commit(self.store, &new, None)?,
            None => self.store.write_commit(&new)?,
        })
    }

    fn trailers(&self, task: TaskNumber) -> String {
        let attempt = self.state.task(task).deciding_attempt();
        let attempt = attempt.map_or(1, |attempt| attempt.number);
        self.context.trailers(task, attempt)
    }
}

/// The change from `old` to `new`, made to `tree`; `None` if it does not go in.
fn on_top(engine: &MergeEngine, tree: Oid, old: Oid, new: Oid) -> Result<Option<Oid>, EngineError> {
    if tree == old {
        return Ok(Some(new));
    }
    let base = engine.commit_tree(old, &[])?;
    let ours = engine.commit_tree(tree, &[base])?;
    let theirs = engine.commit_tree(new, &[base])?;
    Ok(match engine.merge(ours, theirs)? {
        MergeAnswer::Done(result) if result.clean => Some(result.tree),
        _ => None,
    })
}

/// A worker's message with our trailers behind its own.
fn with_trailers(message: &str, trailers: &str) -> String {
    let message = message.trim_end();
    let is_trailer = |line: &str| {
        line.split_once(": ").is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    let last = message.rsplit_once("\n\n").map(|(_, last)| last);
    let has_trailers = last.is_some_and(|last| last.lines().all(is_trailer));
    let known = |line: &&str| has_trailers && last.is_some_and(|last| last.contains(*line));
    let new: Vec<&str> = trailers.lines().filter(|line| !known(line)).collect();
    match (new.is_empty(), has_trailers) {
        (true, _) => format!("{message}\n"),
        (false, true) => format!("{message}\n{}\n", new.join("\n")),
        (false, false) => format!("{message}\n\n{}\n", new.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_join_those_that_are_there_and_are_not_repeated() {
        let ours = "Dispatch-Run: r\nDispatch-Task: 1 T1\n";
        let add = |message: &str| with_trailers(message, ours);
        insta::assert_snapshot!(add("Fix it\n"), @r"
        Fix it

        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        insta::assert_snapshot!(add("Fix it\n\nSee: the notes\n\nand more\n"), @r"
        Fix it

        See: the notes

        and more

        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        insta::assert_snapshot!(add("Fix it\n\nSigned-off-by: Ada <a@b>\n"), @r"
        Fix it

        Signed-off-by: Ada <a@b>
        Dispatch-Run: r
        Dispatch-Task: 1 T1
        ");
        assert_eq!(add(&add("Fix it")), add("Fix it"));
    }
}
