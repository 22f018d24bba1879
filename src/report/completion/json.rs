//! Renders the completion report as JSON: `dispatch report --json`.

use serde::Serialize;
use serde_json::Value;

use crate::model::integration::{CheckResult, LeftOut};
use crate::model::usage::{Cost, Usage};
use crate::report::board::json::{
    CulpritJson, ResolvedConflict, check_name, culprit, reason, resolved,
};
use crate::report::completion::{Completion, Overlap, Remark, Work};

/// The version of the format; a breaking change raises it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    run: &'a str,
    report: &'static str,
    total: usize,
    done: Vec<Done<'a>>,
    skipped: Vec<u32>,
    decisions: Vec<Words<'a>>,
    issues: Vec<Words<'a>>,
    #[serde(flatten)]
    assembled: Assembled<'a>,
    reports: Vec<Report<'a>>,
    usage: Option<Usage>,
    cost: Cost,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warm: Vec<u32>,
}

#[derive(Serialize)]
struct Done<'a> {
    number: u32,
    tag: &'a str,
    title: &'a str,
    summary: Option<&'a str>,
    files: u64,
    added: u64,
    removed: u64,
}

/// A remark.
#[derive(Serialize)]
pub(crate) struct Words<'a> {
    task: u32,
    by: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct ConflictLine<'a> {
    tasks: [u32; 2],
    class: &'static str,
    paths: Vec<String>,
    outcome: &'a str,
}

#[derive(Serialize)]
struct Left {
    task: u32,
    reason: &'static str,
}

#[derive(Serialize)]
struct Check<'a> {
    command: &'a str,
    result: &'static str,
    millis: u64,
    tail: &'a str,
}

#[derive(Serialize)]
struct Report<'a> {
    task: u32,
    title: &'a str,
    text: &'a str,
    truncated: bool,
}

/// A suggested next step.
#[derive(Serialize)]
struct Next<'a> {
    text: &'a str,
    command: Option<&'a str>,
}

/// The part that is also in the report of a run with failures.
#[derive(Serialize)]
pub(crate) struct Assembled<'a> {
    conflicts: Vec<ConflictLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resolved: Vec<ResolvedConflict>,
    left_out: Vec<Left>,
    checks: Vec<Check<'a>>,
    culprits: Vec<CulpritJson<'a>>,
    next_steps: Vec<Next<'a>>,
}

impl Completion {
    /// Renders the report as one versioned object.
    pub fn value(&self) -> Value {
        let wire = Wire {
            version: VERSION,
            run: self.run.as_str(),
            report: "completion",
            total: self.total,
            done: self.done.iter().map(done).collect(),
            skipped: self.skipped.iter().map(|task| task.0).collect(),
            decisions: self.decisions.iter().map(words).collect(),
            issues: self.issues.iter().map(words).collect(),
            assembled: assembled(self),
            reports: self.reports.iter().map(report).collect(),
            usage: self.bill.as_ref().and_then(|bill| bill.spending().usage),
            cost: self
                .bill
                .as_ref()
                .map_or(Cost::Unknown, |bill| bill.spending().cost),
            warm: self.warm.iter().map(|task| task.0).collect(),
        };
        // Strings and numbers under string keys always have a JSON form.
        serde_json::to_value(wire).unwrap_or_default()
    }
}

/// Returns the part about the assembled result.
pub(crate) fn assembled(report: &Completion) -> Assembled<'_> {
    Assembled {
        conflicts: report.overlaps.iter().map(conflict_line).collect(),
        resolved: report.resolved.iter().map(resolved).collect(),
        left_out: report.left_out.iter().map(left).collect(),
        checks: report.checks.iter().map(check).collect(),
        culprits: report.culprits.iter().map(culprit).collect(),
        next_steps: report.next.iter().map(next).collect(),
    }
}

fn done(work: &Work) -> Done<'_> {
    let stat = work.stat.unwrap_or_default();
    Done {
        number: work.number.0,
        tag: &work.tag,
        title: &work.title,
        summary: work.summary.as_deref(),
        files: stat.files,
        added: stat.added,
        removed: stat.removed,
    }
}

pub(crate) fn words(remark: &Remark) -> Words<'_> {
    Words {
        task: remark.task.0,
        by: &remark.author,
        text: &remark.text,
    }
}

fn conflict_line(overlap: &Overlap) -> ConflictLine<'_> {
    ConflictLine {
        tasks: [overlap.a.0, overlap.b.0],
        class: overlap.class.name(),
        paths: overlap.paths.iter().map(ToString::to_string).collect(),
        outcome: &overlap.outcome,
    }
}

fn left(out: &LeftOut) -> Left {
    Left {
        task: out.task.0,
        reason: reason(&out.reason),
    }
}

fn check(check: &CheckResult) -> Check<'_> {
    Check {
        command: &check.command,
        result: check_name(check.result),
        millis: check.millis,
        tail: &check.tail,
    }
}

fn report(report: &crate::report::completion::InfoReport) -> Report<'_> {
    Report {
        task: report.number.0,
        title: &report.title,
        text: &report.text,
        truncated: report.is_cut,
    }
}

fn next(step: &crate::report::completion::next_steps::Step) -> Next<'_> {
    Next {
        text: &step.words,
        command: step.command.as_deref(),
    }
}
