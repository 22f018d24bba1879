//! Moves the integration branch to an assembled chain in one step, or not at all.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::assemble::chain::Chain;
use crate::engine::assemble::history::HistoryWriter;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::integration_record::{announce, is_ours};
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::integration::{Integration, Merged};
use crate::model::run::RunState;

/// Writes a chain with and without boards in the configured history, and moves the branch. Returns
/// what keeps the commits that only the journal will name.
pub(super) fn publish(
    chain: Chain,
    context: &Context,
    state: &RunState,
) -> Result<(Integration, Vec<KeptCommit>), EngineError> {
    let store = Store::open(&context.repo)?;
    let name = branch_ref(&context.integration_branch());
    let _hold = context.hold_integration();
    let old = store.reference(&name)?;
    refuse_checked_out(context)?;
    let board_tip = match old {
        Some(tip) => last_board_commit(&store, context, tip)?,
        None => context.base,
    };
    let file = &context.settings.board.file;
    let board = store.entry(store.tree_of(board_tip)?, file)?;
    let base_board = store.entry(store.tree_of(context.base)?, file)?;
    let writer = HistoryWriter::new(context, state, &store, &chain.steps)?;
    let code = writer.write(context.base, base_board)?;
    let published = writer.write(board_tip, board)?;
    let tip = published.commits.last().copied().unwrap_or(board_tip);
    fault::point("assembly", "written");
    move_branch(context, &store, &name, old, tip)?;
    fault::point("assembly", "on its branch");
    let integration = Integration {
        merged: merged(&chain, &published.commits),
        tip: Some(tip),
        code_tip: Some(code.commits.last().copied().unwrap_or(context.base)),
        chain_tip: Some(chain.tip(context)),
        left_out: chain.left_out,
        ..Integration::default()
    };
    Ok((integration, vec![chain.kept, code.kept]))
}

fn merged(chain: &Chain, commits: &[Oid]) -> Vec<Merged> {
    let steps = chain.steps.iter().zip(commits);
    let merged = steps.map(|(step, commit)| Merged {
        task: step.task,
        candidate: step.candidate,
        commit: *commit,
        resolved: step.resolved.clone(),
    });
    merged.collect()
}

/// Returns the last board commit of the integration branch, below the assembled commits.
/// The user's own commits are not rewound, and nothing is put on top of them.
///
/// # Errors
/// [`EngineError::NotOurs`] when the branch has a commit that is not of this run.
pub(crate) fn last_board_commit(
    store: &Store,
    context: &Context,
    tip: Oid,
) -> Result<Oid, EngineError> {
    let branch = context.integration_branch();
    if is_ours(store, &branch, tip)? == Some(false) {
        return Err(not_ours(context, tip));
    }
    let mut board_tip = tip;
    let mut walked = tip;
    while walked != context.base {
        let commit = store.commit(walked)?;
        let is_ours = commit.trailer("Dispatch-Run") == Some(context.run.as_str());
        let (true, Some(parent)) = (is_ours, commit.parents.first()) else {
            return Err(not_ours(context, walked));
        };
        if commit.trailer("Dispatch-Task").is_some() {
            board_tip = *parent;
        }
        walked = *parent;
    }
    Ok(board_tip)
}

fn not_ours(context: &Context, commit: Oid) -> EngineError {
    let branch = context.integration_branch();
    EngineError::NotOurs(format!(
        "{branch} has a commit that is not of this run ({}); give it another name with \
         `git branch --move {branch} NAME`",
        commit.short(),
    ))
}

fn refuse_checked_out(context: &Context) -> Result<(), EngineError> {
    let branch = context.integration_branch();
    match context.repo.checkouts_of(&branch).first() {
        None => Ok(()),
        Some(place) => Err(EngineError::NotOurs(format!(
            "{branch} is checked out in {}; check out another branch there",
            place.display(),
        ))),
    }
}

/// Moves the branch. The old tip is kept, since the user may have seen it.
fn move_branch(
    context: &Context,
    store: &Store,
    name: &str,
    old: Option<Oid>,
    tip: Oid,
) -> Result<(), EngineError> {
    refuse_checked_out(context)?;
    announce(&context.repo, &context.integration_branch(), old, tip)?;
    let Some(old) = old else {
        return Ok(store.move_reference(name, Oid::ZERO, tip, "dispatch: assembled")?);
    };
    if !store.is_ancestor(old, tip)? {
        let kept = format!("refs/dispatch/attempts/{}/integration/1", context.run);
        keep(store, &kept, old)?;
    }
    if old != tip {
        store.move_reference(name, old, tip, "dispatch: assembled")?;
    }
    Ok(())
}
