//! Finds the tasks whose board row may change after new events.

use std::collections::BTreeSet;

use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

impl RunState {
    /// Returns the tasks that these applied events may have changed; `None` means any task.
    ///
    /// Most events change one task and its dependents, so a board need not render every row again.
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
            // Tasks built on its earlier candidate start again.
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
