//! The completion report: finished work, items to review, next steps.
//!
//! Descriptions of the work are the worker's own; without one the task's title is used.

pub mod json;
pub mod markdown;
pub mod next_steps;

use std::collections::BTreeMap;

use crate::base::text::{clip, one_line};
use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::class::{Class, HunkClass};
use crate::model::bill::Bill;
use crate::model::conflict_status::ConflictStatus;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::{CheckResult, Culprit, LeftOut, LeftOutReason};
use crate::model::outcome::{End, Outcome};
use crate::model::plan::{Produces, Task};
use crate::model::resolution::Resolution;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_change::Placement;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_list::{and_list, comma_list};
use crate::model::task_state::TaskPhase;
use crate::report::completion::next_steps::{Step, next_steps};
use crate::report::conflict_suggestion::suggestion;

/// The maximum length of an `info` task's report, in characters.
const INFO_LIMIT: usize = 6000;

/// The maximum length of an `info` task's report, in lines.
const INFO_LINES: usize = 100;

/// The maximum number of named tasks that ran during an outside change.
const MAX_NAMED: usize = 5;

/// The content of the completion report, independent of its format.
#[derive(Clone, PartialEq, Debug)]
pub struct Completion {
    pub(crate) run: RunId,
    pub(crate) total: usize,
    pub(crate) done: Vec<Work>,
    pub(crate) skipped: Vec<TaskNumber>,
    pub(crate) decisions: Vec<Remark>,
    pub(crate) issues: Vec<Remark>,
    pub(crate) overlaps: Vec<Overlap>,
    /// The resolved conflicts of the merged tasks.
    pub(crate) resolved: Vec<(TaskNumber, Resolution)>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) culprits: Vec<Culprit>,
    pub(crate) check_runs: usize,
    pub(crate) reports: Vec<InfoReport>,
    pub(crate) next: Vec<Step>,
    /// The tokens and the cost, if any agent reports them.
    pub(crate) bill: Option<Bill>,
    /// The tasks whose results were made in a worktree that earlier tasks had used.
    pub(crate) warm: Vec<TaskNumber>,
}

/// The work of one task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Work {
    pub(crate) number: TaskNumber,
    pub(crate) tag: String,
    pub(crate) title: String,
    /// `Auth` from the tag `AUTH`, or the title if the tag is a default one.
    pub(crate) name: String,
    /// The worker's summary.
    pub(crate) summary: Option<String>,
    /// The size of the change; none for a task without changes by design.
    pub(crate) stat: Option<ChangeStat>,
}

/// A remark of a worker, or of dispatch about its work.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Remark {
    pub(crate) task: TaskNumber,
    /// `Worker 2`, or `Dispatch`.
    pub(crate) author: String,
    pub(crate) text: String,
}

/// Overlapping changes of two candidates, and the outcome.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Overlap {
    pub(crate) a: TaskNumber,
    pub(crate) b: TaskNumber,
    pub(crate) paths: Vec<RepoPath>,
    pub(crate) class: Class,
    pub(crate) outcome: String,
}

/// The report of an `info` task.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct InfoReport {
    pub(crate) number: TaskNumber,
    pub(crate) title: String,
    pub(crate) text: String,
    /// `true` if `text` is truncated.
    pub(crate) is_cut: bool,
}

/// Lists the tasks whose results were made in a worktree that earlier tasks had used.
fn warm(state: &RunState) -> Vec<TaskNumber> {
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    let is_warm = |task: &TaskNumber| {
        let deciding = state.task(*task).deciding_attempt();
        deciding.is_some_and(|attempt| attempt.warm)
    };
    tasks.filter(is_warm).collect()
}

impl Completion {
    /// Returns `true` if the run ended and every task passed or was skipped.
    pub fn is_due(state: &RunState) -> bool {
        let passed =
            |phase: &TaskPhase| matches!(phase, TaskPhase::Done | TaskPhase::Skipped { .. });
        let ended = matches!(state.phase, crate::model::run::RunPhase::Ended(_));
        ended && state.tasks.iter().all(|task| passed(&task.phase))
    }

    /// Builds the report from the current state of a run.
    pub fn new(state: &RunState) -> Completion {
        let integration = state.integration.clone().unwrap_or_default();
        let mut report = Completion {
            run: state.run.clone(),
            total: state.tasks.len(),
            done: Vec::new(),
            skipped: Vec::new(),
            decisions: Vec::new(),
            issues: Vec::new(),
            overlaps: overlaps(state),
            resolved: integration.resolutions(),
            left_out: integration.left_out,
            checks: integration.checks,
            culprits: integration.culprits,
            check_runs: integration.check_runs,
            reports: Vec::new(),
            next: next_steps(state),
            bill: Bill::of(state),
            warm: warm(state),
        };
        report.issues.extend(outside_changes(state));
        for task in state.plan.tasks() {
            match (state.status(task.number), state.task(task.number).outcome()) {
                (Status::Done, Some(outcome)) => report.add_done(state, task, outcome),
                (Status::Skipped, _) => report.skipped.push(task.number),
                _ => {}
            }
        }
        report
    }

    /// Returns the failed checks of the integration branch.
    pub(crate) fn broken_checks(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| !check.passed())
    }

    fn add_done(&mut self, state: &RunState, task: &Task, outcome: &Outcome) {
        let End::Passed { stat, info, .. } = &outcome.end else {
            return;
        };
        let is_info = task.fields.produces == Produces::Info;
        let changes_nothing = is_info && stat.files == 0;
        let note = state.task(task.number).note.as_ref();
        // The text of an `info` task has a section of its own.
        let last_words = note.filter(|note| Some(*note) != info.as_ref());
        self.done.push(Work {
            number: task.number,
            tag: task.tag.clone(),
            title: task.title.clone(),
            name: name(task),
            summary: outcome.report.summary.as_ref().or(last_words).cloned(),
            stat: state.task_stat(task.number).filter(|_| !changes_nothing),
        });
        if let Some(text) = info.as_ref().filter(|text| !text.trim().is_empty()) {
            let lines: Vec<_> = text.trim().lines().collect();
            let all = lines.join("\n");
            let shown = clip(&lines[..lines.len().min(INFO_LINES)].join("\n"), INFO_LIMIT);
            self.reports.push(InfoReport {
                number: task.number,
                title: task.title.clone(),
                is_cut: shown != all,
                text: shown,
            });
        }
        self.add_remarks(task, outcome);
        self.add_failed_take(state, task.number);
    }

    /// Adds the commits made by hand that could not be taken, with the output of the check.
    fn add_failed_take(&mut self, state: &RunState, task: TaskNumber) {
        let Some((commit, failure, output)) = state.task(task).failed_take() else {
            return;
        };
        let output = output.filter(|output| !output.is_empty());
        let output = output.map_or_else(String::new, |output| format!(": {}", one_line(output)));
        self.issues.push(Remark {
            task,
            author: "Dispatch".to_owned(),
            text: format!(
                "kept the earlier result of {task}, because commit {} was not taken: {}{output}",
                commit.short(),
                failure.message
            ),
        });
    }

    fn add_remarks(&mut self, task: &Task, outcome: &Outcome) {
        let remark = |author: &str, text: &String| Remark {
            task: task.number,
            author: author.to_owned(),
            text: text.clone(),
        };
        let worker = task.worker_label();
        let by_worker = |text: &String| remark(&worker, text);
        let by_dispatch = |text: &String| remark("Dispatch", text);
        self.decisions
            .extend(outcome.report.decisions.iter().map(by_worker));
        self.issues
            .extend(outcome.report.issues.iter().map(by_worker));
        let warnings = outcome.warnings.iter();
        self.issues
            .extend(warnings.map(|warning| by_dispatch(&format!("on {}: {warning}", task.number))));
        if !outcome.killed_processes.is_empty() {
            let names = outcome.killed_processes.join(", ");
            let words = format!(
                "killed processes that {} left running: {names}",
                task.number
            );
            self.issues.push(by_dispatch(&words));
        }
    }
}

/// Returns the display name of a task: `Auth` for the tag `AUTH`, `API` unchanged.
///
/// A task with a default tag is called by its title.
fn name(task: &Task) -> String {
    if task.tag == format!("T{}", task.number.0) {
        return task.title.clone();
    }
    let is_shouted = task.tag.chars().count() > 3 && !task.tag.contains(char::is_lowercase);
    let mut letters = task.tag.chars();
    match letters.next() {
        Some(first) if is_shouted => first.to_string() + &letters.as_str().to_lowercase(),
        _ => task.tag.clone(),
    }
}

/// Reports changes outside the worktrees while tasks ran; the user may have made them.
fn outside_changes(state: &RunState) -> Vec<Remark> {
    let mut during: BTreeMap<&str, Vec<TaskNumber>> = BTreeMap::new();
    for task in state.plan.tasks() {
        let attempts = state.task(task.number).attempts.iter();
        let outcomes = attempts.filter_map(|attempt| attempt.outcome.as_ref());
        for change in outcomes.flat_map(|outcome| &outcome.outside_changes) {
            let tasks = during.entry(&change.name).or_default();
            if tasks.last() != Some(&task.number) {
                tasks.push(task.number);
            }
        }
    }
    let remark = |(what, tasks): (&str, Vec<TaskNumber>)| {
        let names = match tasks.split_at_checked(MAX_NAMED) {
            Some((first, rest @ [_, ..])) => {
                format!("{} and {} more", comma_list(first), rest.len())
            }
            _ => and_list(&tasks),
        };
        Remark {
            task: tasks[0],
            author: "Dispatch".to_owned(),
            text: format!("found a change of {what} while {names} ran; you may have made it"),
        }
    };
    during.into_iter().map(remark).collect()
}

fn overlaps(state: &RunState) -> Vec<Overlap> {
    let own = state
        .conflicts
        .iter()
        .filter(|conflict| !conflict.inherited);
    let overlap = |conflict: &TaskConflict| Overlap {
        a: conflict.a,
        b: conflict.b,
        paths: conflict
            .units
            .iter()
            .flat_map(|unit| unit.paths.clone())
            .collect(),
        class: conflict.class,
        outcome: conflict_outcome(state, conflict),
    };
    own.map(overlap).collect()
}

fn conflict_outcome(state: &RunState, conflict: &TaskConflict) -> String {
    let class = conflict.class;
    if !class.is_conflict() {
        return clean_overlap(conflict);
    }
    let is_left_out = |task: &TaskNumber| matches!(state.placement(*task), Placement::LeftOut(_));
    let pair = [conflict.a, conflict.b].into_iter();
    let left_out: Vec<TaskNumber> = pair.filter(is_left_out).collect();
    match (state.conflict_status(conflict), left_out.as_slice()) {
        (ConflictStatus::Open, []) => format!("{class} conflict"),
        (ConflictStatus::Open, out) => format!("{class} conflict, {} left out", and_list(out)),
        _ => format!("{class} conflict, {}", suggestion(state, conflict)),
    }
}

fn clean_overlap(conflict: &TaskConflict) -> String {
    let hunks = || conflict.units.iter().flat_map(|unit| &unit.hunks);
    let inserts = |class| matches!(class, HunkClass::InsertInsert | HunkClass::ContainedInsert);
    let overlap = match conflict.class {
        Class::Identical => return "both sides made the same change".to_owned(),
        Class::AutoMergedRename => "one side renamed what the other changed",
        _ if hunks().next().is_some() && hunks().all(|hunk| inserts(hunk.class)) => {
            "both sides added entries"
        }
        _ => "both sides changed it",
    };
    format!("{overlap}, merged by git")
}

/// Returns `true` if the user left it out, which needs no attention.
pub(crate) fn is_by_user(out: &LeftOut) -> bool {
    out.reason == LeftOutReason::ByUser
}
