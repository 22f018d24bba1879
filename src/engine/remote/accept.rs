//! Takes the end of an attempt over from the remote: checks it, and moves the references of the run.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::outcome_record::{
    OutcomeRecord, SET_UP_LOG, WORKER_LOG, keeps_work_of, read_log,
};
use crate::engine::remote::package::with_store;
use crate::engine::runs::log::{LogPart, keep_log_of_node};
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::outcome::Outcome;

/// The names by which a record must be that of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The package that the run pushed.
    pub(super) package: Oid,
    /// The claim on the remote, if it is still there.
    pub(super) claim: Option<Oid>,
}

/// Reads the fetched end of an attempt, checks it, and moves the branch of the task.
///
/// # Errors
/// When the record does not belong to the attempt, or a reference cannot be moved.
pub(super) fn take_over(
    context: &Context,
    spec: &AttemptSpec,
    end: Oid,
    expected: Expected,
) -> Result<OutcomeRecord, RemoteError> {
    with_store(context, |store| {
        let record = OutcomeRecord::read(store, end)?;
        check(context, store, spec, &record, expected)?;
        match (record.candidate(), record.base()) {
            (Some(candidate), _) => move_branch(context, store, spec, candidate)?,
            (None, Some(base)) => make_branch(context, store, spec, base)?,
            (None, None) => {}
        }
        for (name, commit) in &record.kept {
            if store.reference(name)?.is_none() {
                store.move_reference(name, Oid::ZERO, *commit, "dispatch: kept by a node")?;
            }
        }
        fault::point("remote", "with its references");
        let key = (spec.task, spec.attempt);
        for (part, name) in [(LogPart::Worker, WORKER_LOG), (LogPart::SetUp, SET_UP_LOG)] {
            if let Some(log) = read_log(store, end, name) {
                let kept = keep_log_of_node(&context.repo, &context.run, key, part, &log);
                kept.map_err(|error| EngineError::File("the log of an attempt".to_owned(), error))?;
            }
        }
        Ok(record)
    })
}

/// Refuses a record that is not the end of this attempt, or names what is not the attempt's.
fn check(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
    record: &OutcomeRecord,
    expected: Expected,
) -> Result<(), RemoteError> {
    let invalid = |why: String| {
        Err(RemoteError::Invalid {
            what: format!("the end of attempt {} at {}", spec.attempt, spec.task),
            why,
        })
    };
    if record.package != expected.package {
        return invalid("it is the end of another package".to_owned());
    }
    if expected.claim.is_some() && record.claim.is_some() && record.claim != expected.claim {
        return invalid("it is from a node that did not claim the attempt".to_owned());
    }
    let is_of_task = |fact: &crate::model::event::Event| fact.task() == Some(spec.task);
    if !record.facts.iter().all(is_of_task) {
        return invalid("it tells of another task".to_owned());
    }
    let own = context.attempt_ref(spec.task, spec.attempt);
    let mut kept = record.kept.iter();
    if let Some((name, _)) = kept.find(|(name, _)| !keeps_work_of(&own, name)) {
        return invalid(format!("it names {name}, which is not the attempt's"));
    }
    let commits = record.outcome.iter().flat_map(Outcome::commits);
    let kept = record.kept.iter().map(|(_, commit)| *commit);
    if let Some(missing) = commits.chain(kept).find(|commit| !store.has(*commit)) {
        return invalid(format!("it lacks {}", missing.short()));
    }
    match (record.candidate(), record.base()) {
        (Some(_), None) => invalid("it has a candidate and no base".to_owned()),
        (Some(candidate), Some(base)) if !store.is_ancestor(base, candidate)? => invalid(format!(
            "{} is not based on {}",
            candidate.short(),
            base.short()
        )),
        _ => Ok(()),
    }
}

/// Makes the branch of an attempt without a candidate at its base, unless there is one.
fn make_branch(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
    base: Oid,
) -> Result<(), RemoteError> {
    let name = branch_ref(&context.attempt_branch(spec.of()));
    match store.reference(&name)? {
        Some(_) => Ok(()),
        None => Ok(store.move_reference(&name, Oid::ZERO, base, "dispatch: attempt on a node")?),
    }
}

/// Moves the branch of the attempt to its candidate. Commits of others on it are kept.
fn move_branch(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
    candidate: Oid,
) -> Result<(), RemoteError> {
    let branch = context.attempt_branch(spec.of());
    let name = branch_ref(&branch);
    let old = store.reference(&name)?;
    if old == Some(candidate) {
        return Ok(());
    }
    if let Some(place) = context.repo.checkouts_of(&branch).first() {
        return Err(EngineError::Refused(format!(
            "the branch {branch} is checked out in {}, so it is not moved to the result",
            place.display()
        ))
        .into());
    }
    if let Some(old) = old
        && !store.is_ancestor(old, candidate)?
        && !spec.known.contains(&old)
    {
        keep(store, &context.attempt_ref(spec.task, spec.attempt), old)?;
    }
    let old = old.unwrap_or(Oid::ZERO);
    Ok(store.move_reference(&name, old, candidate, "dispatch: candidate of a node")?)
}
