//! The move itself: looked at once more, what the target was kept, then one step.

use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::lock::Moving;
use crate::engine::land::{LandError, Prepared};
use crate::git::checkout_obstacle::{Obstacle, obstacle, refusal};
use crate::git::refs::branch_ref;
use crate::git::{Git, Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::integration::Landing;

/// Moves the target. Either it is at its new commit afterwards, or nothing has changed.
///
/// # Errors
/// Why the target did not move.
pub fn carry_out(context: &Context, moving: &Moving, prepared: &Prepared) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = &prepared.landing;
    match make_ready(context, prepared, *from)? {
        Some(place) => {
            fault::point("landing", "before the checkout moves");
            move_checkout(moving, target, place, *from, *to)?;
            fault::point("landing", "after the checkout has moved");
            Ok(())
        }
        None => move_branch(context, target, *from, *to, "land"),
    }
}

/// The last look before the target moves, and the reference that keeps what it was. Gives where it is
/// checked out, if it is.
pub(crate) fn make_ready<'a>(
    context: &Context,
    prepared: &'a Prepared,
    old: Oid,
) -> Result<Option<&'a Path>, LandError> {
    let target = &prepared.landing.target;
    if only_checkout(context, target)? != prepared.checkout {
        return Err(LandError::CheckoutChanged(target.clone()));
    }
    if let Some(backup) = &prepared.landing.backup {
        keep_backup(context, backup, old)?;
    }
    Ok(prepared.checkout.as_deref())
}

/// Moves a target that is not checked out.
pub(crate) fn move_branch(
    context: &Context,
    target: &str,
    from: Oid,
    to: Oid,
    what: &str,
) -> Result<(), LandError> {
    let store = Store::open_durable(&context.repo)?;
    let why = format!("dispatch {what} {}", context.run);
    match store.move_reference(&branch_ref(target), from, to, &why) {
        Err(StoreError::Moved { .. }) => Err(LandError::MovedMeanwhile(target.to_owned())),
        other => Ok(other?),
    }
}

fn move_checkout(
    moving: &Moving,
    target: &str,
    place: &Path,
    from: Oid,
    to: Oid,
) -> Result<(), LandError> {
    let git = moving.hold(Git::at(place).with_hooks());
    if git.line(&["rev-parse", "--verify", "HEAD"])? != from.to_string() {
        return Err(LandError::MovedMeanwhile(target.to_owned()));
    }
    let finished = git.finish([
        "merge",
        "--ff-only",
        "--quiet",
        // An ignored file may be the only copy there is; git would overwrite it by default.
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

/// Where a branch is checked out, if it is and may be moved there.
pub(crate) fn only_checkout(context: &Context, target: &str) -> Result<Option<PathBuf>, LandError> {
    if let Some((place, what)) = context.repo.rebase_or_bisect_of(target) {
        let target = target.to_owned();
        return Err(LandError::BeingRewritten {
            target,
            place,
            what,
        });
    }
    let mut checkouts = context.repo.checkouts_of(target);
    match checkouts.len() {
        0 | 1 => Ok(checkouts.pop()),
        _ => Err(LandError::SeveralCheckouts(target.to_owned())),
    }
}

/// Said before hooks run, a key is asked for, or a person is.
pub(crate) fn make_sure_it_can_move(
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

/// The reference that will keep what the target was: the first one of the run that is free, or
/// keeps it already.
pub(crate) fn free_backup(context: &Context, what: &str, old: Oid) -> Result<String, LandError> {
    let store = Store::open(&context.repo)?;
    for number in 1.. {
        let name = format!("refs/dispatch/backups/{}/{what}-{number}", context.run);
        match store.reference(&name)? {
            Some(found) if found != old => {}
            _ => return Ok(name),
        }
    }
    Err(LandError::Nothing)
}

/// Makes the announced reference that keeps what the target was.
fn keep_backup(context: &Context, name: &str, old: Oid) -> Result<(), LandError> {
    let store = Store::open_durable(&context.repo)?;
    if store.reference(name)? == Some(old) {
        return Ok(());
    }
    Ok(store.move_reference(name, Oid::ZERO, old, "dispatch: kept")?)
}
