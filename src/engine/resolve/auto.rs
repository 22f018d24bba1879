//! Resolves conflicts of an assembly without the user.
//!
//! A candidate's conflict is resolved as a whole or not at all. The checks verify the result with
//! everything else; where they fail because of it, the weakest strategy it rests on is excluded and
//! the conflict is resolved again (`AutoResolver::exclude_weakest`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::base::fault;
use crate::base::process::find_program;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{conflict_paths, pair_verdict};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::merge_conflict::{AutoResolution, MergeConflict};
use crate::engine::resolve::policy::Policy;
use crate::engine::resolve::strategies::{Environment, Strategies};
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::resolution::{Resolution, ResolutionStrategy, Resolver};
use crate::model::task_state::TaskState;

/// Resolves the conflicts of one assembly.
pub(crate) struct AutoResolver {
    environment: Environment,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The strategies that failed the checks, for each candidate, with the reason.
    excluded: BTreeMap<Oid, BTreeMap<ResolutionStrategy, String>>,
    /// Results by tip and candidate, so that tools run once.
    results: HashMap<(Oid, Oid), AutoResolution>,
    /// The conflicts that candidates contain already resolved.
    resolved_before: HashMap<(Oid, Oid), (Class, Vec<RepoPath>)>,
}

impl AutoResolver {
    /// Creates the resolver of a run. Panics outside the event loop's runtime.
    pub(crate) fn new(context: &Arc<Context>, cancel: &CancelHandle) -> AutoResolver {
        AutoResolver {
            environment: Environment {
                policy: policy(context),
                context: Arc::clone(context),
                cancel: cancel.clone(),
                runtime: Handle::current(),
            },
            known: Mutex::default(),
        }
    }

    /// Resolves a conflict as far as the strategies can.
    ///
    /// # Errors
    /// When git, the store or the executor fails; a failing program of the user's is a value.
    pub(crate) fn resolve(&self, conflict: &MergeConflict) -> Result<AutoResolution, EngineError> {
        let key = (conflict.tip, conflict.candidate);
        if let Some(known) = self.known().results.get(&key) {
            return Ok(known.clone());
        }
        let excluded = self.known().excluded.get(&conflict.candidate).cloned();
        let excluded = excluded.unwrap_or_default();
        let result = Strategies::new(&self.environment, conflict, excluded)?.resolve()?;
        fault::point("conflict", "resolved");
        // A result that was cut short with the run is unknown.
        if !self.environment.cancel.is_cancelled() {
            self.known().results.insert(key, result.clone());
        }
        Ok(result)
    }

    /// Returns the conflict that a task's candidate contains already resolved: by the user, or by
    /// the re-dispatched task itself.
    ///
    /// # Errors
    /// When git or the store fails.
    pub(crate) fn resolved_before(
        &self,
        task: &TaskState,
    ) -> Result<Option<Resolution>, EngineError> {
        let Some(conflict) = task.resolved_conflict() else {
            return Ok(None);
        };
        let by = match &task.manual_resolution {
            Some(_) => Resolver::Manual {},
            None => Resolver::Redispatched {
                on: conflict.with.clone(),
            },
        };
        let key = (conflict.chain_tip, conflict.candidate);
        if let Some((class, paths)) = self.known().resolved_before.get(&key).cloned() {
            return Ok(Some(Resolution { class, paths, by }));
        }
        let context = &self.environment.context;
        let Some(pair) = pair_verdict(context, conflict.chain_tip, conflict.candidate)? else {
            return Ok(None);
        };
        let (class, paths) = (pair.class, conflict_paths(&pair));
        let known = (class, paths.clone());
        self.known().resolved_before.insert(key, known);
        Ok(Some(Resolution { class, paths, by }))
    }

    /// Excludes the weakest strategy that a candidate's resolutions rest on, and returns it.
    pub(crate) fn exclude_weakest(
        &self,
        candidate: Oid,
        resolutions: &[Resolution],
        why: String,
    ) -> Option<ResolutionStrategy> {
        let strategies = resolutions.iter().map(|found| found.by.strategy());
        let weakest = strategies
            .filter(|rung| !rung.is_part_of_candidate())
            .max()?;
        let mut known = self.known();
        let excluded = known.excluded.entry(candidate).or_default();
        excluded.insert(weakest, why);
        known.results.retain(|(_, other), _| *other != candidate);
        Some(weakest)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is a single insertion, so a panic elsewhere leaves nothing half-done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds the policy from the settings and the installed tools.
pub fn policy(context: &Context) -> Policy {
    let settings = &context.settings.resolve;
    let tool = settings.structural.first();
    Policy {
        rules: settings.policy.clone(),
        regenerate: settings.regenerate.clone(),
        structural: tool.is_some_and(|tool| find_program(tool).is_some()),
        redispatch: false,
    }
}
