//! Folds the variants of a task into its phase, and reads the attempts of one variant.
//!
//! A task without variants has one series of attempts, whose variant is `None`.

use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, TaskNumber, TaskVariant, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState, VariantSet, VariantState};
use crate::model::variant_choice::{ChosenBy, JudgeRun, VariantChoice};

impl TaskState {
    /// Returns the states of its variants; none if its attempts run one after the other.
    pub fn variant_states(&self) -> &[VariantState] {
        self.variants.as_ref().map_or(&[], |set| &set.states)
    }

    /// Returns every run of a judge so far.
    pub fn judge_runs(&self) -> &[JudgeRun] {
        self.variants.as_ref().map_or(&[], |set| &set.judge_runs)
    }

    /// Returns the choice among its variants, once it is made.
    pub fn variant_choice(&self) -> Option<&VariantChoice> {
        self.variants.as_ref()?.choice.as_ref()
    }

    /// Returns the numbers of its variants, or `None` once for a task without variants.
    pub fn variant_numbers(&self) -> impl Iterator<Item = Option<VariantNumber>> + use<> {
        let count = self.variant_states().len() as VariantNumber;
        let alone = (count == 0).then_some(None);
        alone.into_iter().chain((1..=count).map(Some))
    }

    /// Returns the phase of a variant.
    pub fn phase_of(&self, variant: Option<VariantNumber>) -> &TaskPhase {
        match variant.and_then(|variant| self.variant_states().get(place(variant))) {
            Some(state) => &state.phase,
            None => &self.phase,
        }
    }

    /// Returns the retry budget of the run, if a variant is not retried because it is spent.
    pub fn retry_budget_spent_of(&self, variant: Option<VariantNumber>) -> Option<u32> {
        match variant {
            Some(variant) => {
                self.variant_states()
                    .get(place(variant))?
                    .retry_budget_spent
            }
            None => self.retry_budget_spent,
        }
    }

    /// Returns the attempts of a variant.
    pub fn attempts_of(
        &self,
        variant: Option<VariantNumber>,
    ) -> impl DoubleEndedIterator<Item = &Attempt> {
        let attempts = self.attempts.iter();
        attempts.filter(move |attempt| attempt.variant == variant)
    }

    /// Returns the last attempt of a variant, which may still run.
    pub fn last_attempt_of(&self, variant: Option<VariantNumber>) -> Option<&Attempt> {
        self.attempts_of(variant).next_back()
    }

    /// Returns the attempts of a variant that count since the user's last request.
    pub fn counted_attempts_of(
        &self,
        variant: Option<VariantNumber>,
    ) -> impl DoubleEndedIterator<Item = &Attempt> {
        let attempts = self.attempts.get(self.counted_from..).unwrap_or_default();
        let counted = attempts.iter().filter(|attempt| attempt.is_counted());
        counted.filter(move |attempt| attempt.variant == variant)
    }

    /// Returns the number of attempts of a variant that count; the next one is the retry of this
    /// number.
    pub fn retries_of(&self, variant: Option<VariantNumber>) -> u32 {
        let counted = self.counted_attempts_of(variant);
        counted.filter(|attempt| !self.is_awaited(attempt)).count() as u32
    }

    /// Returns the number of attempts that count; of several variants, the highest.
    pub fn retries(&self) -> u32 {
        let retries = self.variant_numbers().map(|number| self.retries_of(number));
        retries.max().unwrap_or_default()
    }

    /// Returns the attempt that stands for the task: that of the chosen variant, else the last one.
    pub fn shown_attempt(&self) -> Option<&Attempt> {
        match self.variant_choice() {
            Some(_) => self.deciding_attempt(),
            None => self.last_attempt(),
        }
    }

    /// Returns the attempts that run now.
    pub fn live_attempts(&self) -> impl Iterator<Item = &Attempt> {
        // Most tasks have at most one, the last; those of variants overlap.
        let from = match &self.variants {
            Some(_) => 0,
            None => self.attempts.len().saturating_sub(1),
        };
        let is_running = self.phase == TaskPhase::Running;
        let attempts = self.attempts[from..].iter();
        attempts.filter(move |attempt| is_running && attempt.outcome.is_none())
    }

    /// Returns the attempt whose candidate a variant offers.
    pub fn passed_attempt_of(&self, variant: VariantNumber) -> Option<&Attempt> {
        let is_done = *self.phase_of(Some(variant)) == TaskPhase::Done;
        let last = self.last_attempt_of(Some(variant)).filter(|_| is_done)?;
        let end = &last.outcome.as_ref()?.end;
        matches!(end, End::Passed { .. }).then_some(last)
    }

    /// Returns `true` if the last attempt of a variant failed with a used-up quota of this worker.
    pub fn hit_quota_of(&self, variant: Option<VariantNumber>, worker: &str) -> bool {
        let last = self.last_attempt_of(variant);
        last.is_some_and(|last| {
            last.worker == worker && last.outcome.as_ref().is_some_and(Outcome::is_over_quota)
        })
    }

    /// Queues all variants, as many as the plan asks for, except those with a live attempt.
    pub(super) fn reset_variants(&mut self, count: VariantNumber) {
        if count == 0 && self.variants.is_none() {
            return;
        }
        let state = |variant: VariantNumber| {
            let mut live = self.live_attempts();
            let is_live = live.any(|attempt| attempt.variant == Some(variant));
            VariantState {
                phase: match self.phase {
                    TaskPhase::Running if is_live => TaskPhase::Running,
                    TaskPhase::Running => TaskPhase::Queued,
                    ref phase => phase.clone(),
                },
                retry_budget_spent: None,
            }
        };
        let states = (1..=count).map(state).collect();
        let choice = None;
        let judge_runs = self.judge_runs().to_vec();
        self.variants = (count > 0).then(|| {
            Box::new(VariantSet {
                count,
                states,
                choice,
                judge_runs,
            })
        });
    }

    /// Sets the phase of the task, and of its variants without a live attempt.
    pub(super) fn set_phase(&mut self, phase: TaskPhase) {
        for state in self.variants.iter_mut().flat_map(|set| &mut set.states) {
            if state.phase != TaskPhase::Running {
                state.phase = phase.clone();
            }
        }
        self.phase = phase;
    }

    /// Sets the phase of a variant; that of the task follows.
    pub(super) fn set_phase_of(&mut self, variant: Option<VariantNumber>, phase: TaskPhase) {
        let Some(set) = self.variants.as_mut().filter(|set| !set.states.is_empty()) else {
            self.phase = phase;
            return;
        };
        let state = variant.and_then(|variant| set.states.get_mut(place(variant)));
        if let Some(state) = state {
            state.phase = phase;
        }
        self.phase = self.combined_phase();
    }

    pub(super) fn set_retry_budget_spent(
        &mut self,
        variant: Option<VariantNumber>,
        budget: Option<u32>,
    ) {
        let Some(variant) = variant else {
            self.retry_budget_spent = budget;
            return;
        };
        let states = self.variants.as_mut().map(|set| &mut set.states);
        if let Some(state) = states.and_then(|states| states.get_mut(place(variant))) {
            state.retry_budget_spent = budget;
        }
    }

    /// Forgets an attempt that was announced and never started: the next one may take its number.
    /// Without a number, that is the last one.
    pub(super) fn forget_attempt(&mut self, number: Option<AttemptNumber>, phase: TaskPhase) {
        let number = number.or_else(|| self.attempts.last().map(|last| last.number));
        let is_it = |attempt: &Attempt| Some(attempt.number) == number && attempt.outcome.is_none();
        let found = self.attempts.iter().rposition(is_it);
        let variant = found.and_then(|place| self.attempts.remove(place).variant);
        self.set_phase_of(variant, phase);
    }

    /// Queues what waited for the end of a conflict among its dependencies.
    pub(super) fn unblock(&mut self) {
        for variant in self.variant_numbers() {
            if matches!(
                self.phase_of(variant),
                TaskPhase::DependenciesConflict { .. }
            ) {
                self.set_phase_of(variant, TaskPhase::Queued);
            }
        }
    }

    /// Makes the task take one attempt instead of one per variant.
    pub(super) fn suspend_variants(&mut self) {
        if let Some(set) = &mut self.variants {
            set.states.clear();
        }
    }

    /// Combines the phases of the variants: the first of these rows that applies to any of them.
    fn combined_phase(&self) -> TaskPhase {
        let phases = || self.variant_states().iter().map(|state| &state.phase);
        let due = phases().filter_map(|phase| match phase {
            TaskPhase::RetryAt(at) => Some(*at),
            _ => None,
        });
        let blocked = |phase: &&TaskPhase| matches!(phase, TaskPhase::DependenciesConflict { .. });
        if self
            .attempts
            .iter()
            .any(|attempt| attempt.outcome.is_none())
        {
            TaskPhase::Running
        } else if self.cancelled {
            TaskPhase::Cancelled
        } else if self.removed {
            TaskPhase::Skipped { satisfied: false }
        } else if phases().any(|phase| *phase == TaskPhase::Queued) {
            TaskPhase::Queued
        } else if let Some(at) = due.min() {
            TaskPhase::RetryAt(at)
        } else if phases().any(|phase| *phase == TaskPhase::Done) {
            TaskPhase::Choosing
        } else if let Some(blocked) = phases().find(blocked) {
            blocked.clone()
        } else {
            TaskPhase::Failed
        }
    }

    /// Records the choice of a variant; its candidate counts once the branch has moved.
    pub(super) fn choose_variant(&mut self, choice: &VariantChoice) {
        let Some(set) = &mut self.variants else {
            return;
        };
        for state in &mut set.states {
            if matches!(state.phase, TaskPhase::Queued | TaskPhase::RetryAt(_)) {
                state.phase = TaskPhase::Skipped { satisfied: true };
            }
        }
        set.choice = Some(choice.clone());
        set.judge_runs.extend(choice.judge.clone());
        self.phase = TaskPhase::Choosing;
        self.candidate_attempt = None;
    }

    /// Makes the candidate of the chosen variant that of the task. Returns `true` if the user chose
    /// it in place of another.
    pub(super) fn accept_variant(&mut self) -> bool {
        let Some(choice) = self.variant_choice().cloned() else {
            return false;
        };
        self.candidate_attempt = self.place_of(choice.attempt);
        self.phase = TaskPhase::Done;
        self.manual_resolution = None;
        self.redispatched_for = None;
        self.note = self.outcome().and_then(|outcome| match &outcome.end {
            End::Passed { info, .. } => outcome.report.summary.clone().or_else(|| info.clone()),
            _ => None,
        });
        choice.by == ChosenBy::User
    }

    fn place_of(&self, attempt: AttemptNumber) -> Option<usize> {
        let is_it = |known: &Attempt| known.number == attempt;
        self.attempts.iter().rposition(is_it)
    }
}

impl Attempt {
    /// Returns the branch of its task, without `refs/heads/`.
    pub fn task_branch(&self) -> &str {
        let suffix = self.variant.map(|variant| format!(".v{variant}"));
        let name = suffix.and_then(|suffix| self.branch.strip_suffix(&suffix));
        name.unwrap_or(&self.branch)
    }
}

impl RunState {
    /// Returns a task, or each of its variants.
    pub fn task_variants(&self, task: TaskNumber) -> impl Iterator<Item = TaskVariant> + use<> {
        let numbers = self.task(task).variant_numbers();
        numbers.map(move |variant| TaskVariant { task, variant })
    }

    /// Returns the state in which an attempt of a task offers its candidate.
    pub fn offering(&self, task: TaskNumber, attempt: AttemptNumber) -> RunState {
        let mut offering = self.clone();
        let task = offering.task_mut(task);
        task.candidate_attempt = task.place_of(attempt);
        task.phase = TaskPhase::Done;
        task.manual_resolution = None;
        offering
    }

    /// Returns `true` if the choice of a variant still holds: the task waits for it, and the attempt
    /// is the one that the variant offers.
    pub fn is_choice_valid(&self, task: TaskNumber, choice: &VariantChoice) -> bool {
        let task = self.task(task);
        let offered = task.passed_attempt_of(choice.variant);
        let may_choose = match (&choice.by, &task.phase) {
            // The user replaces a choice.
            (ChosenBy::User, TaskPhase::Done) => return offered.is_some(),
            (_, TaskPhase::Choosing | TaskPhase::Queued | TaskPhase::RetryAt(_)) => true,
            _ => false,
        };
        may_choose
            && task.variant_choice().is_none()
            && offered.is_some_and(|attempt| attempt.number == choice.attempt)
    }
}

/// Returns the index of a variant, out of range for the number 0.
fn place(variant: VariantNumber) -> usize {
    usize::from(variant).wrapping_sub(1)
}
