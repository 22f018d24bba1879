//! The state of one task of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{AssemblyConflict, ManualResolution, OpenResolution};
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};
use crate::model::spending::Spending;

/// Where one task is.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskState {
    /// What it waits for or how it ended.
    pub phase: TaskPhase,
    /// Every attempt so far, the first one first.
    pub attempts: Vec<Attempt>,
    /// The last thing said about it.
    pub note: Option<String>,
    /// Attempts before this one belong to an earlier request of a person and use up no retries.
    pub counted_from: usize,
    /// How many retries the run may spend, if it was not tried again because they are spent.
    pub retry_budget_spent: Option<u32>,
    /// Words a person added to the prompt.
    pub extra_prompt: Option<String>,
    /// Its prompt as a person wrote it anew.
    pub rewritten_prompt: Option<String>,
    /// The worker profile a person chose in place of the plan's.
    pub worker_override: Option<String>,
    /// Whether a person left its change out of the assembly.
    pub rejected: bool,
    /// Whether a person gave it up by name, and not because of another task.
    pub explicitly_skipped: bool,
    /// Whether a person ended it; an attempt that is alive is on its way out.
    pub cancelled: bool,
    /// Whether the plan has it no more.
    pub removed: bool,
    /// Whether the attempt that is alive works at what the plan no longer says.
    pub superseded: bool,
    /// What its attempts start on top of, since its result met others.
    pub redispatched_for: Option<AssemblyConflict>,
    /// How often it was done again because of that, since a person last asked for it.
    pub redispatches: u32,
    /// The attempt whose result counts, where later ones came to nothing.
    pub candidate_attempt: Option<usize>,
    /// The conflict of it that a person has open.
    pub open_resolution: Option<OpenResolution>,
    /// What a person made of its conflict, which it offers in place of its own result.
    pub manual_resolution: Option<ManualResolution>,
}

/// What a task waits for or how it ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum TaskPhase {
    /// Starts when its dependencies are done and there is room.
    Queued,
    /// An attempt is alive.
    Running,
    /// The next attempt starts at this time.
    RetryAt(Timestamp),
    /// Passed.
    Done,
    /// The last attempt failed.
    Failed,
    /// The candidates it depends on do not merge with each other.
    DependenciesConflict {
        /// The class of the conflict.
        class: Class,
        /// The dependencies that conflict.
        between: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// A person gave it up; `true` if what depends on it may start without it.
    Skipped {
        /// Whether dependents may start without it.
        satisfied: bool,
    },
    /// A person cancelled it.
    Cancelled,
}

impl TaskState {
    pub(super) fn new(chosen: bool) -> TaskState {
        TaskState {
            phase: if chosen {
                TaskPhase::Queued
            } else {
                TaskPhase::Skipped { satisfied: false }
            },
            note: (!chosen).then(|| "not chosen (--only)".to_owned()),
            attempts: Vec::new(),
            counted_from: 0,
            retry_budget_spent: None,
            extra_prompt: None,
            rewritten_prompt: None,
            worker_override: None,
            rejected: false,
            explicitly_skipped: !chosen,
            cancelled: false,
            removed: false,
            superseded: false,
            redispatched_for: None,
            redispatches: 0,
            candidate_attempt: None,
            open_resolution: None,
            manual_resolution: None,
        }
    }

    /// The plan says something else than what the attempts so far were made for.
    pub(super) fn restart_after_edit(&mut self) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else if !matches!(self.phase, TaskPhase::Skipped { .. }) || self.removed {
            self.phase = TaskPhase::Queued;
        }
        self.counted_from = self.attempts.len();
        self.removed = false;
        self.explicitly_skipped = false;
        self.cancelled = false;
        self.rejected = false;
        self.extra_prompt = None;
        self.redispatched_for = None;
        self.redispatches = 0;
        self.candidate_attempt = None;
        self.note = None;
    }

    pub(super) fn remove(&mut self) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else {
            self.phase = TaskPhase::Skipped { satisfied: false };
        }
        self.removed = true;
        self.explicitly_skipped = true;
        self.note = Some("not in the plan any more".to_owned());
    }

    pub(super) fn end_attempt(&mut self, outcome: &Outcome, jitter: f64, time: Timestamp) {
        self.phase = match &outcome.end {
            End::Passed { .. } => TaskPhase::Done,
            End::Failed(_) => TaskPhase::Failed,
            End::Interrupted {} if self.cancelled => TaskPhase::Cancelled,
            End::Interrupted {} if self.removed => TaskPhase::Skipped { satisfied: false },
            End::Interrupted {} => TaskPhase::Queued,
        };
        self.superseded = false;
        let said = match &outcome.end {
            End::Interrupted {} if self.removed => None,
            End::Passed { info, .. } => outcome.report.summary.clone().or_else(|| info.clone()),
            End::Failed(failure) => Some(failure.message.clone()),
            End::Interrupted {} => Some("interrupted".to_owned()),
        };
        // What a failed attempt said must not stand beside a later success.
        self.note = match &outcome.end {
            End::Passed { .. } if self.attempts.len() > 1 => said,
            _ => said.or(self.note.take()),
        };
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(time);
            attempt.jitter = jitter;
            attempt.outcome = Some(outcome.clone());
        }
    }

    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
        let over = matches!(
            self.phase,
            TaskPhase::Done | TaskPhase::Failed | TaskPhase::Running
        );
        if !over {
            self.phase = TaskPhase::Cancelled;
        }
    }

    /// Attempts since a person last asked for one that count.
    pub fn counted_attempts(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.attempts[self.counted_from..]
            .iter()
            .filter(|attempt| attempt.is_counted())
    }

    /// How many attempts count so far; the one after them is a retry of this number.
    pub fn retries(&self) -> u32 {
        self.counted_attempts().count() as u32
    }

    /// What the finished attempts at it used and cost; `None` where none says anything.
    pub fn spending(&self) -> Option<Spending> {
        Spending::of(&self.attempts)
    }

    /// The attempt that is alive or was the last one.
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The attempt that says how the task stands: the last one, unless it came to nothing and an
    /// earlier one counts.
    pub fn deciding_attempt(&self) -> Option<&Attempt> {
        match self.candidate_attempt {
            Some(place) => self.attempts.get(place),
            None => self.attempts.last(),
        }
    }

    /// The outcome of the attempt that says how the task stands, if that is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.deciding_attempt()?.outcome.as_ref()
    }

    /// The commit the task offers.
    pub fn candidate(&self) -> Option<Oid> {
        match (&self.phase, &self.outcome()?.end, &self.manual_resolution) {
            (TaskPhase::Done, End::Passed { .. }, Some(by_hand)) => Some(by_hand.candidate),
            (TaskPhase::Done, End::Passed { candidate, .. }, None) => *candidate,
            _ => None,
        }
    }

    pub(super) fn requeue(&mut self) {
        self.phase = TaskPhase::Queued;
        self.counted_from = self.attempts.len();
        self.redispatches = 0;
        self.redispatched_for = None;
        self.manual_resolution = None;
    }

    /// What its result stands on beside what the plan says.
    pub fn resolved_conflict(&self) -> Option<&AssemblyConflict> {
        let by_hand = self
            .manual_resolution
            .as_ref()
            .map(|by_hand| &by_hand.conflict);
        by_hand.or(self.redispatched_for.as_ref())
    }

    /// Whether its last attempt was by this worker, which had used up what it may.
    pub fn hit_quota_of(&self, worker: &str) -> bool {
        let last = self.last_attempt();
        last.is_some_and(|last| {
            last.worker == worker && last.outcome.as_ref().is_some_and(Outcome::is_over_quota)
        })
    }
}
