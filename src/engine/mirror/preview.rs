//! Describes steps before they are done.

use crate::base::text::plural;
use crate::engine::mirror::found::Found;
use crate::engine::mirror::step::{LABEL, Step};
use crate::engine::mirror::steps::{MAX_BLOCKED_BY, MAX_SUB_ISSUES};
use crate::engine::mirror::wanted::Wanted;

/// The most titles of issues that are listed.
const MAX_TITLES: usize = 12;

/// Renders what steps do, a line for each kind.
pub fn preview(steps: &[Step]) -> Vec<String> {
    let count = |is_one: &dyn Fn(&Step) -> bool| steps.iter().filter(|step| is_one(step)).count();
    let mut lines = Vec::new();
    for step in steps {
        match step {
            Step::CreateLabel => lines.push(format!("create the label {LABEL}")),
            Step::CreateProject { title } => lines.push(format!("create the project {title:?}")),
            Step::CreateStatusField | Step::CreatePriorityField | Step::CloseProject { .. } => {
                lines.push(step.words());
            }
            _ => {}
        }
    }
    let issues = steps.iter().filter_map(|step| match step {
        Step::CreateIssue { title, .. } => Some(title),
        _ => None,
    });
    let issues: Vec<&String> = issues.collect();
    if !issues.is_empty() {
        lines.push(format!("create {}:", plural(issues.len(), "issue")));
        let shown = issues.iter().take(MAX_TITLES);
        lines.extend(shown.map(|title| format!("  {title}")));
        if let more @ 1.. = issues.len().saturating_sub(MAX_TITLES) {
            lines.push(format!("  … and {more} more"));
        }
    }
    let kinds: [(&str, &str, usize); 9] = [
        (
            "add",
            "sub-issue",
            count(&|step| matches!(step, Step::AddSubIssue(_))),
        ),
        (
            "add",
            "blocked-by relation",
            count(&|step| matches!(step, Step::AddBlockedBy(..))),
        ),
        (
            "add",
            "card",
            count(&|step| matches!(step, Step::AddCard(_))),
        ),
        (
            "set the status of",
            "card",
            count(&|step| matches!(step, Step::SetColumn(..))),
        ),
        (
            "set the priority of",
            "card",
            count(&|step| matches!(step, Step::SetPriority(..))),
        ),
        (
            "write",
            "comment with results",
            count(&|step| matches!(step, Step::Comment { .. })),
        ),
        (
            "update",
            "comment with results",
            count(&|step| matches!(step, Step::UpdateComment { .. })),
        ),
        (
            "close",
            "issue",
            count(&|step| matches!(step, Step::Close(..) | Step::CloseFurther { .. })),
        ),
        (
            "reopen",
            "issue",
            count(&|step| matches!(step, Step::Reopen(_))),
        ),
    ];
    let kinds = kinds.into_iter().filter(|(_, _, count)| *count > 0);
    lines.extend(kinds.map(|(verb, noun, count)| match noun.split_once(' ') {
        Some((first, rest)) if count != 1 && first == "comment" => {
            format!("{verb} {count} comments {rest}")
        }
        _ => format!("{verb} {}", plural(count, noun)),
    }));
    lines
}

/// Lists what GitHub cannot show of a run.
pub fn limits(wanted: &Wanted, found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    let tasks = wanted.issues.len().saturating_sub(1);
    if tasks > MAX_SUB_ISSUES {
        lines.push(format!(
            "the issue of the run has the first {MAX_SUB_ISSUES} of {tasks} tasks as sub-issues: \
             GitHub allows no more"
        ));
    }
    let wide = wanted.issues.iter();
    let wide = wide
        .filter(|issue| issue.depends_on.len() > MAX_BLOCKED_BY)
        .count();
    if wide > 0 {
        lines.push(format!(
            "{} with more than {MAX_BLOCKED_BY} dependencies: GitHub allows no more blocked-by \
             relations of an issue",
            plural(wide, "task")
        ));
    }
    let open = found.duplicates.iter().filter(|one| !one.is_closed);
    let numbers: Vec<String> = open.map(|one| format!("#{}", one.number)).collect();
    if !numbers.is_empty() {
        lines.push(format!(
            "further issues with the mark of one of the run are left alone: {}",
            numbers.join(", ")
        ));
    }
    lines
}
