//! The state of one task of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{AssemblyConflict, ManualResolution, OpenResolution};
use crate::model::attempt::Attempt;
use crate::model::hand_take::HandTake;
use crate::model::ids::{AttemptNumber, TaskNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::spending::Spending;
use crate::model::usage::{Cost, Usage};
use crate::model::user_message::UserMessage;
use crate::model::variant_choice::{JudgeRun, VariantChoice};

/// The state of one task.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskState {
    /// The phase.
    pub phase: TaskPhase,
    /// Every attempt so far, in order.
    pub attempts: Vec<Attempt>,
    /// The latest progress note, summary or error.
    pub note: Option<String>,
    /// The first attempt that counts; earlier ones precede the user's last request.
    pub counted_from: usize,
    /// The run's retry budget, if the task is not retried because the budget is spent.
    pub retry_budget_spent: Option<u32>,
    /// The text the user appended to the prompt.
    pub extra_prompt: Option<String>,
    /// The messages that the user sent, in order.
    pub messages: Vec<UserMessage>,
    /// `true` if its next attempt continues the agent's session of the last one.
    pub continues: bool,
    /// The commit that the user made in the worktree of an attempt, for the next one to offer.
    pub by_hand: Option<Oid>,
    /// Commits of the user's on its branch that are to replace its result, or that could not.
    pub take: Option<Box<HandTake>>,
    /// The attempt that the user picked to go on with.
    pub picked: Option<AttemptNumber>,
    /// The prompt the user wrote in place of the plan's.
    pub rewritten_prompt: Option<String>,
    /// The worker profile the user chose in place of the plan's.
    pub worker_override: Option<String>,
    /// `true` if the user rejected its change in review.
    pub rejected: bool,
    /// `true` if the user skipped this task itself, and not a task it depends on.
    pub explicitly_skipped: bool,
    /// `true` if the user cancelled it; a running attempt may still be exiting.
    pub cancelled: bool,
    /// `true` if the edited plan no longer has it.
    pub removed: bool,
    /// `true` if the running attempt works on an outdated version of the task.
    pub superseded: bool,
    /// The conflict that its re-dispatched attempts start on top of.
    pub redispatched_for: Option<AssemblyConflict>,
    /// The number of re-dispatches since the user's last request.
    pub redispatches: u32,
    /// The attempt with the current candidate, where later ones failed.
    pub candidate_attempt: Option<usize>,
    /// The conflict the user has open.
    pub open_resolution: Option<OpenResolution>,
    /// The user's resolution, which replaces the task's own candidate.
    pub manual_resolution: Option<ManualResolution>,
    /// The variants, if the plan asks for any.
    pub variants: Option<Box<VariantSet>>,
}

/// The variants of a task.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct VariantSet {
    /// The number of variants that the plan asks for.
    pub count: VariantNumber,
    /// The state of each; empty while the task is re-dispatched, which takes one attempt.
    pub states: Vec<VariantState>,
    /// The choice, once it is made.
    pub choice: Option<VariantChoice>,
    /// Every run of a judge so far.
    pub judge_runs: Vec<JudgeRun>,
}

/// The state of one variant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VariantState {
    /// The phase.
    pub phase: TaskPhase,
    /// The run's retry budget, if the variant is not retried because the budget is spent.
    pub retry_budget_spent: Option<u32>,
}

/// The phase of a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum TaskPhase {
    /// Starts when its dependencies are done and a slot is free.
    Queued,
    /// An attempt is running.
    Running,
    /// The next attempt starts at this time.
    RetryAt(Timestamp),
    /// All variants have ended, and the choice of one is under way.
    Choosing,
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
    /// Skipped by the user.
    Skipped {
        /// `true` if dependents may start without it.
        satisfied: bool,
    },
    /// Cancelled by the user.
    Cancelled,
}

impl TaskPhase {
    /// Returns `true` if nothing starts at the task any more, unless the user asks for it.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            TaskPhase::Done | TaskPhase::Failed | TaskPhase::Skipped { .. } | TaskPhase::Cancelled
        )
    }
}

impl TaskState {
    pub(super) fn new(chosen: bool, variants: VariantNumber) -> TaskState {
        let mut task = TaskState::without_variants(chosen);
        task.reset_variants(variants);
        task
    }

    fn without_variants(chosen: bool) -> TaskState {
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
            messages: Vec::new(),
            continues: false,
            by_hand: None,
            take: None,
            picked: None,
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
            variants: None,
        }
    }

    /// Returns the session that the next attempt of a worker at the task or variant continues.
    pub fn session_to_continue(
        &self,
        variant: Option<VariantNumber>,
        worker: &str,
    ) -> Option<&str> {
        if let Some(turn) = self.further_turn(variant) {
            return (turn.worker == worker).then_some(turn.session);
        }
        let last = self.picked_attempt().filter(|_| variant.is_none());
        let last = last.or_else(|| self.last_attempt_of(variant));
        let last = last.filter(|last| last.worker == worker)?;
        let outcome = last.outcome.as_ref().filter(|_| self.continues)?;
        outcome.session.as_deref()
    }

    /// Returns the session of the last attempt before this one that left any.
    pub fn session_before(&self, number: AttemptNumber) -> Option<&str> {
        let earlier = self.attempts.iter().rev();
        let mut earlier = earlier.filter(|attempt| attempt.number < number);
        earlier.find_map(|attempt| attempt.outcome.as_ref()?.session.as_deref())
    }

    /// Returns the attempt that the user picked to go on with.
    pub fn picked_attempt(&self) -> Option<&Attempt> {
        self.attempt(self.picked?)
    }

    /// Returns the cost of all attempts in a session so far.
    pub fn session_cost(&self, session: &str) -> Cost {
        let own = self.outcomes_in(session);
        own.map(|outcome| outcome.cost).sum()
    }

    /// Returns the tokens of all attempts in a session so far, as far as they are known.
    pub fn session_usage(&self, session: &str) -> Option<Usage> {
        let own = self.outcomes_in(session);
        own.filter_map(|outcome| outcome.usage)
            .reduce(|all, one| all + one)
    }

    fn outcomes_in(&self, session: &str) -> impl Iterator<Item = &Outcome> {
        let attempts = self.attempts.iter();
        let outcomes = attempts.filter_map(|attempt| attempt.outcome.as_ref());
        outcomes.filter(move |outcome| outcome.session.as_deref() == Some(session))
    }

    /// Starts the task again because the edited plan changes it.
    pub(super) fn restart_after_edit(&mut self, variants: VariantNumber) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else if !matches!(self.phase, TaskPhase::Skipped { .. }) || self.removed {
            self.phase = TaskPhase::Queued;
        }
        self.reset_variants(variants);
        self.counted_from = self.attempts.len();
        self.removed = false;
        self.explicitly_skipped = false;
        self.cancelled = false;
        self.rejected = false;
        self.extra_prompt = None;
        self.forget_turns();
        self.continues = false;
        self.by_hand = None;
        self.take = None;
        self.picked = None;
        self.redispatched_for = None;
        self.redispatches = 0;
        self.candidate_attempt = None;
        self.note = None;
    }

    pub(super) fn remove(&mut self) {
        if self.phase == TaskPhase::Running {
            self.superseded = true;
        } else {
            self.set_phase(TaskPhase::Skipped { satisfied: false });
        }
        self.removed = true;
        self.explicitly_skipped = true;
        self.note = Some("removed from the plan".to_owned());
    }

    pub(super) fn end_attempt(
        &mut self,
        number: AttemptNumber,
        outcome: &Outcome,
        jitter: f64,
        time: Timestamp,
    ) {
        let variant = self.attempt(number).and_then(|attempt| attempt.variant);
        if let Some(attempt) = self.attempt_mut(number) {
            attempt.ended = Some(time);
            attempt.jitter = jitter;
            attempt.outcome = Some(outcome.clone());
        }
        let goes_on = self.further_turn(variant).is_some();
        let goes_on = goes_on && !self.cancelled && !self.removed && !self.superseded;
        let phase = match &outcome.end {
            End::Passed { .. } if goes_on => TaskPhase::Queued,
            End::Passed { .. } => TaskPhase::Done,
            // Whatever ended it, it is not tried again.
            End::Failed(_) | End::Interrupted {} if self.cancelled => TaskPhase::Cancelled,
            End::Failed(_) => TaskPhase::Failed,
            End::Interrupted {} if self.removed => TaskPhase::Skipped { satisfied: false },
            End::Interrupted {} => TaskPhase::Queued,
        };
        self.set_phase_of(variant, phase);
        self.superseded = self.superseded && self.phase == TaskPhase::Running;
        let note = match &outcome.end {
            End::Interrupted {} if self.removed => None,
            End::Passed { .. } if goes_on => Some("continues with your message".to_owned()),
            End::Passed { info, .. } => outcome.report.summary.clone().or_else(|| info.clone()),
            End::Failed(failure) => Some(failure.message.clone()),
            End::Interrupted {} => Some("interrupted".to_owned()),
        };
        let note = note.map(|note| variant_note(variant, note));
        // Drops the note of a failed attempt after a later success.
        self.note = match &outcome.end {
            End::Passed { .. } if self.attempts.len() > 1 => note,
            _ => note.or(self.note.take()),
        };
    }

    pub(super) fn cancel(&mut self) {
        if self.phase != TaskPhase::Running && self.cancel_take() {
            return;
        }
        self.cancelled = true;
        let over = matches!(
            self.phase,
            TaskPhase::Done | TaskPhase::Failed | TaskPhase::Running
        );
        if !over {
            self.set_phase(TaskPhase::Cancelled);
        }
    }

    /// Returns the attempt with this number.
    pub fn attempt(&self, number: AttemptNumber) -> Option<&Attempt> {
        let mut latest = self.attempts.iter().rev();
        latest.find(|attempt| attempt.number == number)
    }

    pub(super) fn attempt_mut(&mut self, number: AttemptNumber) -> Option<&mut Attempt> {
        let mut latest = self.attempts.iter_mut().rev();
        latest.find(|attempt| attempt.number == number)
    }

    /// Returns the number of the next attempt.
    pub fn next_attempt(&self) -> AttemptNumber {
        self.attempts.last().map_or(1, |last| last.number + 1)
    }

    /// Sums the tokens and the cost of its finished attempts.
    pub fn spending(&self) -> Option<Spending> {
        Spending::with_judges(Spending::of(&self.attempts), self.judge_runs())
    }

    /// Returns the last attempt, which may still run.
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Returns the attempt that decides the task's status: the last one, unless an earlier
    /// candidate counts.
    pub fn deciding_attempt(&self) -> Option<&Attempt> {
        match self.candidate_attempt {
            Some(place) => self.attempts.get(place),
            None => self.attempts.last(),
        }
    }

    /// Returns the outcome of the deciding attempt, once it ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.deciding_attempt()?.outcome.as_ref()
    }

    /// Returns the candidate of a passed task.
    pub fn candidate(&self) -> Option<Oid> {
        match (&self.phase, &self.outcome()?.end, &self.manual_resolution) {
            (TaskPhase::Done, End::Passed { .. }, Some(by_hand)) => Some(by_hand.candidate),
            (TaskPhase::Done, End::Passed { candidate, .. }, None) => *candidate,
            _ => None,
        }
    }

    pub(super) fn requeue(&mut self) {
        self.phase = TaskPhase::Queued;
        self.reset_variants(self.variants.as_ref().map_or(0, |set| set.count));
        self.counted_from = self.attempts.len();
        self.redispatches = 0;
        self.redispatched_for = None;
        self.manual_resolution = None;
    }

    /// Returns the conflict its candidate resolves, if any.
    pub fn resolved_conflict(&self) -> Option<&AssemblyConflict> {
        let by_hand = self
            .manual_resolution
            .as_ref()
            .map(|by_hand| &by_hand.conflict);
        by_hand.or(self.redispatched_for.as_ref())
    }
}

/// Prefixes a note with the variant it is about.
pub fn variant_note(variant: Option<VariantNumber>, note: String) -> String {
    match variant {
        Some(variant) => format!("variant {variant}: {note}"),
        None => note,
    }
}
