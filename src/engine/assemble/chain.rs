//! Merges candidates in order into a chain, and records why the others are left out.

use std::collections::BTreeMap;

use crate::assembly::exclusion::ExclusionReason;
use crate::assembly::selection::Selection;
use crate::conflicts::blob_merges::BlobMerges;
use crate::conflicts::incremental_merge::IncrementalMerge;
use crate::conflicts::merge_sequence::MergeSequence;
use crate::conflicts::minimize::MERGES_PER_SET;
use crate::engine::EngineError;
use crate::engine::assemble::commit_message::merge_message;
use crate::engine::assemble::step::Step;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::resolve::auto::AutoResolver;
use crate::engine::resolve::merge_conflict::{AutoResolution, MergeConflict};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_engine::MergeEngine;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::{LeftOut, LeftOutReason};
use crate::model::resolution::{FailedStrategy, Resolution, ResolutionStrategy};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// The candidates that merged, in order, and those that were left out.
pub(crate) struct Chain {
    pub(crate) steps: Vec<Step>,
    pub(crate) left_out: Vec<LeftOut>,
    /// Keeps the last step reachable.
    pub(super) kept: KeptCommit,
}

impl Chain {
    /// Merges candidates in this order and leaves out those that conflict.
    pub(crate) fn build(
        context: &Context,
        state: &RunState,
        order: &[TaskNumber],
        conflicts: &[TaskConflict],
        resolver: &AutoResolver,
    ) -> Result<Chain, EngineError> {
        let candidates: BTreeMap<TaskNumber, Oid> = state.candidates().into_iter().collect();
        let store = Store::open(&context.repo)?;
        let engine = MergeEngine::writing(&context.repo, context.base)?;
        let mut builder = Builder {
            context,
            state,
            conflicts,
            resolver,
            store: &store,
            merged: IncrementalMerge::new(&store, &engine, context.base)?,
            tip: context.base,
            chain: Chain {
                steps: Vec::new(),
                left_out: left_out_in_review(state),
                kept: KeptCommit::new(context),
            },
        };
        let tasks = order.iter().filter(|task| !state.is_left_out(**task));
        let tasks = tasks.filter_map(|task| Some((*task, *candidates.get(task)?)));
        let tasks: Vec<(TaskNumber, Oid)> = tasks.collect();
        let coming = tasks.iter().map(|(_, candidate)| (*candidate, None));
        builder.merged.announce(coming)?;
        for (task, candidate) in tasks {
            builder.add(task, candidate)?;
        }
        builder.chain.kept.keep(&store, builder.tip)?;
        Ok(builder.chain)
    }

    /// Leaves out candidates that were not tried because they were built on a task left out in
    /// review.
    pub(super) fn add_untried(
        &mut self,
        state: &RunState,
        order: &[TaskNumber],
        choice: &Selection,
    ) {
        let untried = choice.left_out.iter();
        for out in untried.filter(|out| !order.contains(&out.task)) {
            let candidate = state.task(out.task).candidate();
            if let (ExclusionReason::BuiltOn(on), Some(candidate)) = (&out.reason, candidate) {
                self.left_out.push(LeftOut {
                    task: out.task,
                    candidate,
                    reason: LeftOutReason::BuiltOn { task: *on },
                });
            }
        }
    }

    /// Returns the commit of the last step, or the base if there is none.
    pub(super) fn tip(&self, context: &Context) -> Oid {
        self.steps.last().map_or(context.base, |step| step.commit)
    }

    fn contains(&self, task: TaskNumber) -> bool {
        self.steps.iter().any(|step| step.task == task)
    }

    /// Finds a task that was left out and on which this candidate was built: it contains that task's
    /// commits.
    fn left_out_below(
        &self,
        store: &Store,
        state: &RunState,
        task: TaskNumber,
        candidate: Oid,
    ) -> Result<Option<TaskNumber>, EngineError> {
        let built_on = state.built_on(task);
        for out in &self.left_out {
            let contains = built_on.contains(&out.task);
            if contains || store.is_ancestor(out.candidate, candidate)? {
                return Ok(Some(out.task));
            }
        }
        Ok(None)
    }

    /// Returns the merged tasks that conflict with this one as a pair.
    fn conflicting(&self, task: TaskNumber, conflicts: &[TaskConflict]) -> Vec<TaskNumber> {
        let others = conflicts
            .iter()
            .filter_map(|conflict| match conflict.pair() {
                (a, b) if a == task => Some(b),
                (a, b) if b == task => Some(a),
                _ => None,
            });
        others.filter(|other| self.contains(*other)).collect()
    }

    /// Finds the smallest set of steps that a candidate conflicts with together, in a quarantine,
    /// because its merges are not needed later.
    /// Returns none where an earlier conflict was resolved: the resolution is in no candidate.
    fn conflicting_together(
        &self,
        context: &Context,
        candidate: Oid,
        paths: &[RepoPath],
    ) -> Result<Vec<TaskNumber>, EngineError> {
        let engine = MergeEngine::quarantined(&context.repo, context.base)?;
        let store = engine.store()?;
        let mut sequence =
            MergeSequence::new(&store, &engine, context.base, BlobMerges::new(&engine))?;
        for (place, step) in self.steps.iter().enumerate() {
            if !sequence.add(place, step.candidate)? {
                return Ok(Vec::new());
            }
        }
        let smallest = sequence.smallest_set(candidate, paths, MERGES_PER_SET)?;
        let places = smallest.members.iter();
        let mut tasks: Vec<TaskNumber> = places.map(|place| self.steps[*place].task).collect();
        tasks.sort_unstable();
        Ok(tasks)
    }
}

/// Builds a chain candidate by candidate.
struct Builder<'a> {
    context: &'a Context,
    state: &'a RunState,
    conflicts: &'a [TaskConflict],
    resolver: &'a AutoResolver,
    store: &'a Store,
    merged: IncrementalMerge<'a>,
    tip: Oid,
    chain: Chain,
}

/// A candidate's tree on top of the chain, or the reason why it is left out.
type Merge = Result<(Oid, Vec<Resolution>), LeftOutReason>;

impl Builder<'_> {
    /// Adds a candidate as a step, or leaves it out.
    fn add(&mut self, task: TaskNumber, candidate: Oid) -> Result<(), EngineError> {
        let below = self
            .chain
            .left_out_below(self.store, self.state, task, candidate)?;
        let merge = match below {
            Some(task) => Err(LeftOutReason::BuiltOn { task }),
            None => self.merge(task, candidate)?,
        };
        match merge {
            Ok((tree, resolved)) => self.commit(task, candidate, tree, resolved)?,
            Err(reason) => self.chain.left_out.push(LeftOut {
                task,
                candidate,
                reason,
            }),
        }
        Ok(())
    }

    fn merge(&mut self, task: TaskNumber, candidate: Oid) -> Result<Merge, EngineError> {
        if let Some(tree) = self.merged.merge(self.tip, candidate)? {
            return Ok(Ok((tree, Vec::new())));
        }
        let conflict = MergeConflict {
            tip: self.tip,
            candidate,
            own_base: own_base(self.context, self.state, task),
        };
        match self.resolver.resolve(&conflict)? {
            AutoResolution::Resolved { tree, resolutions } => {
                self.merged.add_resolved(candidate, tree)?;
                Ok(Ok((tree, resolutions)))
            }
            AutoResolution::Unresolved {
                class,
                paths,
                tried,
            } => Ok(Err(self.conflict(task, candidate, class, paths, tried)?)),
        }
    }

    /// Describes a conflict that no strategy resolved.
    fn conflict(
        &self,
        task: TaskNumber,
        candidate: Oid,
        class: Class,
        paths: Vec<RepoPath>,
        mut failed_strategies: Vec<FailedStrategy>,
    ) -> Result<LeftOutReason, EngineError> {
        if self.state.task(task).redispatches > 0 {
            failed_strategies.push(FailedStrategy {
                strategy: ResolutionStrategy::Redispatched,
                reason: "its new result conflicts, too".to_owned(),
            });
        }
        let mut with = self.chain.conflicting(task, self.conflicts);
        if with.is_empty() {
            with = self
                .chain
                .conflicting_together(self.context, candidate, &paths)?;
        }
        Ok(LeftOutReason::Conflict {
            class,
            with,
            paths,
            failed_strategies,
        })
    }

    fn commit(
        &mut self,
        task: TaskNumber,
        candidate: Oid,
        tree: Oid,
        resolved: Vec<Resolution>,
    ) -> Result<(), EngineError> {
        let before = self.resolver.resolved_before(self.state.task(task))?;
        let mut step = Step {
            task,
            candidate,
            tree,
            commit: Oid::ZERO,
            resolved: before.into_iter().chain(resolved).collect(),
        };
        self.tip = self.store.write_commit(&NewCommit {
            tree,
            parents: &[self.tip, candidate],
            message: &merge_message(self.context, self.state, &step, ""),
            time: self.state.updated,
            by: By::User,
        })?;
        self.chain.kept.keep_for_now(self.store, self.tip)?;
        step.commit = self.tip;
        self.chain.steps.push(step);
        Ok(())
    }
}

fn left_out_in_review(state: &RunState) -> Vec<LeftOut> {
    let candidates = state.candidates().into_iter();
    let left_out = candidates.filter(|(task, _)| state.is_left_out(*task));
    let left_out = left_out.map(|(task, candidate)| LeftOut {
        task,
        candidate,
        reason: LeftOutReason::ByUser,
    });
    left_out.collect()
}

/// Returns the commit a candidate was built on, if it is not the base of the run.
fn own_base(context: &Context, state: &RunState, task: TaskNumber) -> Option<Oid> {
    let base = state.task_change(task)?.from;
    Some(base).filter(|base| *base != context.base)
}
