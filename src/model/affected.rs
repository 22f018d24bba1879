//! Finds the tasks whose board row may change after new events.

use std::collections::BTreeSet;

use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// The tasks an event affects.
enum Reach {
    Task,
    Dependents,
    Downstream,
}

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
            let (task, reach) = self.reach(&recorded.event)?;
            affected.insert(task);
            match reach {
                Reach::Task => {}
                Reach::Dependents => {
                    affected.extend(self.plan.dependents(task).map(|other| other.number));
                }
                Reach::Downstream => affected.extend(self.downstream(task)),
            }
        }
        Some(affected)
    }

    fn reach(&self, event: &Event) -> Option<(TaskNumber, Reach)> {
        let (task, reach) = match event {
            Event::AttemptStarting { task, .. }
            | Event::AttemptSubmitted { task, .. }
            | Event::AttemptStarted { task, .. }
            | Event::ProgressReported { task, .. } => (*task, Reach::Task),
            // A passed task blocks nothing, before and after.
            Event::AttemptEnded { task, .. } if self.task(*task).phase == TaskPhase::Done => {
                (*task, Reach::Dependents)
            }
            Event::AttemptEnded { task, .. }
            | Event::RetryScheduled { task, .. }
            | Event::RetryDue { task, .. }
            | Event::VariantChosen { task, .. }
            | Event::RetryBudgetSpent { task, .. }
            | Event::DependenciesConflict { task, .. }
            | Event::TaskCancelled { task } => (*task, Reach::Downstream),
            _ => return None,
        };
        // Tasks built on its earlier candidate start again.
        let is_alone = self.task(task).redispatched_for.is_none();
        is_alone.then_some((task, reach))
    }
}
