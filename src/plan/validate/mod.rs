//! Validates a draft and builds the plan; reports all errors at once.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::base::text::one_line;
use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Task};
use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::diagnostic::Code;
use crate::plan::draft::Draft;
use crate::plan::span::{At, Span};
use crate::plan::validate::task::TaskReader;
use crate::plan::{MAX_TASKS, normal};

mod glob;
mod graph;
mod overlap;
mod task;
mod value;

/// The context of a validation.
pub(super) struct ParseContext<'a> {
    /// The name of the text.
    pub(super) name: &'a str,
    /// The known workers; `None` skips the check.
    pub(super) workers: Option<&'a BTreeSet<String>>,
    /// Loads the file of a prompt.
    pub(super) read_prompt: &'a dyn Fn(&str) -> Result<String, String>,
}

/// A parsed task, with the positions for later checks.
pub(super) struct Checked {
    /// The task; its dependencies are still empty.
    task: Task,
    /// The position of the task.
    span: Span,
    /// The number as written.
    number: At<u64>,
    /// The position of the tag; none for a default tag.
    tag: Option<Span>,
    /// The dependencies as written.
    depends_on: Vec<At<String>>,
    /// `true` if it follows all independent tasks, unless it has dependencies.
    after_independent: bool,
    /// The positions of the task's `files`.
    files: Vec<Span>,
}

/// Validates a draft; returns `None` if any diagnostic is an error.
pub(super) fn validate(
    draft: Draft,
    parse_context: &ParseContext<'_>,
    findings: &mut Collector,
) -> Option<Plan> {
    let title = title(draft.title, parse_context.name, findings);
    let context = context(draft.context, findings);
    if !count_is_right(draft.tasks.len(), draft.advice, findings) {
        return None;
    }
    let drafts = draft.tasks.into_iter().zip(1..);
    let mut tasks: Vec<Checked> = drafts
        .map(|(task, place)| {
            TaskReader::new(draft.repeatable, parse_context, findings).read(task, place)
        })
        .collect();
    tasks.sort_by_key(|task| task.number.value);
    check_numbers(&tasks, findings);
    check_tags(&tasks, findings);
    let graph = graph::resolve(&tasks, findings)?;
    overlap::check(&tasks, &graph, findings);
    if findings.errors() > 0 {
        return None;
    }
    for (checked, depends_on) in tasks.iter_mut().zip(graph.dependencies) {
        let numbers = depends_on.iter();
        checked.task.depends_on = numbers.map(|index| TaskNumber(*index as u32 + 1)).collect();
    }
    let tasks = tasks.into_iter().map(|checked| checked.task).collect();
    match Plan::new(title, context, tasks) {
        Ok(plan) => Some(plan),
        // The checks above give better messages and must be at least as strict as this rule.
        Err(error) => {
            findings.add(RawDiagnostic::error(Code::Cycle, 0..0, error.to_string()));
            None
        }
    }
}

/// Returns the title, or the stem of the file name.
fn title(title: Option<At<String>>, name: &str, findings: &mut Collector) -> String {
    let Some(At { value, span }) = title else {
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        let stem = one_line(stem.unwrap_or_default());
        return if stem.is_empty() || stem.starts_with(['<', '-']) {
            "plan".to_owned()
        } else {
            stem
        };
    };
    let title = value::clean(&At::new(one_line(&value), span.clone()), findings);
    if title.is_empty() {
        let message = "the plan has an empty title";
        findings.add(RawDiagnostic::error(Code::EmptyTitle, span, message));
    }
    title
}

fn context(context: Vec<At<String>>, findings: &mut Collector) -> Vec<String> {
    let entries = context.iter();
    entries
        .map(|entry| {
            normal::lines(&value::clean(entry, findings))
                .trim()
                .to_owned()
        })
        .filter(|entry| !entry.is_empty())
        .collect()
}

fn count_is_right(count: usize, advice: &str, findings: &mut Collector) -> bool {
    let finding = match count {
        0 => RawDiagnostic::error(Code::NoTask, 0..0, "the plan has no task").hint(advice),
        1..=MAX_TASKS => return true,
        _ => {
            let message = format!("the plan has {count} tasks, but can have at most 10,000");
            let hint = "split it into several plans and run them one after the other";
            RawDiagnostic::error(Code::TooManyTasks, 0..0, message).hint(hint)
        }
    };
    findings.add(finding);
    false
}

/// Checks that numbers run from 1 without gaps, because boards and commands use them.
fn check_numbers(tasks: &[Checked], findings: &mut Collector) {
    let mut previous = None;
    for task in tasks {
        let At { value, span } = &task.number;
        let expected = previous.map_or(1, |previous| previous + 1);
        if previous == Some(*value) {
            let message = format!("two tasks have the number {value}");
            let hint = "numbers continue from one list to the next";
            findings
                .add(RawDiagnostic::error(Code::DuplicateNumber, span.clone(), message).hint(hint));
        } else if *value != expected {
            let message = format!("this task has the number {value} instead of {expected}");
            let hint = "number the tasks from 1 without gaps";
            findings
                .add(RawDiagnostic::error(Code::MissingNumber, span.clone(), message).hint(hint));
        }
        previous = Some(*value);
    }
}

fn check_tags(tasks: &[Checked], findings: &mut Collector) {
    let mut owners: HashMap<String, u64> = HashMap::new();
    for checked in tasks {
        let (tag, number) = (&checked.task.tag, checked.number.value);
        let Some(owner) = owners.insert(tag.to_lowercase(), number) else {
            continue;
        };
        let span = checked.tag.clone().unwrap_or(checked.span.clone());
        let message = format!("tasks #{owner} and #{number} both have the tag `{tag}`");
        let mut finding = RawDiagnostic::error(Code::DuplicateTag, span, message);
        if checked.tag.is_none() || *tag == format!("T{owner}") {
            finding = finding.hint("a task without a tag has the tag `T` and its number");
        }
        findings.add(finding);
    }
}
