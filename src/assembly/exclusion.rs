//! What will not go in as far as can be told without merging: why, and what would bring it in.

use crate::model::ids::TaskNumber;
use crate::model::task_list::{and_list, comma_list, together_with};

/// A task that will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exclusion {
    /// The task.
    pub task: TaskNumber,
    /// Why not.
    pub reason: ExclusionReason,
}

/// Why a task will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExclusionReason {
    /// It conflicts with chosen tasks.
    Conflict {
        /// Those tasks.
        with: Vec<TaskNumber>,
        /// What would have to stay out for it: those, and what was built on them.
        instead_of: Vec<TaskNumber>,
    },
    /// It was built on a task that does not go in.
    BuiltOn(TaskNumber),
    /// A person left it out.
    ByUser,
    /// A check failed with it when these very results were put together last.
    FailedChecks(FailingSet),
}

/// A check that failed on a set of candidates, and on no smaller one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailingSet {
    /// The check.
    pub command: String,
    /// It was killed by its time limit.
    pub timed_out: bool,
    /// The set: the last of these in assembled order is left out.
    pub tasks: Vec<TaskNumber>,
}

impl Exclusion {
    /// Why it stays out.
    pub fn why(&self) -> String {
        match &self.reason {
            ExclusionReason::Conflict { with, .. } => format!("conflicts with {}", and_list(with)),
            ExclusionReason::BuiltOn(task) => format!("built on {task}, which is left out"),
            ExclusionReason::ByUser => "left out by a person".to_owned(),
            ExclusionReason::FailedChecks(failing) => {
                let how = together_with(&failing.without(self.task));
                let fails = if failing.timed_out {
                    "times out"
                } else {
                    "fails"
                };
                format!(
                    "`{}` {fails} with it {how}, as was found out before",
                    failing.command
                )
            }
        }
    }

    /// What would bring it in.
    pub fn remedy(&self) -> String {
        match &self.reason {
            ExclusionReason::Conflict { with, instead_of } => format!(
                "comes in when it is dispatched again on top of {}, or in place of {} (--order {})",
                comma_list(with),
                comma_list(instead_of),
                self.task.0
            ),
            ExclusionReason::BuiltOn(task) => format!("comes in with {task}"),
            ExclusionReason::ByUser => "comes in when it is no longer left out".to_owned(),
            ExclusionReason::FailedChecks(failing) => match failing.without(self.task).as_slice() {
                [] => "comes in with another result, or when everything is checked again \
                       (--recheck)"
                    .to_owned(),
                with => format!(
                    "comes in with another result, or in place of {} (--leave-out {})",
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
