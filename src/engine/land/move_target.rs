//! Moves the target of a landing in one step, after a last check and a backup.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::PreparedMove;
use crate::engine::land::branch_move::BranchMove;
use crate::engine::land::checkout::CheckoutMove;
use crate::engine::land::error::LandError;
use crate::engine::land::lock::LandLock;
use crate::engine::runs::load::MovingMark;
use crate::git::checkout_obstacle::{Obstacle, obstacle};
use crate::git::{Git, Store};
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
    let place = prepare_checkout(context, prepared, *from)?;
    let _mark = MovingMark::make(&context.repo, &context.run)?;
    match place {
        Some(place) => move_checkout(context, lock, &prepared.landing, place),
        None => move_branch(context, lock, target, [*from, *to], "land"),
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

/// Moves a target that is not checked out from one commit to another.
pub(super) fn move_branch(
    context: &Context,
    lock: &LandLock,
    target: &str,
    [old, new]: [Oid; 2],
    command: &str,
) -> Result<(), LandError> {
    let moved = BranchMove {
        git: &lock.hold(context.repo.git().with_hooks()),
        branch: target,
        old,
        new,
        why: &format!("dispatch {command} {}", context.run),
    };
    moved.run()
}

/// Finishes an announced landing whose files have moved while its branch has not. Returns `false`
/// if they have not moved.
pub(super) fn finish(
    context: &Context,
    lock: &LandLock,
    landing: &Landing,
) -> Result<bool, LandError> {
    let Some(place) = single_checkout(context, &landing.target)? else {
        return Ok(false);
    };
    let has_moved = has_files_of(&place, landing.from, landing.to)?;
    if has_moved {
        let _mark = MovingMark::make(&context.repo, &context.run)?;
        move_checkout(context, lock, landing, &place)?;
    }
    Ok(has_moved)
}

/// Returns `true` if the index has every path that differs between the two as the second has it.
fn has_files_of(place: &Path, from: Oid, to: Oid) -> Result<bool, LandError> {
    let git = Git::at(place);
    let (from, to) = (from.to_string(), to.to_string());
    let names = |args: &[&str]| -> Result<BTreeSet<Vec<u8>>, LandError> {
        let output = git.run(args)?;
        let names = output.split(|byte| *byte == 0);
        Ok(names
            .map(<[u8]>::to_vec)
            .filter(|name| !name.is_empty())
            .collect())
    };
    let differs = ["--no-renames", "--name-only", "-z"];
    let moved = names(&[&["diff-tree", "-r"], &differs[..], &[&from, &to]].concat())?;
    let missing = names(&[&["diff-index", "--cached"], &differs[..], &[&to]].concat())?;
    Ok(moved.is_disjoint(&missing) && !moved.is_empty())
}

fn move_checkout(
    context: &Context,
    lock: &LandLock,
    landing: &Landing,
    place: &Path,
) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = landing;
    refuse_blocked_checkout(context, target, place, *from, *to)?;
    let git = Git::at(place).with_hooks();
    let moved = CheckoutMove {
        git: git.clone(),
        lock,
        branch: target,
        place,
        old: *from,
        new: *to,
        why: format!("dispatch land {}", context.run),
        name: "landing",
    };
    moved.run()?;
    let git = lock.hold(git);
    // As after `git merge`: what was there before, and the hook, whose exit code does not matter.
    git.finish(["update-ref", "ORIG_HEAD", &from.to_string()])?;
    git.finish(["hook", "run", "--ignore-missing", "post-merge", "--", "0"])?;
    Ok(())
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
    // Hooks of a landing that was killed have left this one.
    let hooks = context.landing_worktree();
    let missing = context.repo.missing_checkout(target);
    if let Some(missing) = missing.filter(|missing| missing.path != hooks) {
        return Err(LandError::CheckoutMissing(missing));
    }
    let mut checkouts = context.repo.checkouts_of(target);
    checkouts.retain(|place| *place != hooks);
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
