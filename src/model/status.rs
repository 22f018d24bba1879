//! Derives statuses, blockers, candidates and the exit code from the state of a run.

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunPhase, RunState};
use crate::model::scope::undeclared_paths;
use crate::model::task_state::{TaskPhase, TaskState};

/// The status of a task on the board.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Ready; waits for a free slot.
    Queued,
    /// The first attempt is running.
    InProgress,
    /// Passed.
    Done,
    /// Failed, without an automatic retry.
    Failed,
    /// Waits for these tasks.
    Blocked(Vec<TaskNumber>),
    /// A retry is scheduled or running; its number, from 1.
    Retry(u32),
    /// Skipped by the user.
    Skipped,
    /// Cancelled by the user.
    Cancelled,
}

impl RunState {
    /// Returns `true` if dependents no longer wait for this task.
    pub fn is_satisfied(&self, number: TaskNumber) -> bool {
        matches!(
            self.task(number).phase,
            TaskPhase::Done | TaskPhase::Skipped { satisfied: true }
        )
    }

    /// Returns the dependencies a task still waits for.
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

    /// Returns the failed, skipped or conflicting tasks that block this one, roots only.
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
                TaskPhase::Running
                | TaskPhase::RetryAt(_)
                | TaskPhase::Choosing
                | TaskPhase::Done => {}
                _ => roots.push(task),
            }
        }
        roots.sort();
        roots
    }

    /// Returns the status of a task on the board.
    pub fn status(&self, number: TaskNumber) -> Status {
        let task = self.task(number);
        match &task.phase {
            TaskPhase::Queued if !self.unmet_dependencies(number).is_empty() => {
                Status::Blocked(self.unmet_dependencies(number))
            }
            TaskPhase::Queued if task.retries() > 0 => Status::Retry(task.retries()),
            TaskPhase::Queued => Status::Queued,
            TaskPhase::Running if task.retries() > 1 => Status::Retry(task.retries() - 1),
            TaskPhase::Running | TaskPhase::Choosing => Status::InProgress,
            TaskPhase::RetryAt(_) => Status::Retry(task.retries()),
            TaskPhase::Done => Status::Done,
            TaskPhase::Failed => Status::Failed,
            TaskPhase::DependenciesConflict { between, .. } => Status::Blocked(between.clone()),
            TaskPhase::Skipped { .. } => Status::Skipped,
            TaskPhase::Cancelled => Status::Cancelled,
        }
    }

    /// Returns `true` if a task passed with the same tree an earlier attempt failed with.
    pub fn is_flaky(&self, number: TaskNumber) -> bool {
        let task = self.task(number);
        let outcome = task.outcome();
        task.phase == TaskPhase::Done && outcome.is_some_and(|outcome| outcome.flaky.is_some())
    }

    /// Returns `true` if a task is running, scheduled, or queued without a blocker.
    pub fn can_progress(&self) -> bool {
        let blockers = self.blockers();
        let mut tasks = self.tasks.iter().zip(&blockers);
        tasks.any(|(task, blockers)| match task.phase {
            TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Choosing => true,
            TaskPhase::Queued => blockers.is_empty(),
            _ => false,
        })
    }

    /// Returns `true` if the user has cancelled all that was left of the run.
    pub fn is_cancelled(&self) -> bool {
        let mut phases = self.tasks.iter().map(|task| &task.phase);
        phases.clone().all(TaskPhase::is_over) && phases.any(|phase| *phase == TaskPhase::Cancelled)
    }

    /// Returns `true` if the user left the task out of the assembly.
    pub fn is_left_out(&self, number: TaskNumber) -> bool {
        self.task(number).rejected || self.leave_out.contains(&number)
    }

    /// Returns the tasks whose conflicts kept this one out of the last assembly.
    ///
    /// Its next attempt starts on top of them: from the old base it would conflict again.
    pub fn assembled_conflicts(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let integration = self.integration.iter();
        let mut left_out = integration.flat_map(|integration| &integration.left_out);
        let with = left_out.find_map(|out| match &out.reason {
            LeftOutReason::Conflict { with, .. } if out.task == number => Some(with.clone()),
            _ => None,
        });
        with.unwrap_or_default()
    }

    /// Returns two tasks whose work in progress conflicts at a path that this task declares.
    ///
    /// At least one of the two is running, so the wait ends without the user.
    pub fn speculative_conflict_for(&self, number: TaskNumber) -> Option<(TaskNumber, TaskNumber)> {
        let files = &self.plan.task(number).fields.files;
        let found = self.speculative_conflicts.iter().find(|found| {
            let units = found.conflict.units.iter();
            let paths: Vec<&RepoPath> = units.flat_map(|unit| &unit.paths).collect();
            !files.is_empty() && undeclared_paths(files, paths.iter().copied()).len() < paths.len()
        });
        found.map(|found| found.conflict.pair())
    }

    /// Returns the candidates of all tasks, in plan order.
    pub fn candidates(&self) -> Vec<(TaskNumber, Oid)> {
        let tasks = self.plan.tasks().iter().map(|task| task.number);
        tasks
            .filter_map(|number| Some((number, self.task(number).candidate()?)))
            .collect()
    }

    /// Returns the exit code for the current state (`docs/runs.md`).
    pub fn exit_code(&self) -> u8 {
        if self.phase == RunPhase::Stopping {
            return 130;
        }
        let passed = |task: &TaskState| {
            matches!(task.phase, TaskPhase::Done | TaskPhase::Skipped { .. })
                && task.failed_take().is_none()
        };
        if !self.tasks.iter().all(|task| passed(task)) {
            return 3;
        }
        match &self.integration {
            Some(integration) if integration.needs_attention() => 4,
            _ if self.assembly_refused.is_some() => 4,
            _ => 0,
        }
    }
}
