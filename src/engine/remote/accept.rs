//! Takes the end of an attempt over from the remote: checks it, and moves the references of the run.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::outcome_record::{
    OutcomeRecord, SET_UP_LOG, WORKER_LOG, keeps_work_of, read_log,
};
use crate::engine::runs::log::{LogPart, keep_log_of_node};
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::outcome::Outcome;

/// The names by which a record must be that of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The package that the run pushed.
    pub(super) package: Oid,
    /// The claim on the remote, if it is still there.
    pub(super) claim: Option<Oid>,
}

/// The reason to refuse a record with facts that no node posts about this attempt.
const NOT_OF_NODE: &str = "it tells more than a node does of this attempt";

/// Returns `true` if a fact is one that the node of an attempt posts. All others are for the run to decide,
/// and whoever can push to the remote could forge them.
pub(super) fn is_fact_of((of_task, of_attempt): AttemptKey, fact: &Event) -> bool {
    match fact {
        Event::AttemptStarted { task, attempt, .. } => (*task, *attempt) == (of_task, of_attempt),
        Event::DependenciesConflict { task, attempt, .. } => {
            (*task, *attempt) == (of_task, Some(of_attempt))
        }
        Event::ProgressReported { task, .. } => *task == of_task,
        _ => false,
    }
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
    context.repo.with_store(|store| {
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
        let key = spec.key();
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
    if record.claim.is_none() && (record.outcome.is_some() || !record.kept.is_empty()) {
        return invalid("it has a result, and no node that claimed the attempt".to_owned());
    }
    if !record.facts.iter().all(|fact| is_fact_of(spec.key(), fact)) {
        return invalid(NOT_OF_NODE.to_owned());
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::ids::TaskNumber;

    #[test]
    fn a_node_tells_of_its_own_attempt_and_decides_nothing() {
        let key = (TaskNumber(2), 3);
        let is_own = |json: serde_json::Value| {
            let fact: Event = serde_json::from_value(json).unwrap();
            is_fact_of(key, &fact)
        };
        let zero = Oid::ZERO.to_string();
        let started = |task: u32, attempt: u32| {
            is_own(serde_json::json!({
                "event": "attempt-started", "task": task, "attempt": attempt, "base": zero,
            }))
        };
        assert!(started(2, 3));
        assert!(!started(2, 4));
        assert!(!started(1, 3));
        let noted = |task: u32| {
            is_own(serde_json::json!({"event": "progress-reported", "task": task, "note": "x"}))
        };
        assert!(noted(2));
        assert!(!noted(9999));
        let conflict = |attempt: Option<u32>| {
            is_own(serde_json::json!({
                "event": "dependencies-conflict", "task": 2, "class": "content", "between": [],
                "paths": [], "attempt": attempt,
            }))
        };
        assert!(conflict(Some(3)));
        assert!(!conflict(Some(2)));
        assert!(!conflict(None));
        assert!(!is_own(
            serde_json::json!({"event": "task-cancelled", "task": 2})
        ));
        assert!(!is_own(
            serde_json::json!({"event": "redispatch-failed", "task": 2})
        ));
    }
}
