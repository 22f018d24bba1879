//! The chain: what merges, one candidate after the other, and what does not.

use std::collections::BTreeMap;

use crate::assembly::exclusion::Cause;
use crate::assembly::selection::Choice;
use crate::conflicts::blob_merges::Contents;
use crate::conflicts::incremental_merge::MergedTree;
use crate::conflicts::minimize::{MERGES_PER_SET, Sequence};
use crate::engine::EngineError;
use crate::engine::assemble::bisect::Tried;
use crate::engine::assemble::message::message;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::effect::{Message, Post};
use crate::engine::resolve::auto::{Clash, Climb, Ladder};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_tree::MergeEngine;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::{LeftOut, LeftOutReason};
use crate::model::resolution::{Resolution, RungName, TriedRung};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// A candidate that merged.
pub(crate) struct Step {
    pub(crate) task: TaskNumber,
    pub(crate) candidate: Oid,
    /// The merged tree, with the base's board file.
    pub(crate) tree: Oid,
    /// The commit of the chain.
    pub(crate) commit: Oid,
    /// The conflicts it had with what was in before, and what settled them.
    pub(crate) resolved: Vec<Resolution>,
}

/// The candidates that merged, in order, and those that did not.
pub(crate) struct Chain {
    pub(crate) steps: Vec<Step>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Chain {
    /// Merges these candidates in this order, as far as they merge.
    pub(crate) fn build(
        context: &Context,
        state: &RunState,
        order: &[TaskNumber],
        conflicts: &[TaskConflict],
        ladder: &Ladder,
    ) -> Result<Chain, EngineError> {
        let candidates: BTreeMap<TaskNumber, Oid> = state.candidates().into_iter().collect();
        let store = Store::open(&context.repo)?;
        let engine = MergeEngine::writing(&context.repo, context.base)?;
        let mut merged = MergedTree::new(&store, &engine, context.base)?;
        let mut chain = Chain {
            steps: Vec::new(),
            left_out: chain_rejects(state),
        };
        let mut tip = context.base;
        for task in order.iter().filter(|task| !state.is_left_out(**task)) {
            let Some(&candidate) = candidates.get(task) else {
                continue;
            };
            if let Some(out) = chain.built_on_left_out(&store, state, *task, candidate)? {
                chain.left_out.push(out);
                continue;
            }
            let (tree, resolved) = match merged.merge(tip, candidate)? {
                Some(tree) => (tree, Vec::new()),
                None => {
                    let clash = Clash {
                        tip,
                        candidate,
                        own_base: own_base(context, state, *task),
                    };
                    match ladder.climb(&clash)? {
                        Climb::Settled { tree, resolutions } => {
                            merged.settle(candidate, tree)?;
                            (tree, resolutions)
                        }
                        stuck @ Climb::Stuck { .. } => {
                            let out = chain.stuck(context, state, *task, conflicts, stuck)?;
                            chain.left_out.extend(out);
                            continue;
                        }
                    }
                }
            };
            let before = ladder.settled_before(state.task(*task))?;
            let mut step = Step {
                task: *task,
                candidate,
                tree,
                commit: Oid::ZERO,
                resolved: before.into_iter().chain(resolved).collect(),
            };
            tip = store.write_commit(&NewCommit {
                tree,
                parents: &[tip, candidate],
                message: &message(context, state, &step),
                time: state.updated,
                by: By::User,
            })?;
            step.commit = tip;
            chain.steps.push(step);
        }
        Ok(chain)
    }

    /// Why a candidate stays out whose conflict nothing has settled.
    fn stuck(
        &self,
        context: &Context,
        state: &RunState,
        task: TaskNumber,
        conflicts: &[TaskConflict],
        climb: Climb,
    ) -> Result<Option<LeftOut>, EngineError> {
        let (
            Climb::Stuck {
                class,
                paths,
                tried,
            },
            Some(candidate),
        ) = (climb, state.task(task).candidate())
        else {
            return Ok(None);
        };
        let mut tried = tried;
        if state.task(task).redispatches > 0 {
            tried.push(TriedRung {
                rung: RungName::Redispatched,
                why: "its new result conflicts, too".to_owned(),
            });
        }
        let with = match self.in_the_way(task, conflicts) {
            with if with.is_empty() => self.guilty(context, candidate, &paths)?,
            with => with,
        };
        let reason = LeftOutReason::Conflict {
            class,
            with,
            paths,
            tried,
        };
        Ok(Some(LeftOut {
            task,
            candidate,
            reason,
        }))
    }

    /// What was not even tried because it was built on what a person left out.
    pub(super) fn add_untried(&mut self, state: &RunState, order: &[TaskNumber], choice: &Choice) {
        for out in choice
            .left_out
            .iter()
            .filter(|out| !order.contains(&out.task))
        {
            if let (Cause::BuiltOn(task), Some(candidate)) =
                (&out.cause, state.task(out.task).candidate())
            {
                self.left_out.push(LeftOut {
                    task: out.task,
                    candidate,
                    reason: LeftOutReason::BuiltOn { task: *task },
                });
            }
        }
    }

    /// The chain of what stands after the checks, with the reasons why the rest does not.
    pub(super) fn without(
        self,
        context: &Context,
        state: &RunState,
        tried: &Tried,
        ladder: &Ladder,
    ) -> Result<Chain, EngineError> {
        if tried.left_out.is_empty() {
            return Ok(self);
        }
        let mut chain = Chain::build(context, state, &tried.standing, &[], ladder)?;
        chain.left_out = self.left_out;
        chain.left_out.extend(tried.left_out.iter().cloned());
        Ok(chain)
    }

    /// What was built on a branch that is not in cannot go in either: it contains it.
    fn built_on_left_out(
        &self,
        store: &Store,
        state: &RunState,
        task: TaskNumber,
        candidate: Oid,
    ) -> Result<Option<LeftOut>, EngineError> {
        let built_on = state.built_on(task);
        for out in &self.left_out {
            let contains = built_on.contains(&out.task);
            if contains || store.is_ancestor(out.candidate, candidate)? {
                let reason = LeftOutReason::BuiltOn { task: out.task };
                return Ok(Some(LeftOut {
                    task,
                    candidate,
                    reason,
                }));
            }
        }
        Ok(None)
    }

    /// The tasks that are in and conflict with this one, as far as pairs show it.
    fn in_the_way(&self, task: TaskNumber, conflicts: &[TaskConflict]) -> Vec<TaskNumber> {
        let is_in = |other: TaskNumber| self.steps.iter().any(|step| step.task == other);
        let met = conflicts
            .iter()
            .filter_map(|conflict| match conflict.pair() {
                (a, b) if a == task && is_in(b) => Some(b),
                (a, b) if b == task && is_in(a) => Some(a),
                _ => None,
            });
        met.collect()
    }

    /// Says what was settled, before anything rests on it.
    pub(super) fn announce_settled(&self, post: &Post) {
        for step in &self.steps {
            // What a result holds settled already was said when that was made.
            let anew = |found: &&Resolution| !found.by.rung().is_in_the_result();
            let resolutions: Vec<_> = step.resolved.iter().filter(anew).cloned().collect();
            if resolutions.is_empty() {
                continue;
            }
            let task = step.task;
            // The loop is gone only when the program ends; then there is nobody left to tell.
            let _ = post.send(Message::Fact(Event::ConflictSettled { task, resolutions }));
        }
    }

    /// Takes back what made a check fail, if that is a settled conflict and not a candidate.
    pub(crate) fn roll_back(&self, ladder: &Ladder, tried: &Tried) -> Vec<Event> {
        let back = tried.guilty.iter().filter_map(|guilty| {
            let step = self.steps.iter().find(|step| step.task == guilty.task)?;
            let why = format!("`{}` fails with it", guilty.command);
            let rung = ladder.roll_back(step.candidate, &step.resolved, why)?;
            Some(Event::ResolutionRolledBack {
                task: guilty.task,
                rung,
                command: guilty.command.clone(),
            })
        });
        back.collect()
    }

    /// The fewest of what is in that this one conflicts with together, in a quarantine: most of what
    /// is merged to find out is of no use to anybody. None where a conflict was settled before: what
    /// was settled is in no candidate.
    fn guilty(
        &self,
        context: &Context,
        candidate: Oid,
        paths: &[RepoPath],
    ) -> Result<Vec<TaskNumber>, EngineError> {
        let engine = MergeEngine::quarantined(&context.repo, context.base)?;
        let store = engine.store()?;
        let mut sequence = Sequence::new(&store, &engine, context.base, Contents::new(&engine))?;
        for (place, step) in self.steps.iter().enumerate() {
            if !sequence.add(place, step.candidate)? {
                return Ok(Vec::new());
            }
        }
        let guilt = sequence.smallest(candidate, paths, MERGES_PER_SET)?;
        let mut with: Vec<TaskNumber> = guilt
            .members
            .iter()
            .map(|place| self.steps[*place].task)
            .collect();
        with.sort_unstable();
        Ok(with)
    }
}

fn chain_rejects(state: &RunState) -> Vec<LeftOut> {
    let rejected = |(task, _): &(TaskNumber, Oid)| state.is_left_out(*task);
    let left_out = |(task, candidate)| LeftOut {
        task,
        candidate,
        reason: LeftOutReason::Person,
    };
    state
        .candidates()
        .into_iter()
        .filter(rejected)
        .map(left_out)
        .collect()
}

/// The commit a candidate was built on, if that is not the base of the run.
fn own_base(context: &Context, state: &RunState, task: TaskNumber) -> Option<Oid> {
    let by_hand = state.task(task).by_hand.as_ref();
    let base = match by_hand {
        Some(by_hand) => by_hand.onto.commit,
        None => state.task(task).deciding_attempt()?.base?,
    };
    Some(base).filter(|base| *base != context.base)
}
