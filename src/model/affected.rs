//! Finds the tasks whose row on a board may differ after new facts.

use std::collections::BTreeSet;

use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

impl RunState {
    /// Returns the tasks that these facts, already applied, may have changed; `None` if it may be any
    /// task. The usual facts change one task and what depends on it, so that a view of a run need
    /// not be rendered as a whole for each of them.
    pub fn affected_by(&self, new: &[Recorded]) -> Option<BTreeSet<TaskNumber>> {
        if self.holds_back {
            return None;
        }
        let mut affected = BTreeSet::new();
        for recorded in new {
            let task = match &recorded.event {
                Event::AttemptStarting { task, .. }
                | Event::AttemptStarted { task, .. }
                | Event::ProgressReported { task, .. }
                | Event::AttemptEnded { task, .. }
                | Event::RetryScheduled { task, .. }
                | Event::RetryDue { task }
                | Event::RetryBudgetSpent { task, .. }
                | Event::DependenciesConflict { task, .. }
                | Event::TaskCancelled { task } => *task,
                _ => return None,
            };
            // What was built on an earlier result of it starts again.
            if self.task(task).redispatched_for.is_some() {
                return None;
            }
            if affected.insert(task) {
                affected.extend(self.downstream(task));
            }
        }
        Some(affected)
    }
}
