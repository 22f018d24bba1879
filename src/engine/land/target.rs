//! Inspects the target of a landing, and checks if the run can land there now.

use std::path::PathBuf;

use crate::engine::EngineError;
use crate::engine::assemble::integration_branch::last_board_commit;
use crate::engine::kernel::context::Context;
use crate::engine::land::LandOptions;
use crate::engine::land::error::LandError;
use crate::engine::land::move_target::single_checkout;
use crate::git::merge_engine::MergeEngine;
use crate::git::missing_checkout::MissingCheckout;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::merge::answer::MergeAnswer;
use crate::merge::oid::Oid;
use crate::model::integration::{BaseComparison, CheckResult, Integration};
use crate::model::run::RunState;

/// The target of a landing, and the integration branch that lands on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LandTarget {
    /// The target branch.
    pub branch: String,
    /// Its tip.
    pub from: Oid,
    /// Its checkout, if there is one.
    pub checkout: Option<PathBuf>,
    /// The target already contains everything: a landing was interrupted before it was recorded, or
    /// the user merged the integration branch.
    pub is_contained: bool,
    /// The target has commits that the assembled work was not made and checked with.
    pub has_moved: bool,
    /// The tip of the integration branch right after assembly.
    pub(super) tip: Oid,
    /// The same without boards.
    pub(super) code_tip: Oid,
}

/// Inspects the target and the integration branch; changes nothing.
///
/// # Errors
/// When the run cannot land.
pub fn inspect(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
) -> Result<LandTarget, LandError> {
    let integration = landable(state, options)?;
    let store = Store::open(&context.repo)?;
    let into = options.into.as_deref();
    let into = into.map(|branch| context.repo.real_branch(branch));
    let branch = into.or(state.target.clone());
    let branch = branch.ok_or(LandError::NoTarget)?;
    let from = store.reference(&branch_ref(&branch)).ok().flatten();
    let from = from.ok_or_else(|| LandError::TargetGone(branch.clone()))?;
    let checkout = single_checkout(context, &branch)?;
    let (Some(code_tip), Some(tip)) = (integration.code_tip, integration.tip) else {
        return Err(LandError::Nothing);
    };
    refuse_foreign_commits(context, &store)?;
    let has_moved = !store.is_ancestor(from, code_tip)?;
    let is_contained = is_contained(context, &store, from, code_tip)?;
    if !is_contained {
        refuse_rewound(&store, state, options, &branch, from)?;
    }
    Ok(LandTarget {
        is_contained,
        has_moved,
        branch,
        from,
        checkout,
        tip,
        code_tip,
    })
}

/// Finds the missing folder in which the target of a run that has not landed is checked out.
pub fn missing_checkout(repo: &Repo, state: &RunState) -> Option<MissingCheckout> {
    let target = state.target.as_deref().filter(|_| state.landed.is_none())?;
    repo.missing_checkout(target)
}

/// Returns the assembled work of a run, if it may land.
pub(super) fn landable<'a>(
    state: &'a RunState,
    options: &LandOptions,
) -> Result<&'a Integration, LandError> {
    if let Some(landed) = &state.landed {
        let (target, commit) = (landed.target.clone(), landed.to);
        return Err(LandError::Landed { target, commit });
    }
    let integration = state.integration.as_ref().ok_or(LandError::Nothing)?;
    if integration.merged.is_empty() {
        return Err(LandError::Nothing);
    }
    if !integration.checks_passed() && !options.force {
        let is_old =
            |check: &CheckResult| check.against_base == Some(BaseComparison::AlreadyFailing);
        let failed = integration.checks.iter().filter(|check| !check.passed());
        // A check that the tasks broke comes before one that fails without them.
        let failed = failed.min_by_key(|check| is_old(check));
        return Err(LandError::ChecksFailed {
            command: failed.map_or_else(String::new, |check| check.command.clone()),
            on_base: failed.is_some_and(is_old),
        });
    }
    Ok(integration)
}

/// Rejects foreign commits on the integration branch: only commits that the run recorded would
/// land.
fn refuse_foreign_commits(context: &Context, store: &Store) -> Result<(), LandError> {
    if let Some(tip) = store.reference(&branch_ref(&context.integration_branch()))? {
        last_board_commit(store, context, tip)?;
    }
    Ok(())
}

/// Refuses a target that was reset to before the base of the run: landing would bring back commits
/// that were removed on purpose. A branch that the user names gets the base without asking.
fn refuse_rewound(
    store: &Store,
    state: &RunState,
    options: &LandOptions,
    target: &str,
    from: Oid,
) -> Result<(), LandError> {
    let (target, base) = (target.to_owned(), state.base);
    if store.merge_bases(base, from)?.is_empty() {
        return Err(LandError::Unrelated { target, base });
    }
    let is_own = state.target.as_ref() == Some(&target);
    if options.allow_rewound || !is_own || store.is_ancestor(base, from)? {
        return Ok(());
    }
    let along = store.commits_above(base, Some(from))?.len();
    Err(LandError::Rewound {
        target,
        base,
        along,
    })
}

/// Returns `true` if merging the assembled work would not change the target.
fn is_contained(
    context: &Context,
    store: &Store,
    from: Oid,
    code_tip: Oid,
) -> Result<bool, LandError> {
    let engine = MergeEngine::writing(&context.repo, from).map_err(EngineError::from)?;
    let tree = store.tree_of(from)?;
    match engine.merge(from, code_tip).map_err(EngineError::from)? {
        MergeAnswer::Done(result) => Ok(result.is_sound() && result.tree == tree),
        MergeAnswer::Failed(_) => Ok(false),
    }
}
