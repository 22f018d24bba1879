//! Circuit breaker: stops starts after the same failure of several tasks in a row.
//!
//! With no success in between, the failure has a cause that tasks share, so the next ones would
//! fail too.

use serde::{Deserialize, Serialize};

use crate::model::failure::Failure;
use crate::model::ids::TaskNumber;

/// The number of tasks after which a failure counts as shared.
const SEVERAL: usize = 2;

/// The health of something that tasks share: the set-up of worktrees, the access of a worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// The last equal failures in a row.
    alike: Option<Alike>,
    /// The recorded failure: nothing is started until a success or until the user resumes.
    broken: Option<SharedFailure>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Alike {
    signature: String,
    found: SharedFailure,
}

/// A failure that several tasks share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SharedFailure {
    /// The tasks, in plan order.
    pub tasks: Vec<TaskNumber>,
    /// The error in one line.
    pub message: String,
}

impl CircuitBreaker {
    /// Returns the recorded failure that keeps tasks from starting.
    pub fn tripped(&self) -> Option<&SharedFailure> {
        self.broken.as_ref()
    }

    /// Returns a failure that has reached the limit and is not recorded yet.
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

    /// Forgets all failures after a success or when the user resumes.
    pub(crate) fn reset(&mut self) {
        *self = CircuitBreaker::default();
    }
}
