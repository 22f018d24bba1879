//! Accepts an attempt: its work becomes the candidate, on the task's branch.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::attempt::carried_remarks::still_apply;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::elsewhere::{keep_commits_beside, keep_commits_elsewhere};
use crate::engine::attempt::flaky;
use crate::engine::attempt::job::recorded_identity;
use crate::engine::attempt::offer::Offer;
use crate::engine::attempt::secret_lines;
use crate::engine::spec::ByHand;
use crate::engine::worktree::log_mark::mark_end;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::merge::change::ChangeStat;
use crate::merge::oid::Oid;
use crate::model::ids::AttemptNumber;
use crate::model::integration::CheckResult;
use crate::model::outcome::{End, Outcome};
use crate::model::plan::Produces;
use crate::model::worker_report::WorkerReport;

/// The most output bytes of an `info` task that serve as its report if it wrote none.
const INFO_BYTES: u64 = 64 * 1024;

/// The most characters of a summary's first line that is the subject of its commit.
const SUBJECT: usize = 72;

/// Creates the candidate and returns the outcome of the attempt.
///
/// # Errors
/// When the store cannot be read or written.
pub(super) fn accept(
    case: &Case,
    store: &Store,
    offer: &Offer,
    checks: Vec<CheckResult>,
) -> Result<Outcome, EngineError> {
    let report = report(case, store, offer)?;
    let commit = || commit_candidate(case, store, offer, &report);
    let candidate = offer.changed.then(commit).transpose()?;
    let elsewhere = match candidate {
        Some(candidate) => keep_commits_beside(case, store, candidate)?,
        None => keep_commits_elsewhere(case, store)?,
    };
    fault::point("attempt", "accepted");
    let stat = match candidate {
        Some(_) => store.stat(store.tree_of(case.base)?, offer.tree)?,
        None => ChangeStat::default(),
    };
    let failed_before = case.execution.spec.failed_before;
    let flaky = flaky::same_files(store, failed_before, offer.tree)?;
    mark_end(&case.execution.context.repo, &case.worktree);
    case.worktree.unlock();
    let end = End::Passed {
        candidate,
        stat,
        info: info(case, &report),
    };
    let mut left_behind = [&offer.left_behind[..], &elsewhere].concat();
    if let Some(by_hand) = &case.execution.spec.by_hand {
        let earlier = &by_hand.left_behind;
        left_behind.extend(still_apply(store, earlier, &left_behind, candidate)?);
    }
    let secrets = secret_lines::find(case, store, candidate)?;
    let mut remarks = [&secrets[..], &remarks(case, offer, flaky), &left_behind].concat();
    if candidate.is_some() && is_forged(case, store, offer)? {
        remarks.push("its commits named another task, so one commit replaces them".to_owned());
    }
    Ok(Outcome {
        report,
        checks,
        undeclared: offer.outside.clone(),
        flaky,
        left_behind,
        secrets,
        ..case.outcome(end, remarks)
    })
}

/// Returns the worker's report; without a summary, that is the subject of its last commit. The summary of
/// work made by hand is the subject of the user's commit, if there is one.
fn report(case: &Case, store: &Store, offer: &Offer) -> Result<WorkerReport, EngineError> {
    let mut report = case.report_with_last_words();
    if let Some(by_hand) = &case.execution.spec.by_hand {
        report.summary = Some(summary_by_hand(case, store, by_hand)?);
    } else if report.summary.is_none() && offer.head != case.base {
        let message = store.commit(offer.head)?.message;
        report.summary = message.lines().next().map(str::to_owned);
    }
    Ok(report)
}

fn summary_by_hand(case: &Case, store: &Store, by_hand: &ByHand) -> Result<String, EngineError> {
    let context = &case.execution.context;
    let message = store.commit(by_hand.tip)?.message;
    let own = context.trailers(case.execution.spec.task, by_hand.attempt);
    let subject = message.lines().next().map(str::trim).unwrap_or_default();
    Ok(match subject {
        subject if !subject.is_empty() && !message.contains(own.trim_end()) => subject.to_owned(),
        _ => format!("made by hand on attempt {}", by_hand.attempt),
    })
}

fn commit_candidate(
    case: &Case,
    store: &Store,
    offer: &Offer,
    report: &WorkerReport,
) -> Result<Oid, EngineError> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    // A commit with a file that a copy or the set-up brought, which may be a secret, must not be in
    // the history that lands.
    let parent = match has_set_up(case, store, offer.head)? || is_forged(case, store, offer)? {
        true => case.base,
        false => offer.head,
    };
    let mut candidate = parent;
    let identity = recorded_identity(&case.execution.folder());
    if offer.tree != store.tree_of(parent)? {
        candidate = store.write_commit(&NewCommit {
            tree: offer.tree,
            parents: &[parent],
            message: &message(case, report),
            time: context.clock.now(),
            by: identity.as_ref().map_or(By::User, By::UserOf),
        })?;
    }
    let branch = context.attempt_branch(spec.of());
    let name = branch_ref(&branch);
    let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
    if !old.is_zero() && !store.is_ancestor(old, candidate)? {
        // The worker switched to another branch, or its commits are replaced by one; they are kept.
        keep(store, &context.attempt_ref(spec.task, spec.attempt), old)?;
    }
    if old != candidate {
        store.move_reference(&name, old, candidate, "dispatch: candidate")?;
    }
    store.settle(&case.worktree, &Head::Branch(branch))?;
    Ok(candidate)
}

/// Returns `true` if a commit of the worker has something that a copy or the set-up brought.
fn has_set_up(case: &Case, store: &Store, head: Oid) -> Result<bool, EngineError> {
    let Some(start) = StartingTree::read(&case.worktree).filter(|_| head != case.base) else {
        return Ok(false);
    };
    for (commit, _) in store.commits_above(head, Some(case.base))? {
        let tree = store.tree_of(commit)?;
        if start.work_in(store, &case.worktree.path, tree)?.tree != tree {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns `true` if a commit of the worker claims to be another task's. What readers of the history
/// learn from trailers must be true.
fn is_forged(case: &Case, store: &Store, offer: &Offer) -> Result<bool, EngineError> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let own = context.trailers(spec.task, spec.attempt);
    for (commit, _) in store.commits_above(offer.head, Some(case.base))? {
        let claims = claims_another(&store.commit(commit)?.message, &own);
        if claims && !is_result_of_another(case, store, commit)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns `true` if the last paragraph of a message names another run or task than the own trailers.
fn claims_another(message: &str, own: &str) -> bool {
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let mut lines = last.lines().map(str::trim_end);
    lines.any(|line| {
        let key = line.split_once(':').map_or("", |(key, _)| key.trim());
        let is_name = ["Dispatch-Run", "Dispatch-Task"]
            .iter()
            .any(|name| key.eq_ignore_ascii_case(name));
        is_name && own.lines().all(|own| own != line)
    })
}

/// Returns `true` for a commit on the branch of another task, which the worker merged.
fn is_result_of_another(case: &Case, store: &Store, commit: Oid) -> Result<bool, EngineError> {
    let context = &case.execution.context;
    let others = context.plan.tasks().iter().map(|task| task.number);
    for other in others.filter(|other| *other != case.execution.spec.task) {
        let tip = store.reference(&branch_ref(&context.branch(other)))?;
        if let Some(tip) = tip
            && store.is_ancestor(commit, tip)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn message(case: &Case, report: &WorkerReport) -> String {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let title = &context.plan.task(spec.task).title;
    let summary = report.summary.as_deref().map_or("", str::trim);
    let (first, rest) = summary.split_once('\n').unwrap_or((summary, ""));
    let (subject, body) = match first.chars().count() {
        0 => (title.as_str(), ""),
        1..=SUBJECT => (first, rest.trim()),
        _ => (title.as_str(), summary),
    };
    let trailers = context.trailers(spec.task, spec.attempt);
    match body {
        "" => format!("{subject}\n\n{trailers}"),
        body => format!("{subject}\n\n{body}\n\n{trailers}"),
    }
}

/// Returns the report of an `info` task: its summary, else its output.
fn info(case: &Case, report: &WorkerReport) -> Option<String> {
    let task = case.execution.spec.task;
    if case.execution.context.plan.task(task).fields.produces != Produces::Info {
        return None;
    }
    let printed = || {
        let text = case.output(INFO_BYTES);
        let is_text = !case.transcript.has_terminal_event();
        (is_text && !text.trim().is_empty()).then_some(text)
    };
    report.summary.clone().or_else(printed)
}

/// Returns the remarks on an attempt that passed anyway.
fn remarks(case: &Case, offer: &Offer, flaky: Option<AttemptNumber>) -> Vec<String> {
    let mut remarks = offer.remarks.clone();
    let hindrances = case.transcript.hindrances.iter();
    remarks.extend(hindrances.map(|what| format!("it was not allowed to: {what}")));
    if case.outlived_its_result() {
        remarks.push("it was still alive after its result and was ended".to_owned());
    }
    let attempt = case.execution.spec.attempt;
    remarks.extend(flaky.map(|earlier| {
        format!("flaky: attempt {earlier} failed with the same files, attempt {attempt} passed")
    }));
    remarks
}
