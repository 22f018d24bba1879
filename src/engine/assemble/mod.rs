//! Merges the candidates onto the integration branch, in order and in memory, never partially.
//!
//! The merges are a chain of two-parent commits over trees whose board file is the base's (the
//! *code chain*); the published branch has the same trees with the board in them. So a prediction,
//! the published branch and a later landing differ in nothing but the board. The checks run on the
//! chain, before anything is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::assembly::exclusion::FailingSet;
use crate::assembly::order::{Order, assembly_order};
use crate::assembly::selection;
use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::assemble::cache::CachedAssembly;
use crate::engine::assemble::verify::{Verification, roll_back, verify, without_culprits};
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::candidates::order_input;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::resolve::auto::AutoResolver;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::Integration;
use crate::model::resolution::Resolution;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

pub mod cache;
pub(crate) mod chain;
pub(crate) mod commit_message;
pub(crate) mod history;
pub(crate) mod integration_branch;
mod replay;
mod step;
pub(crate) mod trailers;
pub(crate) mod verify;

use chain::Chain;

/// Assembles the candidates of a state and reports each step to the loop.
pub async fn run(context: Arc<Context>, state: RunState, cancel: CancelHandle, post: Post) {
    let mut tries = 1..MOST_TRIES;
    let result = loop {
        let result = assemble(&context, state.clone(), &cancel, &post).await;
        match &result {
            Err(error) if tries.next().is_some() && error.is_worth_a_repetition(&context.repo) => {}
            _ => break result,
        }
    };
    // The loop ends only with the program.
    let _ = post.send(Message::Assembled(result));
}

/// Assembles, and returns what keeps the commits until the journal names them.
async fn assemble(
    context: &Arc<Context>,
    state: RunState,
    cancel: &CancelHandle,
    post: &Post,
) -> Result<Vec<KeptCommit>, EngineError> {
    let record = |event| drop(post.send(Message::Fact(event)));
    if let Some(cached) = cached(context, &state).await? {
        let (order, integration) = (cached.order, cached.integration);
        record(Event::AssemblyStarting { order });
        record(Event::Assembled { integration });
        return Ok(Vec::new());
    }
    let candidates = select(context, &state, post).await?;
    let resolver = Arc::new(AutoResolver::new(context, cancel));
    let assembly = Assembly {
        context,
        state: &state,
        candidates: &candidates,
        resolver: &resolver,
        cancel,
        post,
    };
    let Some((chain, verification)) = assembly.verified_chain().await? else {
        // Stopped: nothing is recorded, and the next call starts again.
        return Ok(Vec::new());
    };
    fault::point("assembly", "checked");
    let context = Arc::clone(context);
    let published =
        blocking(move || publish(&context, &state, candidates, chain, verification, &resolver));
    let (integration, kept) = published.await?;
    record(Event::Assembled { integration });
    Ok(kept)
}

/// The number of times that a chain is built again.
const MOST_TRIES: u32 = 10;

/// The candidates to try, in order.
struct Candidates {
    order: Vec<TaskNumber>,
    selection: selection::Selection,
    conflicts: Vec<TaskConflict>,
}

async fn select(
    context: &Arc<Context>,
    state: &RunState,
    post: &Post,
) -> Result<Arc<Candidates>, EngineError> {
    let (context, state, post) = (Arc::clone(context), state.clone(), post.clone());
    blocking(move || {
        let record = |event| drop(post.send(Message::Fact(event)));
        let conflicts = candidate_conflicts(&context, &state)?;
        if conflicts != state.conflicts {
            let conflicts = conflicts.clone();
            record(Event::ConflictsFound { conflicts });
        }
        let Order { steps, selection } =
            assembly_order(&order_input(&context, &state, &conflicts)?);
        let order: Vec<TaskNumber> = steps.into_iter().map(|step| step.task).collect();
        let announced = order.clone();
        record(Event::AssemblyStarting { order: announced });
        fault::point("assembly", "ordered");
        Ok(Arc::new(Candidates {
            order,
            selection,
            conflicts,
        }))
    })
    .await
}

/// One assembly while its chain is built and verified.
struct Assembly<'a> {
    context: &'a Arc<Context>,
    state: &'a RunState,
    candidates: &'a Arc<Candidates>,
    resolver: &'a Arc<AutoResolver>,
    cancel: &'a CancelHandle,
    post: &'a Post,
}

impl Assembly<'_> {
    /// Builds a chain and checks it until no resolution makes a check fail. Returns `None` when the
    /// run was stopped meanwhile.
    async fn verified_chain(&self) -> Result<Option<(Chain, Verification)>, EngineError> {
        let mut runs = 0;
        loop {
            let chain = self.chain().await?;
            if self.cancel.is_cancelled() {
                return Ok(None);
            }
            self.announce_resolutions(&chain);
            let verified = verify(self.context, self.state, &chain, self.resolver, self.cancel);
            let Some(mut verification) = verified.await? else {
                return Ok(None);
            };
            runs += verification.runs;
            let rolled_back = roll_back(&chain, self.resolver, &verification);
            if rolled_back.is_empty() {
                verification.runs = runs;
                return Ok(Some((chain, verification)));
            }
            rolled_back.into_iter().for_each(|event| self.record(event));
        }
    }

    async fn chain(&self) -> Result<Chain, EngineError> {
        let (context, state) = (Arc::clone(self.context), self.state.clone());
        let (candidates, resolver) = (Arc::clone(self.candidates), Arc::clone(self.resolver));
        blocking(move || {
            let Candidates {
                order,
                selection,
                conflicts,
            } = &*candidates;
            let mut tries = 0..MOST_TRIES;
            let mut chain = loop {
                match Chain::build(&context, &state, order, conflicts, &resolver) {
                    // A `git gc` has removed a tree before a commit named it.
                    Err(error)
                        if tries.next().is_some() && error.is_worth_a_repetition(&context.repo) => {
                    }
                    built => break built?,
                }
            };
            chain.add_untried(&state, order, selection);
            fault::point("assembly", "merged");
            Ok(chain)
        })
        .await
    }

    /// Records the resolutions of a chain before they are used.
    fn announce_resolutions(&self, chain: &Chain) {
        for step in &chain.steps {
            // A resolution inside a candidate was recorded when it was made.
            let is_new = |found: &&Resolution| !found.by.strategy().is_part_of_candidate();
            let resolutions: Vec<_> = step.resolved.iter().filter(is_new).cloned().collect();
            if !resolutions.is_empty() {
                let task = step.task;
                self.record(Event::ConflictResolved { task, resolutions });
            }
        }
    }

    fn record(&self, event: Event) {
        // The loop ends only with the program.
        let _ = self.post.send(Message::Fact(event));
    }
}

/// Moves the integration branch to the candidates that passed, and caches the result.
fn publish(
    context: &Context,
    state: &RunState,
    candidates: Arc<Candidates>,
    chain: Chain,
    verification: Verification,
    resolver: &AutoResolver,
) -> Result<(Integration, Vec<KeptCommit>), EngineError> {
    let chain = without_culprits(chain, context, state, &verification, resolver)?;
    let (integration, kept) = integration_branch::publish(chain, context, state)?;
    let integration = Integration {
        checks: verification.checks,
        culprits: verification.culprits,
        check_runs: verification.runs,
        ..integration
    };
    let Candidates {
        order, conflicts, ..
    } = &*candidates;
    CachedAssembly::save(context, state, conflicts, order.clone(), &integration)?;
    Ok((integration, kept))
}

async fn cached(
    context: &Arc<Context>,
    state: &RunState,
) -> Result<Option<CachedAssembly>, EngineError> {
    let (context, state) = (Arc::clone(context), state.clone());
    blocking(move || CachedAssembly::load(&context, &state)).await
}

/// Predicts an assembly from pairs of candidates and earlier check results: the order with the
/// reasons, and the conflicts it rests on. Nothing is merged, checked or written.
///
/// # Errors
/// When git's engine fails as a whole.
pub fn predict(
    context: &Context,
    state: &RunState,
) -> Result<(Order, Vec<TaskConflict>), EngineError> {
    let conflicts = candidate_conflicts(context, state)?;
    let input = order_input(context, state, &conflicts)?;
    let built_on = input.tasks.iter();
    let built_on = built_on.map(|task| (task.number, task.depends_on.clone()));
    let failing = known_failures(&context.settings.assemble.check, state);
    let order = assembly_order(&input).without_failing(&failing, &built_on.collect());
    Ok((order, conflicts))
}

/// Returns the sets that failed a check in the last assembly and whose candidates are the same.
fn known_failures(checks: &[String], state: &RunState) -> Vec<FailingSet> {
    let Some(integration) = &state.integration else {
        return Vec::new();
    };
    let merged = integration.merged.iter();
    let left_out = integration.left_out.iter();
    let tried: BTreeMap<TaskNumber, Oid> = merged
        .map(|merged| (merged.task, merged.candidate))
        .chain(left_out.map(|out| (out.task, out.candidate)))
        .collect();
    let is_same = |task: &TaskNumber| {
        let now = state.task(*task).candidate();
        now.is_some() && now == tried.get(task).copied()
    };
    let known = integration.culprits.iter().filter_map(|culprit| {
        let mut tasks = culprit.with.clone();
        tasks.push(culprit.task);
        let holds = checks.contains(&culprit.command) && tasks.iter().all(is_same);
        holds.then(|| FailingSet {
            command: culprit.command.clone(),
            timed_out: culprit.timed_out,
            tasks,
        })
    });
    known.collect()
}
