//! Renders the failure report as JSON: `dispatch report --json`.

use serde::Serialize;
use serde_json::Value;

use crate::model::failure::{FailureClass, FailureKind};
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::kept_changes::KeptChanges;
use crate::model::status::Status;
use crate::model::usage::{Cost, Usage};
use crate::report::completion::json::{Assembled, Words, assembled, words};
use crate::report::failure::{
    AttemptEnd, AttemptLine, ConflictedTask, FailedTask, FailureReport, HealthyTask, RetryEnd,
};

/// The version of the format; a breaking change raises it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    run: &'a str,
    report: &'static str,
    failed: Vec<Failed<'a>>,
    conflicting: Vec<Conflicting<'a>>,
    healthy: Vec<Healthy<'a>>,
    issues: Vec<Words<'a>>,
    summary: Summary,
    #[serde(flatten)]
    assembled: Option<Assembled<'a>>,
    usage: Option<Usage>,
    cost: Cost,
}

#[derive(Serialize)]
struct Failed<'a> {
    number: u32,
    tag: &'a str,
    title: &'a str,
    worker: &'a str,
    background: bool,
    worktree: &'a str,
    class: &'static str,
    kind: Option<FailureKind>,
    message: &'a str,
    root_cause: Option<&'a str>,
    suggestion: Option<&'a str>,
    evidence: &'a str,
    signature: &'a str,
    reset_at: Option<String>,
    kept: Option<String>,
    kept_changes: Option<&'a KeptChanges>,
    retries: usize,
    retry_budget_spent: bool,
    attempts: Vec<Attempt<'a>>,
    blocks: Vec<u32>,
    command: &'a str,
}

#[derive(Serialize)]
struct Attempt<'a> {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<VariantNumber>,
    worker: &'a str,
    usage: Option<Usage>,
    cost: Cost,
    end: &'static str,
    millis: u64,
    class: Option<&'static str>,
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct Conflicting<'a> {
    number: u32,
    tag: &'a str,
    title: &'a str,
    between: Vec<u32>,
    class: &'static str,
    paths: Vec<String>,
    blocks: Vec<u32>,
    command: &'a str,
}

#[derive(Serialize)]
struct Healthy<'a> {
    number: u32,
    title: &'a str,
    status: &'static str,
    flaky: bool,
    blocked_by: Vec<u32>,
}

#[derive(Serialize)]
struct Summary {
    total: usize,
    failed: usize,
    done: usize,
    blocked_by_failure: usize,
    blocked_by_conflict: usize,
    blocked_by_given_up: usize,
    skipped: usize,
    cancelled: usize,
    unfinished: usize,
}

impl FailureReport {
    /// Renders the report as one versioned object.
    pub fn value(&self) -> Value {
        let wire = Wire {
            version: VERSION,
            run: self.run.as_str(),
            report: "failure",
            failed: self.failed.iter().map(failed).collect(),
            conflicting: self.conflicted.iter().map(conflicting).collect(),
            healthy: self.healthy.iter().map(healthy).collect(),
            issues: self.issues.iter().map(words).collect(),
            summary: Summary {
                total: self.total,
                failed: self.failed.len(),
                done: self.count(&Status::Done),
                blocked_by_failure: self.blocked.by_failure,
                blocked_by_conflict: self.conflicted.len() + self.blocked.by_conflict,
                blocked_by_given_up: self.blocked.given_up,
                skipped: self.count(&Status::Skipped),
                cancelled: self.count(&Status::Cancelled),
                unfinished: self.unfinished(),
            },
            assembled: self.assembled.as_ref().map(assembled),
            usage: self.bill.as_ref().and_then(|bill| bill.spending().usage),
            cost: self
                .bill
                .as_ref()
                .map_or(Cost::Unknown, |bill| bill.spending().cost),
        };
        // Strings and numbers under string keys always have a JSON form.
        serde_json::to_value(wire).unwrap_or_default()
    }
}

fn failed(task: &FailedTask) -> Failed<'_> {
    Failed {
        number: task.number.0,
        tag: &task.tag,
        title: &task.title,
        worker: &task.worker,
        background: task.background,
        worktree: &task.worktree,
        class: task.failure.class.word(),
        kind: task.failure.kind,
        message: &task.failure.message,
        root_cause: task.failure.root_cause.as_deref(),
        suggestion: task.failure.suggestion.as_deref(),
        evidence: &task.failure.evidence,
        signature: &task.failure.signature,
        reset_at: task.failure.reset_at.map(|at| at.to_string()),
        kept: task.kept.map(|kept| kept.to_string()),
        kept_changes: task.kept_changes.as_ref(),
        retries: task.retries,
        retry_budget_spent: matches!(task.retry_end, RetryEnd::BudgetSpent(_)),
        attempts: task.attempts.iter().map(attempt).collect(),
        blocks: numbers(&task.blocks),
        command: &task.command,
    }
}

fn attempt(line: &AttemptLine) -> Attempt<'_> {
    let (end, failed): (_, Option<(FailureClass, &str)>) = match &line.end {
        AttemptEnd::Failed(class, message) => ("failed", Some((*class, message))),
        AttemptEnd::Parked(message) => ("failed", Some((FailureClass::Quota, message))),
        AttemptEnd::SetupFailed(message) => ("failed", Some((FailureClass::Blocker, message))),
        AttemptEnd::Passed => ("passed", None),
        AttemptEnd::Interrupted => ("interrupted", None),
        AttemptEnd::Running => ("running", None),
    };
    Attempt {
        number: line.number,
        variant: line.variant,
        worker: &line.worker,
        usage: line.usage,
        cost: line.cost,
        end,
        millis: line.millis,
        class: failed.map(|(class, _)| class.word()),
        message: failed.map(|(_, message)| message),
    }
}

fn conflicting(task: &ConflictedTask) -> Conflicting<'_> {
    Conflicting {
        number: task.number.0,
        tag: &task.tag,
        title: &task.title,
        between: task.between.iter().map(|task| task.0).collect(),
        class: task.class.name(),
        paths: task.paths.iter().map(ToString::to_string).collect(),
        blocks: numbers(&task.blocks),
        command: &task.command,
    }
}

fn healthy(task: &HealthyTask) -> Healthy<'_> {
    let blocked_by = match &task.status {
        Status::Blocked(by) => by.iter().map(|task| task.0).collect(),
        _ => Vec::new(),
    };
    Healthy {
        number: task.number.0,
        title: &task.title,
        status: task.status.word(),
        flaky: task.flaky,
        blocked_by,
    }
}

fn numbers(tasks: &[(TaskNumber, String)]) -> Vec<u32> {
    tasks.iter().map(|(number, _)| number.0).collect()
}
