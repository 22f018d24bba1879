//! What failed in the same way for several tasks in a row, with none in between for which it worked:
//! it will fail for the others too, so nothing that shares the cause is started.

use serde::{Deserialize, Serialize};

use crate::model::failure::Failure;
use crate::model::ids::TaskNumber;

/// After so many tasks it is a matter of the run and not of a task.
const SEVERAL: usize = 2;

/// What is known about something that tasks share: the set-up of worktrees, the access of a worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// The last failures in a row that are alike.
    alike: Option<Alike>,
    /// Said once: nothing is started until it works or a person wants to go on.
    broken: Option<SharedFailure>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Alike {
    signature: String,
    found: SharedFailure,
}

/// What failed in the same way for several tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SharedFailure {
    /// The tasks, in the order of the plan.
    pub tasks: Vec<TaskNumber>,
    /// What went wrong, in one line.
    pub message: String,
}

impl CircuitBreaker {
    /// What keeps everything from being started, once that was recorded.
    pub fn tripped(&self) -> Option<&SharedFailure> {
        self.broken.as_ref()
    }

    /// What is to be recorded as that.
    pub fn ready_to_trip(&self) -> Option<&SharedFailure> {
        let alike = self.alike.as_ref().filter(|_| self.broken.is_none());
        let found = alike.map(|alike| &alike.found);
        found.filter(|found| found.tasks.len() >= SEVERAL)
    }

    pub(crate) fn record_failure(&mut self, task: TaskNumber, failure: &Failure) {
        let before = self.alike.take();
        let same = before.filter(|alike| alike.signature == failure.signature);
        let mut tasks = same.map_or(Vec::new(), |alike| alike.found.tasks);
        if !tasks.contains(&task) {
            tasks.push(task);
            tasks.sort();
        }
        self.alike = Some(Alike {
            signature: failure.signature.clone(),
            found: SharedFailure {
                tasks,
                message: failure.message.clone(),
            },
        });
    }

    pub(crate) fn trip(&mut self, broken: SharedFailure) {
        self.broken = Some(broken);
    }

    /// One worked, or a person has seen to it.
    pub(crate) fn reset(&mut self) {
        *self = CircuitBreaker::default();
    }
}
