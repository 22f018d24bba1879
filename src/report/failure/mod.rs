//! The failure report: failed tasks with cause, impact and the command that helps.

use std::collections::BTreeMap;

use crate::base::markdown::plain_line;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::bill::Bill;
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber, VariantNumber};
use crate::model::kept_changes::KeptChanges;
use crate::model::outcome::End;
use crate::model::plan::Strategy;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::usage::{Cost, Usage};
use crate::report::completion::{Completion, Remark};
use crate::report::suggest;

/// The content of the failure report, independent of its format.
#[derive(Clone, PartialEq, Debug)]
pub struct FailureReport {
    pub(crate) run: RunId,
    pub(crate) failed: Vec<FailedTask>,
    pub(crate) conflicted: Vec<ConflictedTask>,
    pub(crate) healthy: Vec<HealthyTask>,
    pub(crate) total: usize,
    pub(crate) blocked: BlockedCount,
    /// Remarks on the tasks that passed.
    pub(crate) issues: Vec<Remark>,
    /// The results of the other tasks, once they were assembled.
    pub(crate) assembled: Option<Completion>,
    /// The tokens and the cost, if any agent reports them.
    pub(crate) bill: Option<Bill>,
}

/// A task whose last attempt failed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct FailedTask {
    pub(crate) number: TaskNumber,
    pub(crate) tag: String,
    pub(crate) title: String,
    pub(crate) worker: String,
    pub(crate) background: bool,
    pub(crate) worktree: String,
    pub(crate) failure: Failure,
    /// The kept work of the last attempt.
    pub(crate) kept: Option<Oid>,
    /// Remarks of dispatch on the last attempt.
    pub(crate) remarks: Vec<String>,
    pub(crate) retries: usize,
    /// The changes in that work.
    pub(crate) kept_changes: Option<KeptChanges>,
    /// The reason why a retryable failure was not retried.
    pub(crate) retry_end: RetryEnd,
    pub(crate) attempts: Vec<AttemptLine>,
    pub(crate) blocks: Vec<(TaskNumber, String)>,
    /// `true` if its shell command in the plan has to change.
    pub(crate) needs_plan_edit: bool,
    pub(crate) command: String,
}

/// The reason why a retryable failure is not retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RetryEnd {
    /// The task's retries are used up.
    RetriesUsedUp,
    /// It failed in the same way twice.
    Repeated,
    /// The run's retry budget, of this size, is spent.
    BudgetSpent(u32),
}

/// One attempt of a failed task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct AttemptLine {
    pub(crate) number: AttemptNumber,
    /// The number of the retry of the task or variant; 0 for the initial attempt, even if it was interrupted and repeated.
    pub(crate) retry: usize,
    /// The variant of the task.
    pub(crate) variant: Option<VariantNumber>,
    pub(crate) worker: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost: Cost,
    pub(crate) millis: u64,
    pub(crate) end: AttemptEnd,
}

/// The end of an attempt of a failed task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum AttemptEnd {
    Failed(FailureClass, String),
    Passed,
    Interrupted,
    /// The worker's quota was used up.
    Parked(String),
    /// The set-up of the worktree failed.
    SetupFailed(String),
    Running,
}

impl FailedTask {
    /// Returns `true` if the worker never ran because the worktree set-up failed.
    pub(crate) fn is_setup_failure(&self) -> bool {
        self.failure.kind == Some(FailureKind::Setup)
    }
}

impl AttemptLine {
    fn counts(&self) -> bool {
        !matches!(
            self.end,
            AttemptEnd::Interrupted | AttemptEnd::Parked(_) | AttemptEnd::SetupFailed(_)
        )
    }
}

/// A task whose dependencies conflict.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ConflictedTask {
    pub(crate) number: TaskNumber,
    pub(crate) tag: String,
    pub(crate) title: String,
    pub(crate) class: Class,
    pub(crate) between: Vec<TaskNumber>,
    pub(crate) paths: Vec<RepoPath>,
    pub(crate) blocks: Vec<(TaskNumber, String)>,
    /// The command that retries the conflicting task.
    pub(crate) command: String,
}

/// Any other task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HealthyTask {
    pub(crate) number: TaskNumber,
    pub(crate) title: String,
    pub(crate) status: Status,
    /// `true` if it passed with the same tree it failed with.
    pub(crate) flaky: bool,
}

/// The number of blocked tasks by the worst reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct BlockedCount {
    pub(crate) by_failure: usize,
    pub(crate) by_conflict: usize,
    pub(crate) given_up: usize,
}

impl FailureReport {
    /// Builds the report; `None` if no task failed, was cancelled or is blocked.
    pub fn new(state: &RunState) -> Option<FailureReport> {
        let completion = Completion::new(state);
        let mut report = FailureReport {
            run: state.run.clone(),
            failed: Vec::new(),
            conflicted: Vec::new(),
            healthy: Vec::new(),
            total: state.tasks.len(),
            blocked: BlockedCount::new(state),
            issues: completion.issues.clone(),
            assembled: Some(completion).filter(|_| is_assembled(state)),
            bill: Bill::of(state),
        };
        for task in state.plan.tasks() {
            report.add(state, task.number);
        }
        let affected = report.failed.len() + report.conflicted.len() + report.blocked.total();
        (affected + report.count(&Status::Cancelled) > 0).then_some(report)
    }

    fn add(&mut self, state: &RunState, number: TaskNumber) {
        let title = &state.plan.task(number).title;
        match &state.task(number).phase {
            TaskPhase::DependenciesConflict {
                class,
                between,
                paths,
            } => self.conflicted.push(ConflictedTask {
                number,
                tag: state.plan.task(number).tag.clone(),
                title: title.clone(),
                class: *class,
                between: between.clone(),
                paths: paths.clone(),
                blocks: blocks(state, number),
                command: suggest::retry(&state.run, between.last().copied().unwrap_or(number)),
            }),
            phase => match (phase, failed_task(state, number)) {
                (TaskPhase::Failed, Some(failed)) => self.failed.push(failed),
                _ => self.healthy.push(HealthyTask {
                    number,
                    title: title.clone(),
                    status: state.status(number),
                    flaky: state.is_flaky(number),
                }),
            },
        }
    }

    /// Counts the healthy tasks with this status.
    pub(crate) fn count(&self, status: &Status) -> usize {
        let same = |task: &&HealthyTask| task.status == *status;
        self.healthy.iter().filter(same).count()
    }
}

impl BlockedCount {
    fn new(state: &RunState) -> BlockedCount {
        let mut count = BlockedCount::default();
        for blockers in state.blockers().iter().filter(|all| !all.is_empty()) {
            let phases = || blockers.iter().map(|number| &state.task(*number).phase);
            if phases().any(|phase| matches!(phase, TaskPhase::Failed)) {
                count.by_failure += 1;
            } else if phases().any(|p| matches!(p, TaskPhase::DependenciesConflict { .. })) {
                count.by_conflict += 1;
            } else {
                count.given_up += 1;
            }
        }
        count
    }

    pub(crate) fn total(self) -> usize {
        self.by_failure + self.by_conflict + self.given_up
    }
}

fn failed_task(state: &RunState, number: TaskNumber) -> Option<FailedTask> {
    let task = state.plan.task(number);
    let attempts = &state.task(number).attempts;
    let last = attempts.last()?;
    let outcome = last.outcome.as_ref()?;
    let End::Failed(failure) = &outcome.end else {
        return None;
    };
    let lines = attempt_lines(attempts);
    let is_retry = |line: &&AttemptLine| line.retry > 0 && line.counts();
    Some(FailedTask {
        number,
        tag: task.tag.clone(),
        title: task.title.clone(),
        worker: state.worker_name(number).unwrap_or_default(),
        background: task.fields.strategy == Some(Strategy::Task),
        worktree: last.worktree.clone(),
        failure: failure.clone(),
        kept: outcome.kept,
        remarks: outcome.warnings.clone(),
        retries: lines.iter().filter(is_retry).count(),
        kept_changes: outcome.kept_changes.clone(),
        retry_end: retry_end(state.task(number)),
        attempts: lines,
        blocks: blocks(state, number),
        needs_plan_edit: suggest::needs_plan_edit(task, failure),
        command: suggest::again(state, task, failure),
    })
}

/// Returns the report on the results of the other tasks, if they were assembled.
fn is_assembled(state: &RunState) -> bool {
    state.integration.is_some() || state.assembly_refused.is_some()
}

/// Numbers the attempts at the task or at each variant; one that does not count is repeated under the same
/// name. A single attempt after those at the variants is a retry of them all.
fn attempt_lines(attempts: &[Attempt]) -> Vec<AttemptLine> {
    let mut counted: BTreeMap<Option<VariantNumber>, usize> = BTreeMap::new();
    let line = |attempt: &Attempt| {
        let rounds = match attempt.variant {
            None => counted.values().max(),
            variant => counted.get(&variant),
        };
        let retry = rounds.copied().unwrap_or_default();
        let line = attempt_line(attempt, retry);
        counted.insert(attempt.variant, retry + usize::from(line.counts()));
        line
    };
    attempts.iter().map(line).collect()
}

fn attempt_line(attempt: &Attempt, retry: usize) -> AttemptLine {
    let outcome = attempt.outcome.as_ref();
    let end = match outcome.map(|outcome| &outcome.end) {
        Some(End::Failed(failure)) if failure.kind == Some(FailureKind::Setup) => {
            AttemptEnd::SetupFailed(plain_line(&failure.message, 120))
        }
        Some(End::Failed(failure)) if !attempt.is_counted() => {
            AttemptEnd::Parked(plain_line(&failure.message, 120))
        }
        Some(End::Failed(failure)) => {
            AttemptEnd::Failed(failure.class, plain_line(&failure.message, 120))
        }
        Some(End::Passed { .. }) => AttemptEnd::Passed,
        Some(End::Interrupted {}) => AttemptEnd::Interrupted,
        None => AttemptEnd::Running,
    };
    AttemptLine {
        number: attempt.number,
        retry,
        variant: attempt.variant,
        worker: attempt.worker.clone(),
        usage: outcome.and_then(|outcome| outcome.usage),
        cost: outcome.map_or(Cost::Unknown, |outcome| outcome.cost),
        millis: outcome.map_or(0, |outcome| outcome.millis),
        end,
    }
}

fn retry_end(task: &TaskState) -> RetryEnd {
    let variant = task.last_attempt().and_then(|last| last.variant);
    let mut counted = task.counted_attempts_of(variant).rev();
    let budget = task.retry_budget_spent_of(variant);
    match (budget, counted.next(), counted.next()) {
        (Some(budget), ..) => RetryEnd::BudgetSpent(budget),
        (None, Some(last), Some(before)) if last.repeats(before) => RetryEnd::Repeated,
        _ => RetryEnd::RetriesUsedUp,
    }
}

/// Returns the tasks that wait for this one, directly or through others, with titles.
fn blocks(state: &RunState, number: TaskNumber) -> Vec<(TaskNumber, String)> {
    let waits = |dependent: &TaskNumber| {
        let phase = &state.task(*dependent).phase;
        matches!(
            phase,
            TaskPhase::Queued | TaskPhase::DependenciesConflict { .. }
        )
    };
    let dependents = state.downstream(number).into_iter().filter(waits);
    dependents
        .map(|dependent| (dependent, state.plan.task(dependent).title.clone()))
        .collect()
}

pub mod json;
pub mod markdown;
#[cfg(test)]
mod tests;
