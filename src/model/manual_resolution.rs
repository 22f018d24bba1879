//! A conflict that a person settles by hand.

use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::redispatch::Onto;
use crate::model::run::{RunState, TaskPhase, TaskState};

/// A conflict that a person has open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolving {
    /// What the task met, and its own result.
    pub onto: Onto,
    /// The worktree with the conflict in it, from the top of the main checkout.
    pub worktree: String,
}

/// What a person made of a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ByHand {
    /// The merge of the task's own result with what it met.
    pub candidate: Oid,
    /// What it met, and its own result.
    pub onto: Onto,
}

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

impl TaskState {
    /// What its result stands on beside what the plan says.
    pub fn stands_on(&self) -> Option<&Onto> {
        let by_hand = self.by_hand.as_ref().map(|by_hand| &by_hand.onto);
        by_hand.or(self.onto.as_ref())
    }
}
