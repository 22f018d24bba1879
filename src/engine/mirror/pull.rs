//! Finds what people changed on GitHub and a run can take over.

use std::collections::BTreeMap;

use crate::base::safe::secrets::Secrets;
use crate::base::text::{clip, one_line, plural};
use crate::engine::mirror::column::{Column, Reason};
use crate::engine::mirror::found::{Found, FoundIssue};
use crate::engine::mirror::record::{Record, key};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::report::issue::Subject;

/// The longest comment that is taken over, in bytes, as `dispatch tell` has it.
const LIMIT: usize = 100 * 1024;

/// GitHub's name of the reason for which an issue is closed whose work is done.
const COMPLETED: &str = "COMPLETED";

/// A change that people made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// They closed the issue of a task that has not ended.
    Skip {
        /// The task.
        task: TaskNumber,
        /// `true` if its dependents are skipped, too: the issue is closed as not planned.
        cascade: bool,
    },
    /// They closed the issue of a running task.
    Cancel {
        /// The task.
        task: TaskNumber,
        /// `true` if its dependents start: the issue is closed as completed.
        skip: bool,
    },
    /// They set a priority.
    Prioritize {
        /// The task.
        task: TaskNumber,
        /// The priority so far.
        from: i32,
        /// Their priority.
        to: i32,
    },
    /// They commented on an issue.
    Tell {
        /// The task.
        task: TaskNumber,
        /// The text, with the login of the author.
        text: String,
    },
}

/// The changes that a run can take over, and the others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// The changes to take over, in plan order.
    pub taken: Vec<Change>,
    /// The others, each as a sentence.
    pub left: Vec<String>,
}

impl Change {
    /// Returns the change in words.
    pub fn words(&self) -> String {
        match self {
            Change::Skip {
                task,
                cascade: true,
            } => {
                format!(
                    "skip {task} and the tasks that depend on it: its issue is closed as not planned"
                )
            }
            Change::Skip { task, .. } => {
                format!("skip {task}, as if it had passed: its issue is closed as completed")
            }
            Change::Cancel { task, skip: true } => {
                format!(
                    "cancel {task}, which is running, and skip it as if it had passed: its issue is closed as completed"
                )
            }
            Change::Cancel { task, .. } => {
                format!("cancel {task}, which is running: its issue is closed as not planned")
            }
            Change::Prioritize { task, from, to } => {
                format!("change the priority of {task} from {from} to {to}")
            }
            Change::Tell { task, text, .. } => {
                format!("tell {task}: {}", clip(&one_line(text), 200))
            }
        }
    }
}

/// Compares the issues with the run. A comment counts if its author may write to the repository: anyone
/// can comment on a public one, and the text goes into the prompt of an agent.
///
/// A message in the journal has its secrets masked, and is compared like that.
pub fn changes(state: &RunState, found: &Found, record: &Record, secrets: &Secrets) -> Changes {
    let mut changes = Changes::default();
    let run = found.issues.get(&Subject::Run);
    // Another clone may have closed all of it with `dispatch github clean`: dispatch closes the issue of
    // the run for no other reason like that.
    let is_cleaned = run.is_some_and(|run| run.is_closed && run.reason == "NOT_PLANNED");
    for task in state.plan.tasks() {
        let subject = Subject::Task(task.number);
        if let Some(issue) = found.issues.get(&subject) {
            let last = record.column(subject).and_then(Column::named);
            // Dispatch closes the issue of a cancelled task as not planned, never as completed.
            let is_own = match last.and_then(Column::closes) {
                Some(Reason::NotPlanned) => issue.reason != COMPLETED,
                Some(Reason::Completed) => true,
                None => false,
            } || record.closed.contains(&key(subject));
            if issue.is_closed && !is_own {
                add_closed(&mut changes, state, task.number, issue, is_cleaned);
            }
            let last = record.priority(subject);
            add_priority(&mut changes, state, task.number, issue, last);
            add_comments(&mut changes, state, task.number, issue, secrets);
        }
    }
    changes
}

/// Renders a comment as a message to a task.
fn message(author: &str, text: &str) -> String {
    match author {
        "" => format!("A comment on GitHub:\n\n{text}"),
        author => format!("{author} on GitHub:\n\n{text}"),
    }
}

fn add_closed(
    changes: &mut Changes,
    state: &RunState,
    task: TaskNumber,
    issue: &FoundIssue,
    is_cleaned: bool,
) {
    let is_completed = issue.reason == COMPLETED;
    match state.task(task).phase {
        TaskPhase::Done | TaskPhase::Skipped { .. } => {}
        // A running task is cancelled before it can be skipped, and the second step may be left.
        TaskPhase::Cancelled if !is_completed => {}
        _ if is_cleaned => changes.left.push(format!(
            "the closed issue of {task}: the issue of the whole run is closed as not planned, too"
        )),
        TaskPhase::Running | TaskPhase::Choosing => changes.taken.push(Change::Cancel {
            task,
            skip: is_completed,
        }),
        _ => changes.taken.push(Change::Skip {
            task,
            cascade: !is_completed,
        }),
    }
}

fn add_priority(
    changes: &mut Changes,
    state: &RunState,
    task: TaskNumber,
    issue: &FoundIssue,
    last: Option<i32>,
) {
    let from = state.plan.task(task).fields.priority;
    let Some(to) = issue.priority.filter(|to| *to != from && Some(*to) != last) else {
        return;
    };
    if state.task(task).phase.is_over() {
        changes
            .left
            .push(format!("the priority {to} of {task}, which has ended"));
    } else {
        changes.taken.push(Change::Prioritize { task, from, to });
    }
}

fn add_comments(
    changes: &mut Changes,
    state: &RunState,
    task: TaskNumber,
    issue: &FoundIssue,
    secrets: &Secrets,
) {
    // Two comments may have the same text, and each counts once.
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &state.task(task).messages {
        *known.entry(message.text.as_str()).or_default() += 1;
    }
    let is_closed = matches!(
        state.task(task).phase,
        TaskPhase::Done | TaskPhase::Skipped { .. }
    );
    let mut foreign = 0;
    for comment in &issue.comments {
        let text = comment.text.trim();
        if text.is_empty() || comment.is_own {
            continue;
        }
        let message = message(&comment.author, text);
        let masked = secrets.mask(&message);
        let mut is_known = |text: &str| {
            let left = known.get_mut(text).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        };
        if is_known(&message) || is_known(&masked) {
            continue;
        }
        if !comment.is_by_collaborator {
            foreign += 1;
        } else if is_closed {
            let status = state.status(task);
            changes.left.push(format!(
                "a comment of {} on {task}, which is {status}",
                comment.author
            ));
        } else if message.len() > LIMIT {
            changes.left.push(format!(
                "a comment of {} on {task}: it is too long",
                comment.author
            ));
        } else {
            changes.taken.push(Change::Tell {
                task,
                text: message,
            });
        }
    }
    if foreign > 0 {
        let comments = plural(foreign, "comment");
        changes.left.push(format!(
            "{comments} on {task} by others than the people who may write to the repository"
        ));
    }
}
