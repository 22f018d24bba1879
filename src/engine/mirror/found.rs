//! The state of GitHub as it was read, kept up to date with what is done there.

use std::collections::BTreeMap;

use crate::engine::mirror::column::{Column, Reason};
use crate::model::ids::TaskNumber;
use crate::report::issue::Subject;

/// A thing on GitHub that steps name by its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Object {
    /// The label of dispatch's issues.
    Label,
    /// The project.
    Project,
    /// Its field with the status.
    StatusField,
    /// Its field with the priority.
    PriorityField,
    /// An option of the field with the status.
    Option(Column),
    /// An issue.
    Issue(Subject),
    /// The card of a task in the project.
    Card(TaskNumber),
}

/// The state of GitHub.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The repository.
    pub repository: FoundRepository,
    /// The project, if it is there.
    pub project: Option<FoundProject>,
    /// The issues of the run.
    pub issues: BTreeMap<Subject, FoundIssue>,
    /// The ids of all that is there.
    pub ids: BTreeMap<Object, String>,
    /// Further issues with the mark of one that is there.
    pub duplicates: Vec<Duplicate>,
    /// The projects that were made for the run, where they were looked for.
    pub made: Vec<MadeProject>,
}

/// A further issue with the mark of one that is there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Duplicate {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: u64,
    /// `true` if it is closed.
    pub is_closed: bool,
}

/// A project that was made for the run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MadeProject {
    /// Its id.
    pub id: String,
    /// Its address.
    pub url: String,
    /// `true` if it is closed.
    pub is_closed: bool,
}

/// The repository with the issues.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundRepository {
    /// Its id.
    pub id: String,
    /// The id of its owner.
    pub owner_id: String,
    /// Its owner and name.
    pub name: String,
    /// `true` if anyone on the internet can read it.
    pub is_public: bool,
}

/// The project with the cards.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundProject {
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// `true` if it is closed.
    pub is_closed: bool,
    /// `true` if anyone on the internet can read it.
    pub is_public: bool,
    /// `true` if its readme says that it was made for this run.
    pub is_marked: bool,
}

/// An issue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FoundIssue {
    /// Its number.
    pub number: u64,
    /// Its address.
    pub url: String,
    /// `true` if it is closed.
    pub is_closed: bool,
    /// The reason of its state: `COMPLETED`, `NOT_PLANNED`, `REOPENED`, …; empty if there is none.
    pub reason: String,
    /// `true` if it is a sub-issue of some other.
    pub has_parent: bool,
    /// The ids of the issues that block it.
    pub blocked_by: Vec<String>,
    /// The name of its status in the project, if it is set.
    pub column: Option<String>,
    /// Its priority in the project, if it is set.
    pub priority: Option<i32>,
    /// Its comments, the oldest first.
    pub comments: Vec<FoundComment>,
}

/// A comment on an issue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundComment {
    /// Its id.
    pub id: String,
    /// The login of its author; empty if the account is gone.
    pub author: String,
    /// `true` if its author is a user, not a program, who may write to the repository.
    pub is_by_collaborator: bool,
    /// `true` if it is dispatch's own comment with the result of the run.
    pub is_own: bool,
    /// Its text.
    pub text: String,
}

impl Found {
    /// Returns the id of an object that is there.
    pub fn id(&self, object: Object) -> Option<&str> {
        self.ids.get(&object).map(String::as_str)
    }
}

impl FoundIssue {
    /// Notes that it was closed.
    pub fn close(&mut self, reason: Reason) {
        self.is_closed = true;
        self.reason = match reason {
            Reason::Completed => "COMPLETED".to_owned(),
            Reason::NotPlanned => "NOT_PLANNED".to_owned(),
        };
    }

    /// Notes that it was opened again.
    pub fn reopen(&mut self) {
        self.is_closed = false;
        self.reason = "REOPENED".to_owned();
    }
}
