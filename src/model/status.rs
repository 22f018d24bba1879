//! What can be read off the state of a run: statuses, what a task waits for, what is offered, and
//! the exit code that has been earned.

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunPhase, RunState};
use crate::model::scope::undeclared_paths;
use crate::model::task_state::{TaskPhase, TaskState};

/// What the board says about a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Ready, waits for room.
    Queued,
    /// A first attempt is alive.
    InProgress,
    /// Passed.
    Done,
    /// Failed, and will not be tried again by itself.
    Failed,
    /// Waits for these tasks.
    Blocked(Vec<TaskNumber>),
    /// A later attempt is scheduled or alive; the number of the retry, from 1.
    Retry(u32),
    /// Given up by a person.
    Skipped,
    /// Ended by a person.
    Cancelled,
}

impl RunState {
    /// Whether a dependent need no longer wait for this task.
    pub fn is_satisfied(&self, number: TaskNumber) -> bool {
        matches!(
            self.task(number).phase,
            TaskPhase::Done | TaskPhase::Skipped { satisfied: true }
        )
    }

    /// The dependencies a task still waits for.
    pub fn unmet_dependencies(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let depends_on = self.plan.task(number).depends_on.iter().copied();
        depends_on
            .filter(|dependency| !self.is_satisfied(*dependency))
            .collect()
    }

    /// Returns `true` if a task waits for no dependency.
    pub fn is_unblocked(&self, number: TaskNumber) -> bool {
        let mut depends_on = self.plan.task(number).depends_on.iter();
        depends_on.all(|dependency| self.is_satisfied(*dependency))
    }

    /// The failed, skipped or conflicting tasks that keep this one from starting, roots only.
    pub fn root_causes(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut seen = vec![false; self.tasks.len()];
        let mut open = self.unmet_dependencies(number);
        let mut roots = Vec::new();
        while let Some(task) = open.pop() {
            if std::mem::replace(&mut seen[task.index()], true) {
                continue;
            }
            match self.task(task).phase {
                TaskPhase::Queued => open.extend(self.unmet_dependencies(task)),
                TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Done => {}
                _ => roots.push(task),
            }
        }
        roots.sort();
        roots
    }

    /// What the board says about a task.
    pub fn status(&self, number: TaskNumber) -> Status {
        let task = self.task(number);
        match &task.phase {
            TaskPhase::Queued if !self.unmet_dependencies(number).is_empty() => {
                Status::Blocked(self.unmet_dependencies(number))
            }
            TaskPhase::Queued if task.retries() > 0 => Status::Retry(task.retries()),
            TaskPhase::Queued => Status::Queued,
            TaskPhase::Running if task.retries() > 1 => Status::Retry(task.retries() - 1),
            TaskPhase::Running => Status::InProgress,
            TaskPhase::RetryAt(_) => Status::Retry(task.retries()),
            TaskPhase::Done => Status::Done,
            TaskPhase::Failed => Status::Failed,
            TaskPhase::DependenciesConflict { between, .. } => Status::Blocked(between.clone()),
            TaskPhase::Skipped { .. } => Status::Skipped,
            TaskPhase::Cancelled => Status::Cancelled,
        }
    }

    /// Whether a task passed with the very files that an attempt before had failed with.
    pub fn is_flaky(&self, number: TaskNumber) -> bool {
        let task = self.task(number);
        let outcome = task.outcome();
        task.phase == TaskPhase::Done && outcome.is_some_and(|outcome| outcome.flaky.is_some())
    }

    /// Whether a task is alive, scheduled, or waits for nothing that has failed.
    pub fn can_progress(&self) -> bool {
        let stoppers = self.blockers();
        let mut tasks = self.tasks.iter().zip(&stoppers);
        tasks.any(|(task, stoppers)| match task.phase {
            TaskPhase::Running | TaskPhase::RetryAt(_) => true,
            TaskPhase::Queued => stoppers.is_empty(),
            _ => false,
        })
    }

    /// Whether a person wants a task's change left out of the assembly.
    pub fn is_left_out(&self, number: TaskNumber) -> bool {
        self.task(number).rejected || self.leave_out.contains(&number)
    }

    /// The tasks whose results kept this one's out of the last assembly. What it does next is built
    /// on them: from the old base it would only conflict again.
    pub fn assembled_conflicts(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let integration = self.integration.iter();
        let mut left_out = integration.flat_map(|integration| &integration.left_out);
        let with = left_out.find_map(|out| match &out.reason {
            LeftOutReason::Conflict { with, .. } if out.task == number => Some(with.clone()),
            _ => None,
        });
        with.unwrap_or_default()
    }

    /// Two tasks whose work in progress conflicts at a path that this one declares, so that it would
    /// make things worse. At least one of the two runs, so this passes by itself.
    pub fn speculative_conflict_for(&self, number: TaskNumber) -> Option<(TaskNumber, TaskNumber)> {
        let files = &self.plan.task(number).fields.files;
        let found = self.speculative_conflicts.iter().find(|found| {
            let units = found.conflict.units.iter();
            let paths: Vec<&RepoPath> = units.flat_map(|unit| &unit.paths).collect();
            !files.is_empty() && undeclared_paths(files, paths.iter().copied()).len() < paths.len()
        });
        found.map(|found| found.conflict.pair())
    }

    /// The candidates that may be assembled, in plan order.
    pub fn candidates(&self) -> Vec<(TaskNumber, Oid)> {
        let tasks = self.plan.tasks().iter().map(|task| task.number);
        tasks
            .filter_map(|number| Some((number, self.task(number).candidate()?)))
            .collect()
    }

    /// The exit code the run has earned as things stand (`docs/runs.md`).
    pub fn exit_code(&self) -> u8 {
        if self.phase == RunPhase::Stopping {
            return 130;
        }
        let passed =
            |task: &TaskState| matches!(task.phase, TaskPhase::Done | TaskPhase::Skipped { .. });
        if !self.tasks.iter().all(passed) {
            return 3;
        }
        match &self.integration {
            Some(integration) if integration.needs_attention() => 4,
            _ if self.assembly_refused.is_some() => 4,
            _ => 0,
        }
    }
}
