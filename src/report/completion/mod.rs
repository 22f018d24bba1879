//! The completion report: what was done, what a person should look at, and what comes next.
//!
//! Every word about the work is the worker's own; where it said nothing, the task's title stands.

pub mod json;
pub mod markdown;
pub mod next_steps;

use std::collections::BTreeMap;

use crate::base::text::clip;
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

/// The longest report of an `info` task that is shown, in characters.
const INFO_LIMIT: usize = 6000;

/// The longest report of an `info` task that is shown, in lines.
const INFO_LINES: usize = 100;

/// How many of the tasks under way during a change are named.
const MOST_NAMED: usize = 5;

/// Everything the completion report says, whatever its form.
#[derive(Clone, PartialEq, Debug)]
pub struct Completion {
    pub(crate) run: RunId,
    pub(crate) total: usize,
    pub(crate) done: Vec<Work>,
    pub(crate) skipped: Vec<TaskNumber>,
    pub(crate) decisions: Vec<Said>,
    pub(crate) issues: Vec<Said>,
    pub(crate) meetings: Vec<Meeting>,
    /// What the tasks that are in had to be settled for.
    pub(crate) settled: Vec<(TaskNumber, Resolution)>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) guilty: Vec<Culprit>,
    pub(crate) check_runs: usize,
    pub(crate) reports: Vec<InfoReport>,
    pub(crate) next: Vec<Step>,
    /// What the agents used and cost, if any of them says.
    pub(crate) bill: Option<Bill>,
}

/// What one task did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Work {
    pub(crate) number: TaskNumber,
    pub(crate) tag: String,
    pub(crate) title: String,
    /// `Auth` from the tag `AUTH`, or the title when the tag is no author's word.
    pub(crate) name: String,
    /// The worker's words; none if it said nothing.
    pub(crate) summary: Option<String>,
    /// None for a task that was to change nothing.
    pub(crate) stat: Option<ChangeStat>,
}

/// Words of a worker, or of dispatch about its work.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Said {
    pub(crate) task: TaskNumber,
    /// `Worker 2`, or `Dispatch`.
    pub(crate) by: String,
    pub(crate) words: String,
}

/// Where two candidates met, and what became of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Meeting {
    pub(crate) a: TaskNumber,
    pub(crate) b: TaskNumber,
    pub(crate) paths: Vec<RepoPath>,
    pub(crate) class: Class,
    pub(crate) what: String,
}

/// What an `info` task reports.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct InfoReport {
    pub(crate) number: TaskNumber,
    pub(crate) title: String,
    pub(crate) text: String,
    /// There is more than `text` shows.
    pub(crate) is_cut: bool,
}

impl Completion {
    /// Whether the run has come to the end that this report is for: it ended, and every task that
    /// was not skipped passed.
    pub fn is_due(state: &RunState) -> bool {
        let passed =
            |phase: &TaskPhase| matches!(phase, TaskPhase::Done | TaskPhase::Skipped { .. });
        let ended = matches!(state.phase, crate::model::run::RunPhase::Ended(_));
        ended && state.tasks.iter().all(|task| passed(&task.phase))
    }

    /// The report of a run as it stands.
    pub fn new(state: &RunState) -> Completion {
        let integration = state.integration.clone().unwrap_or_default();
        let mut report = Completion {
            run: state.run.clone(),
            total: state.tasks.len(),
            done: Vec::new(),
            skipped: Vec::new(),
            decisions: Vec::new(),
            issues: Vec::new(),
            meetings: meetings(state),
            settled: integration.resolutions(),
            left_out: integration.left_out,
            checks: integration.checks,
            guilty: integration.culprits,
            check_runs: integration.check_runs,
            reports: Vec::new(),
            next: next_steps(state),
            bill: Bill::of(state),
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

    /// The checks of the assembled branch that did not pass.
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
        self.add_said(task, outcome);
    }

    fn add_said(&mut self, task: &Task, outcome: &Outcome) {
        let said = |by: &str, words: &String| Said {
            task: task.number,
            by: by.to_owned(),
            words: words.clone(),
        };
        let worker = task.worker_label();
        let by_worker = |words: &String| said(&worker, words);
        let by_dispatch = |words: &String| said("Dispatch", words);
        self.decisions
            .extend(outcome.report.decisions.iter().map(by_worker));
        self.issues
            .extend(outcome.report.issues.iter().map(by_worker));
        let remarks = outcome.warnings.iter();
        self.issues
            .extend(remarks.map(|remark| by_dispatch(&format!("on {}: {remark}", task.number))));
        if !outcome.killed_processes.is_empty() {
            let names = outcome.killed_processes.join(", ");
            let words = format!("ended what {} left running: {names}", task.number);
            self.issues.push(by_dispatch(&words));
        }
    }
}

/// `AUTH` is called `Auth`, short words such as `API` stay, and the tag that every task without one
/// gets says less than the title.
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

/// Changes outside the worktrees while tasks ran. Nobody knows who made them: perhaps the user.
fn outside_changes(state: &RunState) -> Vec<Said> {
    let mut during: BTreeMap<&str, Vec<TaskNumber>> = BTreeMap::new();
    for task in state.plan.tasks() {
        let attempts = state.task(task.number).attempts.iter();
        let outcomes = attempts.filter_map(|attempt| attempt.outcome.as_ref());
        for change in outcomes.flat_map(|outcome| &outcome.outside_changes) {
            let tasks = during.entry(&change.what).or_default();
            if tasks.last() != Some(&task.number) {
                tasks.push(task.number);
            }
        }
    }
    let said = |(what, tasks): (&str, Vec<TaskNumber>)| {
        let names = match tasks.split_at_checked(MOST_NAMED) {
            Some((first, rest @ [_, ..])) => {
                format!("{} and {} more", comma_list(first), rest.len())
            }
            _ => and_list(&tasks),
        };
        Said {
            task: tasks[0],
            by: "Dispatch".to_owned(),
            words: format!("saw {what} change while {names} ran; it may have been you"),
        }
    };
    during.into_iter().map(said).collect()
}

fn meetings(state: &RunState) -> Vec<Meeting> {
    let own = state
        .conflicts
        .iter()
        .filter(|conflict| !conflict.inherited);
    let meeting = |conflict: &TaskConflict| Meeting {
        a: conflict.a,
        b: conflict.b,
        paths: conflict
            .units
            .iter()
            .flat_map(|unit| unit.paths.clone())
            .collect(),
        class: conflict.class,
        what: what_became(state, conflict),
    };
    own.map(meeting).collect()
}

fn what_became(state: &RunState, conflict: &TaskConflict) -> String {
    let class = conflict.class;
    if !class.is_conflict() {
        return clean_meeting(conflict);
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

fn clean_meeting(conflict: &TaskConflict) -> String {
    let hunks = || conflict.units.iter().flat_map(|unit| &unit.hunks);
    let inserts = |class| matches!(class, HunkClass::InsertInsert | HunkClass::ContainedInsert);
    let what = match conflict.class {
        Class::Identical => return "both sides made the same change".to_owned(),
        Class::AutoMergedRename => "one side renamed what the other changed",
        _ if hunks().next().is_some() && hunks().all(|hunk| inserts(hunk.class)) => {
            "both sides added entries"
        }
        _ => "both sides changed it",
    };
    format!("{what}, merged by git")
}

/// Whether a person left it out, which is no trouble.
pub(crate) fn is_by_person(out: &LeftOut) -> bool {
    out.reason == LeftOutReason::ByUser
}
