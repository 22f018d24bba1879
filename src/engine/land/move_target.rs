//! Moves the target of a landing in one step, after a last check and a backup.

use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::PreparedMove;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::git::checkout_obstacle::{Obstacle, obstacle, refusal};
use crate::git::refs::branch_ref;
use crate::git::{Git, Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::integration::Landing;

/// Moves the target. It is at its new commit afterwards, or nothing has changed.
///
/// # Errors
/// When it could not move.
pub fn move_target(
    context: &Context,
    lock: &LandLock,
    prepared: &PreparedMove,
) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = &prepared.landing;
    match prepare_checkout(context, prepared, *from)? {
        Some(place) => {
            fault::point("landing", "before the checkout moves");
            move_checkout(lock, target, place, *from, *to)?;
            fault::point("landing", "after the checkout has moved");
            Ok(())
        }
        None => move_branch(context, target, *from, *to, "land"),
    }
}

/// Checks the target a last time, backs up its old commit, and returns its checkout if it has one.
pub(super) fn prepare_checkout<'a>(
    context: &Context,
    prepared: &'a PreparedMove,
    old: Oid,
) -> Result<Option<&'a Path>, LandError> {
    let target = &prepared.landing.target;
    if single_checkout(context, target)? != prepared.checkout {
        return Err(LandError::CheckoutChanged(target.clone()));
    }
    if let Some(backup) = &prepared.landing.backup {
        write_backup(context, backup, old)?;
    }
    Ok(prepared.checkout.as_deref())
}

/// Moves a target that is not checked out.
pub(super) fn move_branch(
    context: &Context,
    target: &str,
    from: Oid,
    to: Oid,
    command: &str,
) -> Result<(), LandError> {
    let store = Store::open_durable(&context.repo)?;
    let why = format!("dispatch {command} {}", context.run);
    match store.move_reference(&branch_ref(target), from, to, &why) {
        Err(StoreError::Moved { .. }) => Err(LandError::MovedMeanwhile(target.to_owned())),
        other => Ok(other?),
    }
}

fn move_checkout(
    lock: &LandLock,
    target: &str,
    place: &Path,
    from: Oid,
    to: Oid,
) -> Result<(), LandError> {
    let git = lock.hold(Git::at(place).with_hooks());
    if git.line(&["rev-parse", "--verify", "HEAD"])? != from.to_string() {
        return Err(LandError::MovedMeanwhile(target.to_owned()));
    }
    let finished = git.finish([
        "merge",
        "--ff-only",
        "--quiet",
        // An ignored file may be the only copy; git would overwrite it by default.
        "--no-overwrite-ignore",
        &to.to_string(),
    ])?;
    if finished.status.success() {
        return Ok(());
    }
    let (target, place) = (target.to_owned(), place.to_owned());
    Err(LandError::CheckoutRefused {
        target,
        place,
        why: refusal(&finished),
    })
}

/// Returns the checkout of a branch, if it has one in which it may be moved.
pub(super) fn single_checkout(
    context: &Context,
    target: &str,
) -> Result<Option<PathBuf>, LandError> {
    if let Some((place, what)) = context.repo.rebase_or_bisect_of(target) {
        let target = target.to_owned();
        return Err(LandError::BeingRewritten {
            target,
            place,
            what,
        });
    }
    let mut checkouts = context.repo.checkouts_of(target);
    if checkouts.len() > 1 {
        return Err(LandError::SeveralCheckouts(target.to_owned()));
    }
    Ok(checkouts.pop())
}

/// Rejects a checkout whose changes block the move, before hooks run or the user is asked.
pub(super) fn refuse_blocked_checkout(
    context: &Context,
    target: &str,
    place: &Path,
    from: Oid,
    to: Oid,
) -> Result<(), LandError> {
    let scratch = context.repo.dispatch_folder().join("stage");
    match obstacle(place, &scratch, from, to).map_err(EngineError::from)? {
        None => Ok(()),
        Some(Obstacle::Untracked(file)) if file == context.settings.board.file => {
            let place = place.to_owned();
            Err(LandError::BoardInTheWay { place, file })
        }
        Some(why) => Err(LandError::CheckoutRefused {
            target: target.to_owned(),
            place: place.to_owned(),
            why,
        }),
    }
}

/// Returns the name of the reference for the old commit of the target: the first of the run that is
/// free, or has that commit.
pub(super) fn backup_name(context: &Context, what: &str, old: Oid) -> Result<String, LandError> {
    let store = Store::open(&context.repo)?;
    let mut number = 1;
    loop {
        let name = format!("refs/dispatch/backups/{}/{what}-{number}", context.run);
        match store.reference(&name)? {
            Some(found) if found != old => number += 1,
            _ => return Ok(name),
        }
    }
}

/// Writes the announced reference that keeps the old commit of the target.
fn write_backup(context: &Context, name: &str, old: Oid) -> Result<(), LandError> {
    let store = Store::open_durable(&context.repo)?;
    if store.reference(name)? == Some(old) {
        return Ok(());
    }
    Ok(store.move_reference(name, Oid::ZERO, old, "dispatch: kept")?)
}
