//! Resolves one candidate's conflict: against the commit it was built on, else unit by unit with
//! the allowed strategies.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{conflict_paths, pair_verdict};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::file_conflict::{FileConflict, file_conflicts};
use crate::engine::resolve::file_strategies::{
    ResolvedFiles, by_record, by_rules, by_structural_tool, with_exec_bit,
};
use crate::engine::resolve::merge_conflict::{
    AutoResolution, MergeConflict, ResolvedUnit, TreeEdits,
};
use crate::engine::resolve::policy::{Policy, Strategy};
use crate::engine::resolve::regenerate::{GeneratedUnit, regenerate};
use crate::engine::resolve::tools::Tools;
use crate::git::Store;
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::MergeAnswer;
use crate::merge::answer::MergeResult;
use crate::merge::answer::Stage;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::verdict::Unit;
use crate::model::resolution::{FailedStrategy, Resolution, ResolutionStrategy, Resolver};

/// The environment in which all conflicts of an assembly are resolved.
pub(super) struct Environment {
    pub(super) context: Arc<Context>,
    pub(super) policy: Policy,
    pub(super) cancel: CancelHandle,
    /// The runtime that waits for processes; resolving itself runs in the background.
    pub(super) runtime: Handle,
}

/// The strategies, applied to one conflict.
pub(super) struct Strategies<'a> {
    environment: &'a Environment,
    conflict: &'a MergeConflict,
    store: Store,
    engine: MergeEngine,
    /// Strategies that are not tried, because checks failed with them.
    excluded: BTreeMap<ResolutionStrategy, String>,
    tried: Vec<FailedStrategy>,
}

impl<'a> Strategies<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        conflict: &'a MergeConflict,
        excluded: BTreeMap<ResolutionStrategy, String>,
    ) -> Result<Strategies<'a>, EngineError> {
        let context = &environment.context;
        let tried = excluded.iter().map(|(rung, why)| FailedStrategy {
            strategy: *rung,
            reason: why.clone(),
        });
        Ok(Strategies {
            environment,
            conflict,
            store: Store::open(&context.repo)?,
            engine: MergeEngine::writing(&context.repo, context.base)?,
            tried: tried.collect(),
            excluded,
        })
    }

    /// Resolves the conflict as far as the strategies can.
    pub(super) fn resolve(mut self) -> Result<AutoResolution, EngineError> {
        let (tip, candidate) = (self.conflict.tip, self.conflict.candidate);
        let verdict = pair_verdict(&self.environment.context, tip, candidate)?;
        let (class, paths) = match &verdict {
            Some(pair) => (pair.class, conflict_paths(pair)),
            None => (Class::EngineFailure, Vec::new()),
        };
        let resolved = match self.over_own_base(class, &paths)? {
            Some(resolved) => Some(resolved),
            None => {
                let units = verdict.map(|pair| pair.units).unwrap_or_default();
                self.unit_by_unit(&units)?
            }
        };
        Ok(resolved.unwrap_or(AutoResolution::Unresolved {
            class,
            paths,
            tried: self.tried,
        }))
    }

    /// Merges against the commit that the candidate started from. A candidate that was built on
    /// others has several merge bases with a chain that holds the same others in another shape;
    /// over its real base there may be no conflict.
    fn over_own_base(
        &self,
        class: Class,
        paths: &[RepoPath],
    ) -> Result<Option<AutoResolution>, EngineError> {
        let Some(base) = self.conflict.own_base else {
            return Ok(None);
        };
        if self.is_excluded(ResolutionStrategy::OwnBase) {
            return Ok(None);
        }
        let commits = [base, self.conflict.tip, self.conflict.candidate];
        let [base_tree, ours, theirs] = commits.map(|commit| self.store.tree_of(commit));
        let root = self.engine.commit_tree(base_tree?, &[])?;
        let ours = self.engine.commit_tree(ours?, &[root])?;
        let theirs = self.engine.commit_tree(theirs?, &[root])?;
        let tree = match self.engine.merge(ours, theirs)? {
            MergeAnswer::Done(result) if result.is_sound() => result.tree,
            _ => return Ok(None),
        };
        let resolution = Resolution {
            class,
            paths: paths.to_vec(),
            by: Resolver::OwnBase { base },
        };
        Ok(Some(AutoResolution::Resolved {
            tree,
            resolutions: vec![resolution],
        }))
    }

    fn unit_by_unit(&mut self, units: &[Unit]) -> Result<Option<AutoResolution>, EngineError> {
        let answer = self
            .engine
            .merge(self.conflict.tip, self.conflict.candidate)?;
        let result = match answer {
            MergeAnswer::Done(result) if !result.clean => result,
            _ => return Ok(None),
        };
        let mut resolved = Vec::new();
        let mut generated = Vec::new();
        for unit in units.iter().filter(|unit| unit.class.is_conflict()) {
            match self.regenerate_commands(unit) {
                Some(commands) => generated.push(GeneratedUnit { unit, commands }),
                None => match self.resolve_unit(unit, &result)? {
                    Some(unit) => resolved.push(unit),
                    None => return Ok(None),
                },
            }
        }
        // Generated files come last: their commands read the other files.
        let Some(regenerated) = self.resolve_generated(&generated, &resolved, &result)? else {
            return Ok(None);
        };
        resolved.extend(regenerated);
        self.merged(&result, resolved)
    }

    /// Combines the resolved units; `None` if git has a conflicting path that none of them covers.
    fn merged(
        &self,
        result: &MergeResult,
        resolved: Vec<ResolvedUnit>,
    ) -> Result<Option<AutoResolution>, EngineError> {
        let edits = edits_of(&resolved);
        let is_resolved = |stage: &Stage| edits.iter().any(|(path, _)| *path == stage.path);
        if resolved.is_empty() || !result.stages.iter().all(is_resolved) {
            return Ok(None);
        }
        let tree = self.store.tree_overlaid(result.tree, &edits)?;
        let resolutions = resolved.into_iter().map(|unit| unit.resolution).collect();
        Ok(Some(AutoResolution::Resolved { tree, resolutions }))
    }

    fn regenerate_commands(&self, unit: &Unit) -> Option<Vec<String>> {
        let strategies = self.environment.policy.strategies(unit).into_iter();
        let mut commands = strategies.filter_map(|strategy| match strategy {
            Strategy::Regenerate(commands) => Some(commands),
            _ => None,
        });
        let commands = commands.next()?;
        (!self.is_excluded(ResolutionStrategy::Regenerated)).then_some(commands)
    }

    /// Resolves a unit with the first strategy that succeeds.
    fn resolve_unit(
        &mut self,
        unit: &Unit,
        result: &MergeResult,
    ) -> Result<Option<ResolvedUnit>, EngineError> {
        let Some(files) = file_conflicts(unit, result) else {
            return Ok(None);
        };
        for strategy in self.environment.policy.strategies(unit) {
            if let Some((edits, by)) = self.apply(&strategy, &files)? {
                let resolution = Resolution {
                    class: unit.class,
                    paths: unit.paths.clone(),
                    by,
                };
                return Ok(Some(ResolvedUnit { edits, resolution }));
            }
        }
        Ok(None)
    }

    fn apply(
        &mut self,
        strategy: &Strategy,
        files: &[FileConflict],
    ) -> Result<Option<ResolvedFiles>, EngineError> {
        match strategy {
            Strategy::Hunks(rules) if !self.is_excluded(ResolutionStrategy::Rules) => {
                by_rules(&self.store, files, rules)
            }
            Strategy::SetBit if !self.is_excluded(ResolutionStrategy::Rules) => {
                with_exec_bit(files)
            }
            Strategy::Structural if !self.is_excluded(ResolutionStrategy::Structural) => {
                self.apply_structural_tool(files)
            }
            Strategy::Recorded if !self.is_excluded(ResolutionStrategy::Recorded) => {
                by_record(&self.store, files)
            }
            _ => Ok(None),
        }
    }

    fn apply_structural_tool(
        &mut self,
        files: &[FileConflict],
    ) -> Result<Option<ResolvedFiles>, EngineError> {
        match by_structural_tool(&self.tools(), files)? {
            Ok(resolved) => Ok(Some(resolved)),
            Err(why) => {
                self.note_failure(ResolutionStrategy::Structural, why);
                Ok(None)
            }
        }
    }

    /// Regenerates the files of these units; if that fails, tries their other strategies.
    fn resolve_generated(
        &mut self,
        generated: &[GeneratedUnit<'_>],
        resolved: &[ResolvedUnit],
        result: &MergeResult,
    ) -> Result<Option<Vec<ResolvedUnit>>, EngineError> {
        if generated.is_empty() {
            return Ok(Some(Vec::new()));
        }
        match regenerate(&self.tools(), generated, &edits_of(resolved), result)? {
            Ok(units) => return Ok(Some(units)),
            Err(why) => self.note_failure(ResolutionStrategy::Regenerated, why),
        }
        let units = generated.iter();
        let units = units.map(|generated| self.resolve_unit(generated.unit, result));
        units.collect()
    }

    fn note_failure(&mut self, strategy: ResolutionStrategy, reason: String) {
        self.tried.push(FailedStrategy { strategy, reason });
    }

    fn is_excluded(&self, strategy: ResolutionStrategy) -> bool {
        self.excluded.contains_key(&strategy)
    }

    fn tools(&self) -> Tools<'_> {
        Tools {
            context: &self.environment.context,
            store: &self.store,
            cancel: &self.environment.cancel,
            runtime: &self.environment.runtime,
        }
    }
}

fn edits_of(resolved: &[ResolvedUnit]) -> TreeEdits {
    let edits = resolved.iter().flat_map(|unit| unit.edits.iter().cloned());
    edits.collect()
}
