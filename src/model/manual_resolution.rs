//! Manual resolution: opens, accepts and aborts conflicts that the user resolves by hand.

use crate::merge::change::ChangeStat;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{ManualResolution, OpenResolution};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

impl RunState {
    /// Returns the tasks whose conflicts the user has open, in plan order.
    pub fn open_resolutions(&self) -> Vec<TaskNumber> {
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        numbers
            .filter(|number| self.task(*number).open_resolution.is_some())
            .collect()
    }

    /// Returns a task whose candidate has changed since the conflict was opened.
    pub fn outdated_by(&self, number: TaskNumber) -> Option<TaskNumber> {
        let resolving = self.task(number).open_resolution.as_ref()?;
        let offers = |task: TaskNumber| self.task(task).candidate();
        let own = match &self.task(number).manual_resolution {
            Some(by_hand) => Some(by_hand.conflict.candidate),
            None => offers(number),
        };
        if own != Some(resolving.conflict.candidate) {
            return Some(number);
        }
        let mut contained = resolving.conflict.merged.iter();
        let moved = contained.find(|(task, candidate)| offers(*task) != Some(*candidate));
        moved.map(|(task, _)| *task)
    }

    pub(super) fn open_resolution(&mut self, number: TaskNumber, worktree: &str) {
        let conflict = self.assembly_conflict(number);
        self.task_mut(number).open_resolution = conflict.map(|conflict| OpenResolution {
            conflict,
            worktree: worktree.to_owned(),
        });
    }

    /// Accepts the resolution and queues the dependents that the conflict blocked.
    pub(super) fn accept_resolution(
        &mut self,
        number: TaskNumber,
        candidate: Oid,
        stat: Option<ChangeStat>,
    ) {
        let task = self.task_mut(number);
        if let Some(resolving) = &task.open_resolution {
            let conflict = resolving.conflict.clone();
            task.manual_resolution = Some(ManualResolution {
                candidate,
                conflict,
                stat,
            });
        }
        for dependent in self.downstream(number) {
            let task = self.task_mut(dependent);
            if matches!(task.phase, TaskPhase::DependenciesConflict { .. }) {
                task.unblock();
            }
        }
        self.redispatch_suspended = true;
    }

    pub(super) fn abort_resolution(&mut self, number: TaskNumber) {
        let task = self.task_mut(number);
        task.open_resolution = None;
        task.manual_resolution = None;
        self.redispatch_suspended = true;
    }
}
