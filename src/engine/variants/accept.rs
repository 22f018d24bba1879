//! Makes the candidate of the chosen variant that of the task.
//!
//! Every step can be repeated: a process that resumes the run takes all of them again.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::prepare::detach_earlier;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, TaskNumber, TaskVariant};
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_state::TaskState;

/// Moves the branch of a task to the candidate of its chosen variant. The candidates of all variants
/// are kept under the references of their attempts, and their branches are deleted.
///
/// # Errors
/// When the branch is checked out in another worktree, was moved meanwhile, or a reference cannot
/// be written.
pub fn accept(context: &Context, state: &RunState, task: TaskNumber) -> Result<(), EngineError> {
    let now = state.task(task);
    let chosen = now.variant_choice();
    let Some(winner) = chosen.and_then(|choice| now.attempt(choice.attempt)) else {
        return Ok(());
    };
    fault::point("variant", "before its branch moves");
    context.repo.with_store(|store| {
        keep_candidates(context, store, task, now)?;
        if let Some(candidate) = candidate_of(winner) {
            move_branch(context, store, task, now, candidate)?;
            fault::point("variant", "with its branch moved");
        }
        drop_branches(context, store, task, now)
    })?;
    if candidate_of(winner).is_some() {
        check_out(context, task, winner)?;
    }
    fault::point("variant", "accepted");
    Ok(())
}

pub(super) fn candidate_of(attempt: &Attempt) -> Option<Oid> {
    match &attempt.outcome.as_ref()?.end {
        End::Passed { candidate, .. } => *candidate,
        _ => None,
    }
}

fn keep_candidates(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    now: &TaskState,
) -> Result<(), EngineError> {
    let of_variants = now.attempts.iter().filter(|known| known.variant.is_some());
    for attempt in of_variants {
        if let Some(candidate) = candidate_of(attempt) {
            keep(store, &context.attempt_ref(task, attempt.number), candidate)?;
        }
    }
    Ok(())
}

fn move_branch(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    now: &TaskState,
    candidate: Oid,
) -> Result<(), EngineError> {
    let branch = context.branch(task);
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    if old == candidate {
        return Ok(());
    }
    if !old.is_zero() {
        detach_earlier(context, &branch, old)?;
        let made_by = now.attempts.iter().rev();
        let made_by = made_by.filter(|known| candidate_of(known) == Some(old));
        let number = made_by.map(|known| known.number).next();
        let number = number.unwrap_or_else(|| last_number(now));
        keep(store, &context.attempt_ref(task, number), old)?;
    }
    Ok(store.move_reference(&name, old, candidate, "dispatch: variant chosen")?)
}

fn last_number(now: &TaskState) -> AttemptNumber {
    now.last_attempt().map_or(1, |last| last.number)
}

/// Deletes the branches of the variants, whose commits have other references.
fn drop_branches(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    now: &TaskState,
) -> Result<(), EngineError> {
    let count = now.variants.as_ref().map_or(0, |set| set.count);
    for variant in (1..=count).map(Some) {
        let branch = context.attempt_branch(TaskVariant { task, variant });
        let name = branch_ref(&branch);
        let Some(tip) = store.reference(&name)? else {
            continue;
        };
        if let Some(last) = now.last_attempt_of(variant)
            && candidate_of(last) != Some(tip)
            && Some(tip) != last.base
        {
            keep(store, &context.attempt_ref(task, last.number), tip)?;
        }
        detach_earlier(context, &branch, tip)?;
        store.delete_reference(&name, tip)?;
    }
    Ok(())
}

/// Checks the task's branch out in the worktree of the chosen attempt, which shows its files.
fn check_out(context: &Context, task: TaskNumber, winner: &Attempt) -> Result<(), EngineError> {
    let path = context.recorded_worktree(&winner.worktree);
    let worktree = context.repo.find_worktree(&path);
    let Some(worktree) = worktree.filter(Worktree::exists) else {
        return Ok(());
    };
    // After its attempt, the user may have checked out something else there.
    if worktree.head() == candidate_of(winner).map(Head::Detached) {
        worktree.set_head(&Head::Branch(context.branch(task)))?;
    }
    Ok(())
}
