//! Fails an attempt: keeps its work and classifies the failure.

use jiff::tz::TimeZone;

use crate::base::fault;
use crate::base::text::{clip, error_chain};
use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::content::remains;
use crate::engine::attempt::denied;
use crate::engine::attempt::elsewhere::{keep_commits_beside, keep_work_elsewhere};
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::spec::time_limits;
use crate::engine::worktree::remains::{Remains, keep_remains};
use crate::exec::Exit;
use crate::failure::classify::classify_with;
use crate::failure::evidence::{Evidence, Fact};
use crate::failure::exit_status;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::merge::oid::Oid;
use crate::model::failure::FailureClass;
use crate::model::integration::CheckResult;
use crate::model::kept_changes::KeptChanges;
use crate::model::outcome::{End, Outcome};

/// The most bytes at the end of a worker's output that are searched for the cause of a failure.
const TAIL_BYTES: u64 = 16 * 1024;

/// Keeps the work of an attempt that did not pass, and classifies its failure.
///
/// # Errors
/// When its work cannot be kept for a reason that passes.
pub(super) async fn fail(
    case: Case,
    fact: Option<Fact>,
    checks: Vec<CheckResult>,
) -> Result<Outcome, EngineError> {
    let mut remarks = Vec::new();
    let kept = match keep(&case).await {
        Ok(kept) => {
            remarks.extend(kept.remarks);
            kept.commit
        }
        // The cause is temporary, so the attempt is judged again.
        Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
        Err(error) => {
            let why = error_chain(&error);
            remarks.push(format!("what it left could not be kept: {why}"));
            None
        }
    };
    let is_unchanged = fact == Some(Fact::NoChange);
    remarks.extend(elsewhere(&case, kept, is_unchanged).await?);
    let remains = describe(&case, kept).await;
    let facts = fact.into_iter().chain(facts(&case)).collect();
    Ok(Outcome {
        checks,
        kept,
        kept_changes: remains,
        ..case.outcome(classify(&case, facts), remarks)
    })
}

/// Keeps the work that is elsewhere. A failure to find it must not hide that of the attempt.
async fn elsewhere(
    case: &Case,
    kept: Option<Oid>,
    is_unchanged: bool,
) -> Result<Vec<String>, EngineError> {
    let case = case.clone();
    let found = blocking(move || {
        let store = Store::open(&case.execution.context.repo)?;
        if is_unchanged {
            return keep_work_elsewhere(&case, &store, kept);
        }
        keep_commits_beside(&case, &store, kept.unwrap_or(case.base))
    });
    match found.await {
        Err(error) if is_full(&error) || error.is_killed_git() => Err(error),
        Err(error) => {
            let why = error_chain(&error);
            Ok(vec![format!(
                "work that it left elsewhere could not be found: {why}"
            )])
        }
        found => found,
    }
}

async fn keep(case: &Case) -> Result<Remains, EngineError> {
    let case = case.clone();
    blocking(move || {
        let (context, spec) = (&case.execution.context, &case.execution.spec);
        let store = Store::open(&context.repo)?;
        fault::point("remains", "before they are kept");
        let (base, worktree) = (case.base, &case.worktree);
        let remains = keep_remains(context, &store, spec.task, spec.attempt, base, worktree)?;
        leave_on_branch(&case, &store, remains.commit)?;
        Ok(remains)
    })
    .await
}

/// Leaves the worktree on its branch if the user's commits there could not be taken, so that the next
/// one goes there, too.
fn leave_on_branch(case: &Case, store: &Store, kept: Option<Oid>) -> Result<(), EngineError> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let branch = context.attempt_branch(spec.of());
    let is_by_hand = spec.by_hand.is_some() && kept.is_some();
    if is_by_hand && store.reference(&branch_ref(&branch))? == kept {
        store.settle(&case.worktree, &Head::Branch(branch))?;
    }
    Ok(())
}

/// Describes the kept commit. Its size is only displayed, so errors are ignored.
async fn describe(case: &Case, kept: Option<Oid>) -> Option<KeptChanges> {
    let (repo, base) = (case.execution.context.repo.clone(), case.base);
    let described = blocking(move || remains(&repo, base, kept)).await;
    described.unwrap_or_default()
}

fn classify(case: &Case, facts: Vec<Fact>) -> End {
    let context = &case.execution.context;
    let evidence = Evidence {
        facts,
        exit: match case.end.exit {
            Exit::Code(code) => Some(exit_status::Exit::Code(code)),
            Exit::Signal(signal) => Some(exit_status::Exit::Signal(signal)),
            _ => None,
        },
        error: case.report.error.clone(),
        tail: last_lines(case),
        stream: Some(case.transcript.clone()),
        now: Some(context.clock.now().to_zoned(TimeZone::system())),
    };
    let failure = classify_with(&evidence, &context.patterns);
    let failure = denied::explain(case, &evidence.tail, failure);
    match failure.class {
        FailureClass::Interrupted => End::Interrupted {},
        _ => End::Failed(failure),
    }
}

/// Returns the text in which the cause of a failure is searched: never the events, which hold the
/// agent's own messages and the files it read.
fn last_lines(case: &Case) -> String {
    if case.transcript.has_terminal_event() {
        case.transcript.stray.join("\n")
    } else {
        case.output(TAIL_BYTES)
    }
}

/// Returns the facts that dispatch itself knows about the worker's end.
fn facts(case: &Case) -> Vec<Fact> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let (timeout, stall_timeout) = time_limits(context, spec);
    let read_only = spec.worker.read_only_option().map(Fact::ReadOnly);
    let mut facts = Vec::from_iter(read_only);
    if case.outlived_its_result() {
        return facts;
    }
    match case.passed_limit() {
        Some(passed) => facts.push(passed),
        None if case.end.stopped || case.execution.cancel.is_cancelled() => {
            facts.push(Fact::Stopped);
        }
        None => {}
    }
    match &case.end.exit {
        Exit::TimedOut => facts.push(Fact::TimedOut(timeout)),
        Exit::Stalled => facts.push(Fact::Stalled(stall_timeout)),
        Exit::NotStarted(said) => facts.push(Fact::CouldNotStart(clip(said, 200))),
        Exit::Code(_) | Exit::Signal(_) => {}
    }
    facts
}
