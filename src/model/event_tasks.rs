//! The tasks that an event names, to check them against the plan before the event is folded.

use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::{Integration, LeftOutReason};
use crate::model::resolution::{Resolution, Resolver};

impl Event {
    /// Lists every task that the event names, in any order. The findings of a resume and of an edited plan
    /// are left out: they name tasks of the old plan, too, and are only shown.
    pub fn named_tasks(&self) -> Vec<TaskNumber> {
        let mut tasks: Vec<TaskNumber> = self.task().into_iter().collect();
        match self {
            Event::RunStarted { only, .. } => tasks.extend(only.iter().flatten()),
            Event::WorkerParked { task, .. } => tasks.push(*task),
            Event::SetupBroken { tasks: all, .. }
            | Event::WorkerAccessDenied { tasks: all, .. }
            | Event::AssemblyStarting { order: all }
            | Event::DependenciesConflict { between: all, .. }
            | Event::Redispatched { with: all, .. } => tasks.extend(all),
            Event::AssemblyRequested { order, leave_out } => {
                tasks.extend(order.iter().chain(leave_out));
            }
            Event::ConflictsFound { conflicts } | Event::SpeculativeConflicts { conflicts, .. } => {
                tasks.extend(conflicts.iter().flat_map(|found| [found.a, found.b]));
            }
            Event::VariantChosen { choice, .. } => {
                let compared = choice.compared.iter();
                tasks.extend(compared.flat_map(|compared| &compared.conflicts));
            }
            Event::ConflictResolved { resolutions, .. } => add_resolutions(resolutions, &mut tasks),
            Event::Assembled { integration } => add_integration(integration, &mut tasks),
            Event::PullRequestStarting { pull_request }
            | Event::PullRequestOpened { pull_request } => tasks.extend(pull_request.task),
            _ => {}
        }
        tasks
    }
}

fn add_resolutions(resolutions: &[Resolution], tasks: &mut Vec<TaskNumber>) {
    for resolution in resolutions {
        if let Resolver::Redispatched { on } = &resolution.by {
            tasks.extend(on);
        }
    }
}

fn add_integration(integration: &Integration, tasks: &mut Vec<TaskNumber>) {
    for merged in &integration.merged {
        tasks.push(merged.task);
        add_resolutions(&merged.resolved, tasks);
    }
    for left_out in &integration.left_out {
        tasks.push(left_out.task);
        match &left_out.reason {
            LeftOutReason::Conflict { with, .. } | LeftOutReason::FailedChecks { with, .. } => {
                tasks.extend(with);
            }
            LeftOutReason::BuiltOn { task } => tasks.push(*task),
            LeftOutReason::ByUser => {}
        }
    }
    for culprit in &integration.culprits {
        tasks.push(culprit.task);
        tasks.extend(&culprit.with);
    }
}
