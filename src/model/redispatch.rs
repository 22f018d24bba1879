//! Starts a task again: on the user's request, after a conflict, or because a candidate below it
//! changed.

use crate::merge::oid::Oid;
use crate::model::assembly_conflict::AssemblyConflict;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_list::and_list;
use crate::model::task_state::TaskPhase;

impl RunState {
    /// Returns the tasks below this one: its dependencies, and those assembled before a
    /// re-dispatch.
    pub fn built_on(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut on = self.plan.task(number).depends_on.clone();
        let again = self.task(number).resolved_conflict().into_iter();
        let again = again.flat_map(|conflict| conflict.merged.iter().map(|(task, _)| *task));
        on.extend(again);
        on.sort();
        on.dedup();
        on
    }

    /// Returns the conflict that kept a task out of the last assembly.
    ///
    /// `None` if it was not left out because of a conflict, or if an assembled candidate has
    /// changed since.
    pub fn assembly_conflict(&self, number: TaskNumber) -> Option<AssemblyConflict> {
        let integration = self.integration.as_ref()?;
        let mut left_out = integration.left_out.iter();
        let (candidate, with) = left_out.find_map(|out| match &out.reason {
            LeftOutReason::Conflict { with, .. } if out.task == number => {
                Some((out.candidate, with.clone()))
            }
            _ => None,
        })?;
        let steps = integration.merged.iter();
        let merged: Vec<_> = steps.map(|step| (step.task, step.candidate)).collect();
        let is_offered = |(task, candidate): &(TaskNumber, Oid)| {
            self.task(*task).candidate() == Some(*candidate) && !self.is_left_out(*task)
        };
        merged.iter().all(is_offered).then_some(AssemblyConflict {
            chain_tip: integration.chain_tip?,
            merged,
            with,
            candidate,
        })
    }

    /// Queues a task again because its candidate conflicts with others.
    pub(super) fn redispatch(&mut self, number: TaskNumber) {
        let conflict = self.assembly_conflict(number);
        let task = self.task_mut(number);
        task.redispatched_for = conflict;
        task.redispatches += 1;
        task.suspend_variants();
        task.phase = TaskPhase::Queued;
    }

    /// Restores the earlier candidate after a failed re-dispatch.
    pub(super) fn fail_redispatch(&mut self, number: TaskNumber) {
        let task = self.task_mut(number);
        let Some(conflict) = task.redispatched_for.take() else {
            return;
        };
        let reason = match task.attempts.last().and_then(|last| last.outcome.as_ref()) {
            Some(outcome) => match &outcome.end {
                End::Failed(failure) => format!(": {}", failure.message),
                _ => String::new(),
            },
            None => String::new(),
        };
        let others = match and_list(&conflict.with) {
            others if others.is_empty() => "the others".to_owned(),
            others => others,
        };
        task.note = Some(format!("re-dispatch on top of {others} failed{reason}"));
        let offers = |end: &End| matches!(end, End::Passed { candidate, .. } if *candidate == Some(conflict.candidate));
        task.candidate_attempt = task.attempts.iter().rposition(|attempt| {
            let outcome = attempt.outcome.as_ref();
            outcome.is_some_and(|outcome| offers(&outcome.end))
        });
        task.phase = match task.candidate_attempt {
            Some(_) => TaskPhase::Done,
            None => TaskPhase::Failed,
        };
    }

    /// Queues the task and every task built on its old candidate, which would bring the old change
    /// back. Commits made by hand on a passed task have to pass first.
    pub(super) fn request_retry(&mut self, number: TaskNumber, by_hand: Option<Oid>) {
        let conflict = self.assembly_conflict(number);
        let take = by_hand.and_then(|commit| self.task(number).begin_take(commit));
        if take.is_none() {
            for dependent in self.restarted_with(number) {
                self.task_mut(dependent).requeue();
            }
        }
        let task = self.task_mut(number);
        task.requeue();
        task.take = take;
        task.redispatched_for = conflict;
        task.cancelled = false;
        task.explicitly_skipped = false;
        task.note = None;
    }

    /// Returns `true` if it was skipped together with another task than `but`.
    pub(super) fn is_cut_off(&self, dependent: TaskNumber, but: TaskNumber) -> bool {
        let skipped = TaskPhase::Skipped { satisfied: false };
        let cuts = |other: TaskNumber| {
            let task = self.task(other);
            other != but && task.explicitly_skipped && task.phase == skipped
        };
        let mut numbers = self.plan.tasks().iter().map(|task| task.number);
        self.task(dependent).phase == skipped
            && numbers.any(|other| cuts(other) && self.downstream(other).contains(&dependent))
    }

    /// Queues the tasks built on this one, which contain its old candidate.
    pub(super) fn requeue_built_on(&mut self, number: TaskNumber) {
        for dependent in self.restarted_with(number) {
            let task = self.task_mut(dependent);
            // The user did not ask for this, so the count against `[retry] conflict` stays.
            let redispatches = task.redispatches;
            task.requeue();
            task.redispatches = redispatches;
        }
    }

    /// Returns the tasks that start again with this one, because they contain its old candidate.
    fn restarted_with(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let starts_again = |dependent: &TaskNumber| {
            let task = self.task(*dependent);
            let alive = matches!(task.phase, TaskPhase::Running | TaskPhase::RetryAt(_));
            !alive
                && !task.explicitly_skipped
                && !task.cancelled
                && !self.is_cut_off(*dependent, number)
        };
        let mut dependents = self.all_built_on(number);
        dependents.retain(starts_again);
        dependents
    }

    /// Returns the passed tasks that would start again with this one.
    pub fn redone_with(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut dependents = self.restarted_with(number);
        dependents.retain(|dependent| self.task(*dependent).phase == TaskPhase::Done);
        dependents
    }

    /// Returns every task built on this one, directly or through others, in plan order.
    fn all_built_on(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut found = vec![false; self.tasks.len()];
        let mut open = vec![number];
        while let Some(task) = open.pop() {
            let others = self.plan.tasks().iter().map(|other| other.number);
            for other in others.filter(|other| self.built_on(*other).contains(&task)) {
                if other != number && !std::mem::replace(&mut found[other.index()], true) {
                    open.push(other);
                }
            }
        }
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        numbers.filter(|number| found[number.index()]).collect()
    }
}
