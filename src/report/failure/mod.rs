//! The failure report: what failed, why, what waits for it, and the exact command that helps.

use crate::base::markdown::plain_line;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::bill::Bill;
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::kept_changes::KeptChanges;
use crate::model::outcome::End;
use crate::model::plan::{Strategy, Task};
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::usage::{Cost, Usage};
use crate::report::completion::Completion;
use crate::report::suggest;

/// Everything the failure report says, whatever its form.
#[derive(Clone, PartialEq, Debug)]
pub struct FailureReport {
    pub(crate) run: RunId,
    pub(crate) failed: Vec<FailedTask>,
    pub(crate) stuck: Vec<StuckTask>,
    pub(crate) healthy: Vec<HealthyTask>,
    pub(crate) total: usize,
    pub(crate) blocked: BlockedCount,
    /// The results of the other tasks, once they were assembled.
    pub(crate) assembled: Option<Completion>,
    /// What the agents used and cost, if any of them says.
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
    /// The work the last attempt left, kept for good.
    pub(crate) kept: Option<Oid>,
    pub(crate) retries: usize,
    /// What that changed.
    pub(crate) remains: Option<KeptChanges>,
    /// Why no further retry was made of what may pass if it is tried again.
    pub(crate) given_up: GivenUp,
    pub(crate) attempts: Vec<AttemptLine>,
    pub(crate) blocks: Vec<(TaskNumber, String)>,
    /// Its shell command, rather than the worker, has to change.
    pub(crate) has_wrong_command: bool,
    pub(crate) command: String,
}

/// Why a failure that may pass by itself is not tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GivenUp {
    /// The task has had its retries.
    RetriesUsedUp,
    /// It failed in the same way twice.
    Repeated,
    /// The run has had all of its retries, which are this many.
    OutOfRetries(u32),
}

/// One attempt of a failed task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct AttemptLine {
    pub(crate) number: AttemptNumber,
    /// 0 for the initial attempt, also when that was cut short and made again.
    pub(crate) retry: usize,
    pub(crate) worker: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost: Cost,
    pub(crate) millis: u64,
    pub(crate) end: AttemptEnd,
}

/// How an attempt of a failed task ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum AttemptEnd {
    Failed(FailureClass, String),
    Passed,
    Interrupted,
    /// Its worker had used up what it may.
    Parked(String),
    /// Its worktree could not be set up.
    NotSetUp(String),
    Alive,
}

impl FailedTask {
    /// Whether its worker never ran because there was no worktree to run in.
    pub(crate) fn is_not_set_up(&self) -> bool {
        self.failure.kind == Some(FailureKind::Setup)
    }
}

impl AttemptLine {
    fn counts(&self) -> bool {
        !matches!(
            self.end,
            AttemptEnd::Interrupted | AttemptEnd::Parked(_) | AttemptEnd::NotSetUp(_)
        )
    }
}

/// A task whose dependencies do not merge with each other.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StuckTask {
    pub(crate) number: TaskNumber,
    pub(crate) tag: String,
    pub(crate) title: String,
    pub(crate) class: Class,
    pub(crate) between: Vec<TaskNumber>,
    pub(crate) paths: Vec<RepoPath>,
    pub(crate) blocks: Vec<(TaskNumber, String)>,
    /// Retries the task that made the conflict.
    pub(crate) command: String,
}

/// Any other task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HealthyTask {
    pub(crate) number: TaskNumber,
    pub(crate) title: String,
    pub(crate) status: Status,
    /// Whether it passed with the very files it had failed with.
    pub(crate) flaky: bool,
}

/// How many tasks other tasks keep from starting, by the gravest reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct BlockedCount {
    pub(crate) by_failure: usize,
    pub(crate) by_conflict: usize,
    pub(crate) given_up: usize,
}

impl FailureReport {
    /// The report, or `None` if nothing failed, was cancelled or is kept from starting.
    pub fn new(state: &RunState) -> Option<FailureReport> {
        let mut report = FailureReport {
            run: state.run.clone(),
            failed: Vec::new(),
            stuck: Vec::new(),
            healthy: Vec::new(),
            total: state.tasks.len(),
            blocked: BlockedCount::new(state),
            assembled: assembled(state),
            bill: Bill::of(state),
        };
        for task in state.plan.tasks() {
            report.add(state, task.number);
        }
        let trouble = report.failed.len() + report.stuck.len() + report.blocked.total();
        (trouble + report.count(&Status::Cancelled) > 0).then_some(report)
    }

    fn add(&mut self, state: &RunState, number: TaskNumber) {
        let title = &state.plan.task(number).title;
        match &state.task(number).phase {
            TaskPhase::DependenciesConflict {
                class,
                between,
                paths,
            } => self.stuck.push(StuckTask {
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

    /// How many of the healthy tasks have this status.
    pub(crate) fn count(&self, status: &Status) -> usize {
        let same = |task: &&HealthyTask| task.status == *status;
        self.healthy.iter().filter(same).count()
    }
}

impl BlockedCount {
    fn new(state: &RunState) -> BlockedCount {
        let mut count = BlockedCount::default();
        for stoppers in state.blockers().iter().filter(|all| !all.is_empty()) {
            let phases = || stoppers.iter().map(|number| &state.task(*number).phase);
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
    let counted = |line: &&AttemptLine| line.counts();
    Some(FailedTask {
        number,
        tag: task.tag.clone(),
        title: task.title.clone(),
        worker: state.worker_name(number).unwrap_or_default(),
        background: task.fields.strategy == Some(Strategy::Task),
        worktree: last.worktree.clone(),
        failure: failure.clone(),
        kept: outcome.kept,
        retries: lines.iter().filter(counted).count().saturating_sub(1),
        remains: outcome.kept_changes.clone(),
        given_up: given_up(state.task(number)),
        attempts: lines,
        blocks: blocks(state, number),
        has_wrong_command: has_wrong_command(task, failure),
        command: match has_wrong_command(task, failure) {
            true => suggest::resume_with_plan(&state.run, state.plan_file.as_deref()),
            false => suggest::retry(&state.run, number),
        },
    })
}

/// Returns the report on the results of the other tasks, if they were assembled.
fn assembled(state: &RunState) -> Option<Completion> {
    let is_assembled = state.integration.is_some() || state.assembly_refused.is_some();
    is_assembled.then(|| Completion::new(state))
}

/// Returns `true` if a retry would run the same shell command, which would fail again.
fn has_wrong_command(task: &Task, failure: &Failure) -> bool {
    let is_final = matches!(failure.class, FailureClass::Logic | FailureClass::Input);
    task.fields.run.is_some() && is_final && failure.suggestion.is_none()
}

/// An attempt that counts as none is made again under the same name.
fn attempt_lines(attempts: &[Attempt]) -> Vec<AttemptLine> {
    let mut retry = 0;
    let line = |attempt: &Attempt| {
        let line = attempt_line(attempt, retry);
        retry += usize::from(line.counts());
        line
    };
    attempts.iter().map(line).collect()
}

fn attempt_line(attempt: &Attempt, retry: usize) -> AttemptLine {
    let outcome = attempt.outcome.as_ref();
    let end = match outcome.map(|outcome| &outcome.end) {
        Some(End::Failed(failure)) if failure.kind == Some(FailureKind::Setup) => {
            AttemptEnd::NotSetUp(plain_line(&failure.message, 120))
        }
        Some(End::Failed(failure)) if !attempt.is_counted() => {
            AttemptEnd::Parked(plain_line(&failure.message, 120))
        }
        Some(End::Failed(failure)) => {
            AttemptEnd::Failed(failure.class, plain_line(&failure.message, 120))
        }
        Some(End::Passed { .. }) => AttemptEnd::Passed,
        Some(End::Interrupted {}) => AttemptEnd::Interrupted,
        None => AttemptEnd::Alive,
    };
    AttemptLine {
        number: attempt.number,
        retry,
        worker: attempt.worker.clone(),
        usage: outcome.and_then(|outcome| outcome.usage),
        cost: outcome.map_or(Cost::Unknown, |outcome| outcome.cost),
        millis: outcome.map_or(0, |outcome| outcome.millis),
        end,
    }
}

fn given_up(task: &TaskState) -> GivenUp {
    let mut counted = task.counted_attempts().rev();
    match (task.retry_budget_spent, counted.next(), counted.next()) {
        (Some(budget), ..) => GivenUp::OutOfRetries(budget),
        (None, Some(last), Some(before)) if last.repeats(before) => GivenUp::Repeated,
        _ => GivenUp::RetriesUsedUp,
    }
}

/// What waits for this task, directly or through others, with titles.
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
