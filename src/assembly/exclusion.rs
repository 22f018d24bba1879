//! Explains the tasks that an assembly leaves out, and the steps that would include them.

use crate::model::ids::TaskNumber;
use crate::model::task_list::{and_list, comma_list, together_with};

/// A task that is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exclusion {
    /// The task.
    pub task: TaskNumber,
    /// The reason.
    pub reason: ExclusionReason,
}

/// The reason why a task is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExclusionReason {
    /// It conflicts with selected tasks.
    Conflict {
        /// The conflicting tasks.
        with: Vec<TaskNumber>,
        /// The tasks it would replace: the conflicting ones, and those built on them.
        instead_of: Vec<TaskNumber>,
    },
    /// It was built on a task that is left out.
    BuiltOn(TaskNumber),
    /// The user left it out.
    ByUser,
    /// A check failed with it in the last assembly of the same candidates.
    FailedChecks(FailingSet),
}

/// A minimal set of candidates on which a check failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailingSet {
    /// The command of the check.
    pub command: String,
    /// `true` if the check reached its time limit.
    pub timed_out: bool,
    /// The set, of which the last task in assembly order is left out.
    pub tasks: Vec<TaskNumber>,
}

impl Exclusion {
    /// Explains why the task is left out.
    pub fn explanation(&self) -> String {
        match &self.reason {
            ExclusionReason::Conflict { with, .. } => format!("conflicts with {}", and_list(with)),
            ExclusionReason::BuiltOn(task) => format!("built on {task}, which is left out"),
            ExclusionReason::ByUser => "left out by the user".to_owned(),
            ExclusionReason::FailedChecks(failing) => {
                let how = together_with(&failing.without(self.task));
                let fails = if failing.timed_out {
                    "times out"
                } else {
                    "fails"
                };
                format!(
                    "`{}` {fails} with it {how}, as found earlier",
                    failing.command
                )
            }
        }
    }

    /// Explains how the task can be included.
    pub fn remedy(&self) -> String {
        match &self.reason {
            ExclusionReason::Conflict { with, instead_of } => format!(
                "included after a re-dispatch on top of {}, or in place of {} (--order {})",
                comma_list(with),
                comma_list(instead_of),
                self.task.0
            ),
            ExclusionReason::BuiltOn(task) => format!("included with {task}"),
            ExclusionReason::ByUser => "included when it is no longer left out".to_owned(),
            ExclusionReason::FailedChecks(failing) => match failing.without(self.task).as_slice() {
                [] => "included with another candidate, or after a new check of everything \
                       (--recheck)"
                    .to_owned(),
                with => format!(
                    "included with another candidate, or in place of {} (--leave-out {})",
                    comma_list(with),
                    with[0].0
                ),
            },
        }
    }
}

impl FailingSet {
    fn without(&self, task: TaskNumber) -> Vec<TaskNumber> {
        let others = self.tasks.iter().copied();
        others.filter(|other| *other != task).collect()
    }
}
