//! A conflict that a person settles by hand.

use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{ByHand, Resolving};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

impl RunState {
    /// The tasks whose conflicts a person has open, in plan order.
    pub fn open_resolves(&self) -> Vec<TaskNumber> {
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        numbers
            .filter(|number| self.task(*number).resolving.is_some())
            .collect()
    }

    /// The task whose result is no longer what an open conflict is about.
    pub fn moved_on(&self, number: TaskNumber) -> Option<TaskNumber> {
        let resolving = self.task(number).resolving.as_ref()?;
        let offers = |task: TaskNumber| self.task(task).candidate();
        let own = match &self.task(number).by_hand {
            Some(by_hand) => Some(by_hand.onto.candidate),
            None => offers(number),
        };
        if own != Some(resolving.onto.candidate) {
            return Some(number);
        }
        let mut contained = resolving.onto.contains.iter();
        let moved = contained.find(|(task, candidate)| offers(*task) != Some(*candidate));
        moved.map(|(task, _)| *task)
    }

    pub(super) fn open_resolve(&mut self, number: TaskNumber, worktree: &str) {
        let onto = self.would_be_onto(number);
        self.tasks[number.index()].resolving = onto.map(|onto| Resolving {
            onto,
            worktree: worktree.to_owned(),
        });
    }

    /// What waited for the conflict to go away can start.
    pub(super) fn take_resolve(&mut self, number: TaskNumber, candidate: Oid) {
        let task = &mut self.tasks[number.index()];
        if let Some(resolving) = &task.resolving {
            let onto = resolving.onto.clone();
            task.by_hand = Some(ByHand { candidate, onto });
        }
        for dependent in self.downstream(number) {
            let task = &mut self.tasks[dependent.index()];
            if matches!(task.phase, TaskPhase::DependenciesConflict { .. }) {
                task.phase = TaskPhase::Queued;
            }
        }
        self.arranged = true;
    }

    pub(super) fn abort_resolve(&mut self, number: TaskNumber) {
        let task = &mut self.tasks[number.index()];
        task.resolving = None;
        task.by_hand = None;
        self.arranged = true;
    }
}
