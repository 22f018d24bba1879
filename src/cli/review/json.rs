//! The output of `dispatch review --json`; fields are only ever added.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::review::{Page, take};
use crate::merge::change::FileStat;
use crate::merge::class::Class;
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::run::RunState;
use crate::report::words::resolved;

/// Counts breaking changes.
const JSON_VERSION: u32 = 1;

/// The output of `dispatch review --json`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Review")]
struct WireReview<'a> {
    /// Counts breaking changes.
    version: u32,
    /// The run.
    run: &'a str,
    /// The title of the plan.
    title: &'a str,
    /// The branch the result is meant for.
    target: Option<&'a str>,
    /// The tasks with a candidate, in the order of the plan.
    tasks: Vec<WireTask<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Task")]
struct WireTask<'a> {
    /// Its number.
    number: u32,
    /// Its tag.
    tag: &'a str,
    /// Its title.
    title: &'a str,
    /// The worker.
    worker: Option<String>,
    /// The commit it started from.
    base: Option<String>,
    /// Its candidate.
    candidate: String,
    /// `false` if the user left it out.
    accepted: bool,
    /// `true` if it is on the integration branch.
    merged: bool,
    /// The reason why it was left out, if it was: `left out: content conflict with #1 in
    /// src/app.ts`.
    left_out: Option<String>,
    /// Its changes, by path.
    files: Vec<WireFile>,
    /// The worker's summary.
    summary: Option<&'a str>,
    /// The worker's decisions.
    decisions: &'a [String],
    /// Remarks of the worker and of dispatch.
    issues: Vec<&'a str>,
    /// The checks of the task.
    checks: Vec<WireCheck<'a>>,
    /// Its conflicts with other tasks.
    conflicts: Vec<WireConflict>,
    /// The conflicts with what was merged before it, each with its resolution.
    resolved: Vec<String>,
    /// The variant that was taken, if the task has any.
    variant: Option<VariantNumber>,
    /// The other variants that passed, which `--take` can take.
    other_variants: Vec<VariantNumber>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "File")]
struct WireFile {
    /// The path; bytes that are not UTF-8 as `\xNN`.
    path: String,
    /// Lines added; none for a binary file.
    added: Option<u64>,
    /// Lines removed; none for a binary file.
    removed: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct WireCheck<'a> {
    /// The command.
    command: &'a str,
    /// Its result: `passed`, `failed`, `timed out`, `not run`.
    result: &'static str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conflict")]
struct WireConflict {
    /// The other task.
    with: u32,
    /// The class of the worst unit.
    class: Class,
    /// The conflicting paths.
    paths: Vec<String>,
}

/// Renders the JSON Schema of the output of [`render_json`].
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(WireReview<'static>);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// Renders the candidates as one object on one line.
pub(crate) fn render_json(state: &RunState, pages: &[Page]) -> String {
    let review = WireReview {
        version: JSON_VERSION,
        run: state.run.as_str(),
        title: state.plan.title(),
        target: state.target.as_deref(),
        tasks: pages.iter().map(|page| task(state, page)).collect(),
    };
    serde_json::to_string(&review).unwrap_or_default() + "\n"
}

fn task<'a>(state: &'a RunState, page: &Page) -> WireTask<'a> {
    let plan = state.plan.task(page.task);
    let now = state.task(page.task);
    let outcome = now.outcome();
    let report = outcome.map(|outcome| &outcome.report);
    WireTask {
        number: page.task.0,
        tag: &plan.tag,
        title: &plan.title,
        worker: state.worker_name(page.task),
        base: state
            .task_change(page.task)
            .map(|change| change.from.to_string()),
        candidate: page.candidate.to_string(),
        accepted: !now.rejected,
        merged: state.placement(page.task).is_merged(),
        left_out: page.left_out.clone(),
        files: page.files.iter().map(file).collect(),
        summary: report.and_then(|report| report.summary.as_deref()),
        decisions: report.map_or(&[], |report| &report.decisions),
        issues: outcome.map_or(Vec::new(), |outcome| {
            let all = outcome.report.issues.iter().chain(&outcome.warnings);
            all.map(String::as_str).collect()
        }),
        checks: outcome.map_or(Vec::new(), |outcome| {
            let checks = outcome.checks.iter();
            checks
                .map(|check| WireCheck {
                    command: &check.command,
                    result: check.result.word(),
                })
                .collect()
        }),
        conflicts: conflicts(state, page.task),
        resolved: resolved(state, page.task),
        variant: take::chosen(state, page.task),
        other_variants: take::others(state, page.task),
    }
}

fn file(file: &FileStat) -> WireFile {
    WireFile {
        path: file.path.to_string(),
        added: file.lines.map(|(added, _)| added),
        removed: file.lines.map(|(_, removed)| removed),
    }
}

fn conflicts(state: &RunState, task: TaskNumber) -> Vec<WireConflict> {
    let own = state.conflicts.iter();
    let own = own.filter(|conflict| conflict.a == task || conflict.b == task);
    own.map(|conflict| WireConflict {
        with: if conflict.a == task {
            conflict.b.0
        } else {
            conflict.a.0
        },
        class: conflict.class,
        paths: conflict
            .units
            .iter()
            .flat_map(|unit| unit.paths.iter().map(ToString::to_string))
            .collect(),
    })
    .collect()
}
