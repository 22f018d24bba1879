//! The ladder: what may settle a candidate's conflict with what is in already, rung by rung, from
//! the surest to a person ([`crate::engine::resolve::policy`]).
//!
//! A candidate is settled as a whole or not at all. What comes out is verified by the checks with
//! everything else; where they fail because of it, the weakest rung it stands on is barred and the
//! climb begins anew (`Ladder::roll_back`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::base::fault;
use crate::base::process::find_program;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{conflict_paths, pair_verdict};
use crate::engine::kernel::cancel::Leash;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::policy::Policy;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;
use crate::model::resolution::{Resolution, Resolver, RungName, TriedRung};
use crate::model::run::TaskState;

use crate::engine::resolve::strategies::Climber;
pub(crate) use crate::engine::resolve::strategies::meetings;

/// What settles conflicts in one assembly.
pub(crate) struct Ladder {
    pub context: Arc<Context>,
    pub policy: Policy,
    pub leash: Leash,
    pub runtime: Handle,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The rungs that did not hold for a candidate, and why.
    barred: BTreeMap<Oid, BTreeMap<RungName, String>>,
    /// What came of each climb, so that tools run once.
    climbs: HashMap<(Oid, Oid), Climb>,
    /// The conflicts that candidates hold settled already.
    before: HashMap<(Oid, Oid), (Class, Vec<RepoPath>)>,
}

/// A candidate that does not merge with what is in.
pub(crate) struct Clash {
    /// What is in.
    pub(crate) tip: Oid,
    /// The candidate.
    pub(crate) candidate: Oid,
    /// The commit it was built on, if that is not the base of the run.
    pub(crate) own_base: Option<Oid>,
}

/// How far a climb came.
#[derive(Clone, Debug)]
pub(crate) enum Climb {
    /// Everything is settled.
    Settled {
        /// The merged tree.
        tree: Oid,
        /// What settled what.
        resolutions: Vec<Resolution>,
    },
    /// Something is not.
    Stuck {
        /// The class of the worst unit.
        class: Class,
        /// The paths.
        paths: Vec<RepoPath>,
        /// What was tried.
        tried: Vec<TriedRung>,
    },
}

impl Ladder {
    /// The ladder of a run. Must be made inside the event loop's runtime.
    pub(crate) fn new(context: &Arc<Context>, leash: &Leash) -> Ladder {
        Ladder {
            policy: policy(context),
            context: Arc::clone(context),
            leash: leash.clone(),
            runtime: Handle::current(),
            known: Mutex::default(),
        }
    }

    /// Tries to settle a clash.
    ///
    /// # Errors
    /// When git, the store or the executor fails; a program of the user's that fails is a value.
    pub(crate) fn climb(&self, clash: &Clash) -> Result<Climb, EngineError> {
        let key = (clash.tip, clash.candidate);
        if let Some(known) = self.known().climbs.get(&key) {
            return Ok(known.clone());
        }
        let climb = Climber::new(self, clash)?.climb()?;
        fault::point("ladder", "climbed");
        // What was cut short with the run says nothing.
        if !self.leash.is_pulled() {
            self.known().climbs.insert(key, climb.clone());
        }
        Ok(climb)
    }

    /// What the conflict was that a task's result holds settled already, and by what: a person, or
    /// the task itself when it was done again.
    ///
    /// # Errors
    /// When git or the store fails.
    pub(crate) fn settled_before(
        &self,
        task: &TaskState,
    ) -> Result<Option<Resolution>, EngineError> {
        let Some(onto) = task.stands_on() else {
            return Ok(None);
        };
        let by = match &task.by_hand {
            Some(_) => Resolver::ByHand {},
            None => Resolver::Redispatched {
                on: onto.with.clone(),
            },
        };
        let key = (onto.commit, onto.candidate);
        if let Some((class, paths)) = self.known().before.get(&key).cloned() {
            return Ok(Some(Resolution { class, paths, by }));
        }
        let Some(pair) = pair_verdict(&self.context, onto.commit, onto.candidate)? else {
            return Ok(None);
        };
        let (class, paths) = (pair.class, conflict_paths(&pair));
        self.known().before.insert(key, (class, paths.clone()));
        Ok(Some(Resolution { class, paths, by }))
    }

    /// Bars the weakest rung that a candidate stands on, because the checks fail with it.
    pub(crate) fn roll_back(
        &self,
        candidate: Oid,
        resolutions: &[Resolution],
        why: String,
    ) -> Option<RungName> {
        let rungs = resolutions.iter().map(|found| found.by.rung());
        let weakest = rungs.filter(|rung| !rung.is_in_the_result()).max()?;
        let mut known = self.known();
        let barred = known.barred.entry(candidate).or_default();
        barred.insert(weakest, why);
        known.climbs.retain(|(_, other), _| *other != candidate);
        Some(weakest)
    }

    pub(super) fn barred(&self, candidate: Oid) -> BTreeMap<RungName, String> {
        let known = self.known();
        known.barred.get(&candidate).cloned().unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is a single insertion, so a panic elsewhere leaves nothing half-done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the settings allow, and what is installed.
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
