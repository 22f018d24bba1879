//! The state of GitHub that a run wants.

use jiff::{SignedDuration, Timestamp};

use crate::base::safe::secrets::Secrets;
use crate::engine::mirror::column::{Column, Reason};
use crate::model::github_project::GithubProject;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::report::issue::{self, Subject};

/// The difference that clocks of this machine and of GitHub may have.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(24);

/// The state of GitHub that a run wants.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    /// The run.
    pub run: RunId,
    /// The project, if the run has one.
    pub project: Option<WantedProject>,
    /// The issues: that of the run first, then those of the tasks in plan order.
    pub issues: Vec<WantedIssue>,
}

/// The project board of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedProject {
    /// Its name.
    pub name: GithubProject,
    /// The title of a new one.
    pub title: String,
    /// The readme of a new one.
    pub readme: String,
}

/// An issue of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct WantedIssue {
    /// The run or task.
    pub subject: Subject,
    /// Its title; only a new issue gets it.
    pub title: String,
    /// Its text with its mark; only a new issue gets it.
    pub body: String,
    /// Its column.
    pub column: Column,
    /// The tasks that block it.
    pub depends_on: Vec<TaskNumber>,
    /// Its priority; 0 for the run.
    pub priority: i32,
    /// The comment with its result, once there is one.
    pub result: Option<String>,
}

impl WantedIssue {
    /// Returns the reason for which it is to be closed, if it is.
    pub fn closes(&self) -> Option<Reason> {
        self.column.closes()
    }
}

impl Wanted {
    /// Derives what a run wants from its state. Secrets are masked in every text.
    pub fn of(state: &RunState, project: Option<&GithubProject>, secrets: &Secrets) -> Wanted {
        let one = |subject, column, depends_on, priority| WantedIssue {
            subject,
            title: issue::title(state, subject, secrets),
            body: issue::body(state, subject, secrets),
            column,
            depends_on,
            priority,
            result: issue::result(state, subject, secrets),
        };
        let run = one(Subject::Run, column_of_run(state), Vec::new(), 0);
        let tasks = state.plan.tasks().iter().map(|task| {
            one(
                Subject::Task(task.number),
                Column::of(&state.status(task.number)),
                task.depends_on.clone(),
                task.fields.priority,
            )
        });
        Wanted {
            run: state.run.clone(),
            project: project.map(|name| WantedProject {
                name: name.clone(),
                title: issue::project_title(state, secrets),
                readme: issue::project_readme(state),
            }),
            issues: std::iter::once(run).chain(tasks).collect(),
        }
    }
}

/// Returns the time before which no issue of the run was made.
pub fn since(state: &RunState) -> Timestamp {
    let started = state.started;
    started.checked_sub(CLOCK_SKEW).unwrap_or(started)
}

/// The issue of a run is closed once all of it passed or it has landed.
fn column_of_run(state: &RunState) -> Column {
    match state.phase {
        _ if state.landed.is_some() => Column::Done,
        RunPhase::Ended(0) => Column::Done,
        // An interrupted run is going to be resumed.
        RunPhase::Ended(130) => Column::InProgress,
        RunPhase::Ended(_) => Column::Failed,
        _ => Column::InProgress,
    }
}
