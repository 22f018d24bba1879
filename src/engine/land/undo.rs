//! Undoes a landing: the target moves back to its old commit, if nothing came after.
//!
//! A checkout moves with it by git's own two-tree merge, which keeps unrelated local changes, staged
//! or not, and refuses before it changes anything if some block the move.

use std::path::Path;

use jiff::Timestamp;

use crate::engine::kernel::context::Context;
use crate::engine::land::PreparedMove;
use crate::engine::land::checkout::CheckoutMove;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::engine::land::move_target::{
    backup_name, move_branch, prepare_checkout, refuse_blocked_checkout, single_checkout,
};
use crate::engine::runs::load::MovingMark;
use crate::git::refs::branch_ref;
use crate::git::{Git, Store};
use crate::merge::oid::Oid;
use crate::model::integration::Landing;
use crate::model::run::RunState;

/// The undoing of a landing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undo {
    /// The target moves back.
    Due(PreparedMove),
    /// The target is back already: the last undo was interrupted, or the user moved it.
    IsBack(Landing),
}

/// Inspects the target; changes nothing. The `landing` of the result is the one that is undone, with
/// the time and the backup of the undo.
///
/// # Errors
/// When the landing cannot be undone.
pub fn prepare(context: &Context, state: &RunState, now: Timestamp) -> Result<Undo, LandError> {
    let landed = state.landed.as_ref().ok_or(LandError::NotLanded)?;
    let target = landed.target.clone();
    if landed.from == landed.to {
        return Err(LandError::MovedNothing(target));
    }
    let store = Store::open(&context.repo)?;
    let found = store.reference(&branch_ref(&target)).ok().flatten();
    let found = found.ok_or_else(|| LandError::TargetGone(target.clone()))?;
    let mut landing = Landing {
        at: now,
        ..landed.clone()
    };
    if found == landed.from {
        return Ok(Undo::IsBack(landing));
    }
    refuse_later_commits(&store, landed, found)?;
    let checkout = single_checkout(context, &target)?;
    if let Some(place) = &checkout {
        refuse_blocked_checkout(context, &target, place, landed.to, landed.from)?;
    }
    landing.backup = Some(backup_name(context, "unlanding", landed.to)?);
    Ok(Undo::Due(PreparedMove { landing, checkout }))
}

fn refuse_later_commits(store: &Store, landed: &Landing, found: Oid) -> Result<(), LandError> {
    if found == landed.to {
        return Ok(());
    }
    let after = if store.is_ancestor(landed.to, found)? {
        store.commits_above(found, Some(landed.to))?.len()
    } else {
        0
    };
    Err(LandError::CameAfter {
        target: landed.target.clone(),
        after,
        commit: landed.to,
    })
}

/// Moves the target back. It is at its old commit afterwards, or nothing has changed.
///
/// # Errors
/// When it could not move.
pub fn move_back(
    context: &Context,
    lock: &LandLock,
    prepared: &PreparedMove,
) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = &prepared.landing;
    let place = prepare_checkout(context, prepared, *to)?;
    let _mark = MovingMark::make(&context.repo, &context.run)?;
    match place {
        Some(place) => move_checkout_back(context, lock, &prepared.landing, place),
        None => move_branch(context, lock, target, [*to, *from], "unland"),
    }
}

fn move_checkout_back(
    context: &Context,
    lock: &LandLock,
    landing: &Landing,
    place: &Path,
) -> Result<(), LandError> {
    let moved = CheckoutMove {
        // Nothing but `reference-transaction` and `post-index-change` runs here.
        git: Git::at(place).with_hooks(),
        lock,
        branch: &landing.target,
        place,
        old: landing.to,
        new: landing.from,
        why: format!("dispatch unland {}", context.run),
        name: "unlanding",
    };
    moved.run()
}
