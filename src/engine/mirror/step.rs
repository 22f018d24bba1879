//! One thing that is done on GitHub.

use crate::engine::mirror::column::{Column, FIELD, PRIORITY, Reason};
use crate::engine::mirror::found::Object;
use crate::engine::mirror::record::key;
use crate::model::ids::TaskNumber;
use crate::report::issue::Subject;

/// The name of the label of dispatch's issues.
pub const LABEL: &str = "dispatch";

/// One thing that is done on GitHub.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Makes the label.
    CreateLabel,
    /// Makes a project of the repository's owner.
    CreateProject {
        /// Its title.
        title: String,
    },
    /// Writes the readme of such a project.
    DescribeProject {
        /// The text.
        readme: String,
    },
    /// Makes the field with the status, with all its options.
    CreateStatusField,
    /// Makes the field with the priority.
    CreatePriorityField,
    /// Makes an issue.
    CreateIssue {
        /// The run or task.
        subject: Subject,
        /// Its title.
        title: String,
        /// Its text.
        body: String,
    },
    /// Makes the issue of a task a sub-issue of that of the run.
    AddSubIssue(TaskNumber),
    /// Marks the issue of a task as blocked by that of another.
    AddBlockedBy(TaskNumber, TaskNumber),
    /// Adds the issue of a task to the project.
    AddCard(TaskNumber),
    /// Sets the status of a task in the project.
    SetColumn(TaskNumber, Column),
    /// Sets the priority of a task in the project.
    SetPriority(TaskNumber, i32),
    /// Adds the comment with a result.
    Comment {
        /// The run or task.
        subject: Subject,
        /// The text.
        text: String,
    },
    /// Replaces the text of dispatch's own comment with a result.
    UpdateComment {
        /// The run or task.
        subject: Subject,
        /// The id of the comment.
        id: String,
        /// The text.
        text: String,
    },
    /// Closes an issue.
    Close(Subject, Reason),
    /// Opens an issue again that dispatch has closed.
    Reopen(Subject),
    /// Closes a further issue with the mark of another.
    CloseFurther {
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
    },
    /// Closes a project.
    CloseProject {
        /// Its id.
        id: String,
        /// Its address.
        url: String,
    },
}

impl Step {
    /// Returns a name of the step that stays the same when it is planned again.
    pub fn key(&self) -> String {
        match self {
            Step::CreateLabel => "label".to_owned(),
            Step::CreateProject { .. } => "project".to_owned(),
            Step::DescribeProject { .. } => "readme".to_owned(),
            Step::CreateStatusField => "status field".to_owned(),
            Step::CreatePriorityField => "priority field".to_owned(),
            Step::CreateIssue { subject, .. } => format!("issue {}", key(*subject)),
            Step::AddSubIssue(task) => format!("sub-issue {}", task.0),
            Step::AddBlockedBy(task, by) => format!("blocked {} {}", task.0, by.0),
            Step::AddCard(task) => format!("card {}", task.0),
            Step::SetColumn(task, column) => format!("column {} {}", task.0, column.name()),
            Step::SetPriority(task, priority) => format!("priority {} {priority}", task.0),
            Step::Comment { subject, .. } => format!("comment {}", key(*subject)),
            Step::UpdateComment { subject, .. } => format!("result {}", key(*subject)),
            Step::Close(subject, _) => format!("close {}", key(*subject)),
            Step::Reopen(subject) => format!("reopen {}", key(*subject)),
            Step::CloseFurther { number, .. } => format!("close #{number}"),
            Step::CloseProject { id, .. } => format!("close project {id}"),
        }
    }

    /// Returns the step in words, as the object of a sentence.
    pub fn words(&self) -> String {
        let issue = |subject: &Subject| match subject {
            Subject::Run => "the issue of the run".to_owned(),
            Subject::Task(task) => format!("the issue of {task}"),
        };
        match self {
            Step::CreateLabel => format!("create the label {LABEL}"),
            Step::CreateProject { title } => format!("create the project {title:?}"),
            Step::DescribeProject { .. } => "write the readme of the project".to_owned(),
            Step::CreateStatusField => format!("create the field {FIELD:?} of the project"),
            Step::CreatePriorityField => format!("create the field {PRIORITY:?} of the project"),
            Step::CreateIssue { subject, .. } => format!("create {}", issue(subject)),
            Step::AddSubIssue(task) => format!("make the issue of {task} a sub-issue"),
            Step::AddBlockedBy(task, by) => format!("mark {task} as blocked by {by}"),
            Step::AddCard(task) => format!("add {task} to the project"),
            Step::SetColumn(task, column) => format!("show {task} as {}", column.name()),
            Step::SetPriority(task, priority) => format!("show the priority {priority} of {task}"),
            Step::Comment { subject, .. } => format!("comment on {}", issue(subject)),
            Step::UpdateComment { subject, .. } => {
                format!("update the comment on {}", issue(subject))
            }
            Step::Close(subject, _) => format!("close {}", issue(subject)),
            Step::Reopen(subject) => format!("open {} again", issue(subject)),
            Step::CloseFurther { number, .. } => {
                format!("close issue #{number}, which has the mark of another")
            }
            Step::CloseProject { url, .. } => format!("close the project {url}"),
        }
    }

    /// Returns the run or task whose state the step shows.
    pub fn shows(&self) -> Option<Subject> {
        match self {
            Step::SetColumn(task, _) | Step::SetPriority(task, _) => Some(Subject::Task(*task)),
            Step::Close(subject, _) | Step::Reopen(subject) => Some(*subject),
            _ => None,
        }
    }

    /// Returns `true` if people are notified of it. GitHub limits how many of those it takes.
    pub fn is_content(&self) -> bool {
        matches!(self, Step::CreateIssue { .. } | Step::Comment { .. })
    }

    /// Returns the object that it makes.
    pub fn makes(&self) -> Option<Object> {
        match self {
            Step::CreateLabel => Some(Object::Label),
            Step::CreateProject { .. } => Some(Object::Project),
            Step::CreateStatusField => Some(Object::StatusField),
            Step::CreatePriorityField => Some(Object::PriorityField),
            Step::CreateIssue { subject, .. } => Some(Object::Issue(*subject)),
            Step::AddCard(task) => Some(Object::Card(*task)),
            _ => None,
        }
    }

    /// Lists the objects that it needs.
    pub fn needs(&self) -> Vec<Object> {
        let issue = |task: &TaskNumber| Object::Issue(Subject::Task(*task));
        match self {
            Step::CreateLabel
            | Step::CreateProject { .. }
            | Step::UpdateComment { .. }
            | Step::CloseFurther { .. }
            | Step::CloseProject { .. } => Vec::new(),
            Step::DescribeProject { .. } | Step::CreateStatusField | Step::CreatePriorityField => {
                vec![Object::Project]
            }
            Step::CreateIssue { .. } => vec![Object::Label],
            Step::AddSubIssue(task) => vec![Object::Issue(Subject::Run), issue(task)],
            Step::AddBlockedBy(task, by) => vec![issue(task), issue(by)],
            Step::AddCard(task) => vec![Object::Project, issue(task)],
            Step::SetColumn(task, column) => vec![
                Object::Project,
                Object::Card(*task),
                Object::StatusField,
                Object::Option(*column),
            ],
            Step::SetPriority(task, _) => {
                vec![Object::Project, Object::Card(*task), Object::PriorityField]
            }
            Step::Comment { subject, .. } | Step::Close(subject, _) | Step::Reopen(subject) => {
                vec![Object::Issue(*subject)]
            }
        }
    }

    /// Returns the place of the id of what it makes, in the answer.
    pub fn id_path(&self) -> Option<&'static str> {
        match self {
            Step::CreateLabel => Some("label.id"),
            Step::CreateProject { .. } => Some("projectV2.id"),
            Step::CreateStatusField | Step::CreatePriorityField => Some("projectV2Field.id"),
            Step::CreateIssue { .. } => Some("issue.id"),
            Step::AddCard(_) => Some("item.id"),
            _ => None,
        }
    }
}
