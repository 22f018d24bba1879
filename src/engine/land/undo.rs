//! Taking a landing back: the target moves to what it was before, if nothing came after.
//!
//! A checkout moves with it by git's own two-tree merge, which keeps unrelated local changes, staged
//! or not, and refuses before it changes anything when some are in the way.

use jiff::Timestamp;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::lock::Moving;
use crate::engine::land::{
    LandError, Prepared, free_backup, make_ready, make_sure_it_can_move, move_branch, only_checkout,
};
use crate::git::checkout_obstacle::refusal;
use crate::git::refs::branch_ref;
use crate::git::{Git, Store};
use crate::model::integration::Landing;
use crate::model::run::RunState;

/// What taking a landing back would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is to be done.
    Due(Prepared),
    /// The target is where it was before: a step that was cut off, or a person did it by hand.
    IsBack(Landing),
}

/// Looks at the target; changes nothing. `landing` of the result is the one that is taken back, with
/// the time and the backup of this step.
///
/// # Errors
/// Why it cannot be taken back.
pub fn prepare(context: &Context, state: &RunState, now: Timestamp) -> Result<Taken, LandError> {
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
        return Ok(Taken::IsBack(landing));
    }
    if found != landed.to {
        let after = match store.is_ancestor(landed.to, found)? {
            true => store.commits_above(found, Some(landed.to))?.len(),
            false => 0,
        };
        return Err(LandError::CameAfter {
            target,
            after,
            commit: landed.to,
        });
    }
    let checkout = only_checkout(context, &target)?;
    if let Some(place) = &checkout {
        make_sure_it_can_move(context, &target, place, landed.to, landed.from)?;
    }
    landing.backup = Some(free_backup(context, "unlanding", landed.to)?);
    Ok(Taken::Due(Prepared { landing, checkout }))
}

/// Moves the target back. Either it is where it was before the landing afterwards, or nothing has
/// changed.
///
/// # Errors
/// Why it did not move.
pub fn carry_out(context: &Context, moving: &Moving, prepared: &Prepared) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = &prepared.landing;
    let Some(place) = make_ready(context, prepared, *to)? else {
        return move_branch(context, target, *to, *from, "unland");
    };
    let git = moving.hold(Git::at(place).in_foreground());
    if git.line(&["rev-parse", "--verify", "HEAD"])? != to.to_string() {
        return Err(LandError::MovedMeanwhile(target.clone()));
    }
    fault::point("unlanding", "before the checkout moves");
    let trees = [to.to_string(), from.to_string()];
    let finished = git.finish(["read-tree", "-m", "-u", &trees[0], &trees[1]])?;
    if !finished.status.success() {
        return Err(LandError::CheckoutRefused {
            target: target.clone(),
            place: place.to_owned(),
            why: refusal(&finished),
        });
    }
    fault::point("unlanding", "after the files have moved");
    let why = format!("dispatch unland {}", context.run);
    let (name, [old, new]) = (branch_ref(target), &trees);
    if let Err(error) = git.run(&["update-ref", "-m", &why, &name, new, old]) {
        // Somebody else was faster; the files go back to where HEAD is.
        git.run(&["read-tree", "-m", "-u", &trees[1], &trees[0]])?;
        return Err(LandError::Engine(EngineError::from(error)));
    }
    fault::point("unlanding", "after the checkout has moved");
    Ok(())
}
