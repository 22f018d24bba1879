//! The change credited to a task, and its place in the assembled result, for every board and report.

use crate::merge::change::ChangeStat;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::integration::{LeftOut, Merged};
use crate::model::outcome::End;
use crate::model::run::RunState;

/// The two commits between which a task changed something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskChange {
    /// The commit the change starts from.
    pub from: Oid,
    /// The commit with the change.
    pub to: Oid,
}

/// The place of a task in the assembled result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement<'a> {
    /// Its candidate is on the integration branch.
    Merged(&'a Merged),
    /// Its candidate was left out.
    LeftOut(&'a LeftOut),
    /// It was not considered: it has no candidate, or nothing was assembled.
    NotAssembled,
}

impl RunState {
    /// Returns the change of a task: of its candidate, else of the last attempt that left something.
    ///
    /// A manual resolution is a merge with the results of other tasks. Only what it adds to them is
    /// the task's own.
    pub fn task_change(&self, number: TaskNumber) -> Option<TaskChange> {
        let task = self.task(number);
        match (task.candidate(), &task.manual_resolution) {
            (Some(to), Some(resolution)) => Some(TaskChange {
                from: resolution.conflict.chain_tip,
                to,
            }),
            (Some(to), None) => Some(TaskChange {
                from: task.deciding_attempt()?.base?,
                to,
            }),
            (None, _) => task.attempts.iter().rev().find_map(kept_change),
        }
    }

    /// Returns the counts of the change of a task that passed.
    pub fn task_stat(&self, number: TaskNumber) -> Option<ChangeStat> {
        let task = self.task(number);
        let End::Passed { stat, .. } = task.outcome()?.end else {
            return None;
        };
        let resolution = task.manual_resolution.as_ref();
        Some(resolution.and_then(|found| found.stat).unwrap_or(stat))
    }

    /// Returns the place of a task in the assembled result.
    pub fn placement(&self, number: TaskNumber) -> Placement<'_> {
        let Some(integration) = &self.integration else {
            return Placement::NotAssembled;
        };
        let mut merged = integration.merged.iter();
        let mut left_out = integration.left_out.iter();
        match merged.find(|merged| merged.task == number) {
            Some(merged) => Placement::Merged(merged),
            None => match left_out.find(|out| out.task == number) {
                Some(out) => Placement::LeftOut(out),
                None => Placement::NotAssembled,
            },
        }
    }

    /// Returns `true` if the user's resolution of the conflict of a task is on the integration branch.
    pub fn is_resolution_merged(&self, number: TaskNumber) -> bool {
        let resolution = self.task(number).manual_resolution.as_ref();
        match (self.placement(number), resolution) {
            (Placement::Merged(merged), Some(found)) => merged.candidate == found.candidate,
            _ => false,
        }
    }

    /// Returns `true` if the user has the conflict of a task open and unresolved.
    pub fn is_conflict_open(&self, number: TaskNumber) -> bool {
        self.task(number).open_resolution.is_some() && !self.is_resolution_merged(number)
    }
}

impl Placement<'_> {
    /// Returns `true` if the candidate is on the integration branch.
    pub fn is_merged(self) -> bool {
        matches!(self, Placement::Merged(_))
    }
}

fn kept_change(attempt: &Attempt) -> Option<TaskChange> {
    Some(TaskChange {
        from: attempt.base?,
        to: attempt.outcome.as_ref()?.kept?,
    })
}

#[cfg(test)]
mod tests {
    use crate::model::assembly_conflict::{AssemblyConflict, ManualResolution};
    use crate::model::fixture::{RunFixture, base, candidate};
    use crate::model::integration::Integration;

    use super::*;

    #[test]
    fn a_resolution_by_hand_is_credited_with_its_own_lines_only() {
        let mut state = RunFixture::new("a · b")
            .begin(1, "shell")
            .pass(1, "a")
            .begin(2, "shell")
            .pass(2, "b")
            .state();
        let one = TaskNumber(1);
        let two = TaskNumber(2);
        let of = |from, to| Some(TaskChange { from, to });
        assert_eq!(state.task_change(two), of(base(), candidate(2)));
        let stat = ChangeStat {
            files: 1,
            added: 7,
            removed: 3,
        };
        state.task_mut(two).manual_resolution = Some(ManualResolution {
            candidate: candidate(20),
            conflict: AssemblyConflict {
                chain_tip: candidate(10),
                merged: vec![(one, candidate(1))],
                with: vec![one],
                candidate: candidate(2),
            },
            stat: Some(stat),
        });
        assert_eq!(state.task_change(two), of(candidate(10), candidate(20)));
        assert_eq!(state.task_stat(two), Some(stat));
        assert_eq!(state.task_change(one), of(base(), candidate(1)));
        assert_eq!(state.placement(two), Placement::NotAssembled);
        assert!(!state.is_resolution_merged(two));
        let merged = Merged {
            task: two,
            candidate: candidate(20),
            commit: candidate(30),
            resolved: Vec::new(),
        };
        state.integration = Some(Integration {
            merged: vec![merged.clone()],
            ..Integration::default()
        });
        assert_eq!(state.placement(two), Placement::Merged(&merged));
        assert!(state.is_resolution_merged(two));
    }
}
