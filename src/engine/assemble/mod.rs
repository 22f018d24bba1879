//! Putting the candidates onto the integration branch: in memory, in order, never half-merged.
//!
//! The merges are a chain of two-parent commits over trees whose board file is the base's (the
//! *code chain*); what is published has the same trees with the board in them. So a prediction,
//! the published branch and what lands later cannot differ in anything but the board. The checks
//! run on the chain, before anything is published.

use crate::engine::candidates::order_input;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::assembly::exclusion::Failing;
use crate::assembly::order::{Order, assembly_order};
use crate::assembly::selection::Choice;
use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::assemble::bisect::{Tried, try_candidates};
use crate::engine::assemble::cache::Settled;
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::kernel::cancel::Leash;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::effect::{Message, Post, blocking};
use crate::engine::resolve::auto::Ladder;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::Integration;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

pub mod bisect;
mod branch;
pub mod cache;
mod chain;
pub mod history;
mod message;

pub use crate::engine::assemble::branch::rewound;
pub(crate) use crate::engine::assemble::chain::{Chain, Step};
pub(crate) use crate::engine::assemble::message::{message, settled_paragraph, settled_trailers};

/// Assembles the candidates of a state and posts what happened, step by step.
pub async fn run(context: Arc<Context>, state: RunState, leash: Leash, post: Post) {
    let result = assemble(&context, state, &leash, &post).await;
    // The loop is gone only when the program ends; then there is nobody left to tell.
    let _ = post.send(Message::Assembled(result));
}

async fn assemble(
    context: &Arc<Context>,
    state: RunState,
    leash: &Leash,
    post: &Post,
) -> Result<(), EngineError> {
    if let Some(settled) = recalled(context, &state).await? {
        let (order, integration) = (settled.order, settled.integration);
        let _ = post.send(Message::Fact(Event::AssemblyStarting { order }));
        let _ = post.send(Message::Fact(Event::Assembled { integration }));
        return Ok(());
    }
    let wanted = wanted(context, &state, post).await?;
    let ladder = Arc::new(Ladder::new(context, leash));
    let Some((chain, tried)) = verified(context, &state, &wanted, &ladder, leash, post).await?
    else {
        // Stopped: nothing is recorded, and the next call assembles anew.
        return Ok(());
    };
    fault::point("assembly", "checked");
    let context = Arc::clone(context);
    let integration = blocking(move || {
        let chain = chain.without(&context, &state, &tried, &ladder)?;
        let integration = Integration {
            checks: tried.checks,
            guilty: tried.guilty,
            check_runs: tried.runs,
            ..chain.publish(&context, &state)?
        };
        let Wanted {
            order, conflicts, ..
        } = wanted;
        Settled::keep(&context, &state, &conflicts, order, &integration)?;
        Ok(integration)
    });
    let integration = integration.await?;
    let _ = post.send(Message::Fact(Event::Assembled { integration }));
    Ok(())
}

/// What is to be tried, in order.
#[derive(Clone)]
struct Wanted {
    order: Vec<TaskNumber>,
    choice: Choice,
    conflicts: Vec<TaskConflict>,
}

async fn wanted(
    context: &Arc<Context>,
    state: &RunState,
    post: &Post,
) -> Result<Wanted, EngineError> {
    let (context, state, post) = (Arc::clone(context), state.clone(), post.clone());
    blocking(move || {
        let fact = |event| drop(post.send(Message::Fact(event)));
        let conflicts = candidate_conflicts(&context, &state)?;
        if conflicts != state.conflicts {
            fact(Event::ConflictsFound {
                conflicts: conflicts.clone(),
            });
        }
        let Order { steps, choice } = assembly_order(&order_input(&context, &state, &conflicts)?);
        let order: Vec<TaskNumber> = steps.into_iter().map(|step| step.task).collect();
        fact(Event::AssemblyStarting {
            order: order.clone(),
        });
        fault::point("assembly", "ordered");
        Ok(Wanted {
            order,
            choice,
            conflicts,
        })
    })
    .await
}

/// The chain with what the checks say about it. What settled a conflict and makes a check fail is
/// taken back, and the chain is built anew. `None` when the run was stopped meanwhile.
async fn verified(
    context: &Arc<Context>,
    state: &RunState,
    wanted: &Wanted,
    ladder: &Arc<Ladder>,
    leash: &Leash,
    post: &Post,
) -> Result<Option<(Chain, Tried)>, EngineError> {
    let mut runs = 0;
    loop {
        let chain = {
            let (context, state, ladder) = (Arc::clone(context), state.clone(), ladder.clone());
            let wanted = wanted.clone();
            blocking(move || {
                let (order, conflicts) = (&wanted.order, &wanted.conflicts);
                let mut chain = Chain::build(&context, &state, order, conflicts, &ladder)?;
                chain.add_untried(&state, order, &wanted.choice);
                fault::point("assembly", "merged");
                Ok(chain)
            })
            .await?
        };
        if leash.is_pulled() {
            return Ok(None);
        }
        chain.announce_settled(post);
        let Some(mut tried) = try_candidates(context, state, &chain, ladder, leash).await? else {
            return Ok(None);
        };
        runs += tried.runs;
        let rolled_back = chain.roll_back(ladder, &tried);
        if rolled_back.is_empty() {
            tried.runs = runs;
            return Ok(Some((chain, tried)));
        }
        for event in rolled_back {
            let _ = post.send(Message::Fact(event));
        }
    }
}

async fn recalled(
    context: &Arc<Context>,
    state: &RunState,
) -> Result<Option<Settled>, EngineError> {
    let (context, state) = (Arc::clone(context), state.clone());
    blocking(move || Settled::recall(&context, &state)).await
}

/// What would be assembled now, in which order and why, as far as pairs of candidates and what the
/// checks said before can tell; nothing is merged, checked or written. With the conflicts it rests on.
///
/// # Errors
/// When git's engine fails as a whole.
pub fn foresee(
    context: &Context,
    state: &RunState,
) -> Result<(Order, Vec<TaskConflict>), EngineError> {
    let conflicts = candidate_conflicts(context, state)?;
    let input = order_input(context, state, &conflicts)?;
    let built_on = input.tasks.iter();
    let built_on = built_on.map(|task| (task.number, task.depends_on.clone()));
    let failing = known_to_fail(context, state);
    let order = assembly_order(&input).without_failing(&failing, &built_on.collect());
    Ok((order, conflicts))
}

/// The sets that the last assembly saw fail, as far as nothing of them has changed since.
fn known_to_fail(context: &Context, state: &RunState) -> Vec<Failing> {
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
    let checks = &context.settings.assemble.check;
    let known = integration.guilty.iter().filter_map(|guilty| {
        let mut tasks = guilty.with.clone();
        tasks.push(guilty.task);
        let holds = checks.contains(&guilty.command) && tasks.iter().all(is_same);
        holds.then(|| Failing {
            command: guilty.command.clone(),
            timed_out: guilty.timed_out,
            tasks,
        })
    });
    known.collect()
}
