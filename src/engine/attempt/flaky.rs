//! Detects flaky attempts: one passes with the same files with which an earlier one failed, so it may
//! fail again the next time.

use crate::engine::EngineError;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::failure::FailureClass;
use crate::model::ids::{AttemptNumber, VariantNumber};
use crate::model::integration::CheckOutcome;
use crate::model::outcome::{End, Outcome};
use crate::model::task_state::TaskState;

/// Returns the attempt at the same task or variant before this one.
pub fn before(
    task: &TaskState,
    variant: Option<VariantNumber>,
    attempt: AttemptNumber,
) -> Option<AttemptNumber> {
    let mut earlier = task.attempts_of(variant).rev().map(|known| known.number);
    earlier.find(|number| *number < attempt)
}

/// Returns the last attempt before this one that failed because of its files, with the commit that
/// holds them. A limit, a network or a missing login tells nothing about files.
pub fn failed_before(
    task: &TaskState,
    variant: Option<VariantNumber>,
    attempt: AttemptNumber,
) -> Option<(AttemptNumber, Oid)> {
    let before = task.attempts_of(variant).rev();
    let mut failed = before.filter(|earlier| earlier.number < attempt && is_about_files(earlier));
    let failed = failed.next()?;
    let kept = failed.outcome.as_ref()?.kept;
    Some((failed.number, kept.or(failed.base)?))
}

fn is_about_files(attempt: &Attempt) -> bool {
    let Some(Outcome { end, checks, .. }) = &attempt.outcome else {
        return false;
    };
    let End::Failed(failure) = end else {
        return false;
    };
    let a_check_failed = checks.iter().any(|c| c.result != CheckOutcome::Passed);
    failure.class == FailureClass::Logic || a_check_failed
}

/// Returns the attempt of `failed_before` if its files are those of `tree`.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn same_files(
    store: &Store,
    failed_before: Option<(AttemptNumber, Oid)>,
    tree: Oid,
) -> Result<Option<AttemptNumber>, EngineError> {
    match failed_before {
        Some((attempt, commit)) if store.tree_of(commit)? == tree => Ok(Some(attempt)),
        _ => Ok(None),
    }
}
