//! Paces starts and retries: limits, cooldowns, timers.

use std::time::Duration;

use crate::engine::run::cooldowns::Cooldowns;
use crate::engine::run::now::Now;
use crate::engine::run::timers::Timers;
use crate::model::event::Event;
use crate::model::ids::{AttemptKey, TaskNumber, TaskVariant};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::schedule::slots::start_interval;
use crate::schedule::{Action, Limits, Queues, decide};

/// Decides when the next attempts start.
#[derive(Debug)]
pub(super) struct Pacing {
    limits: Limits,
    queues: Queues,
    cooldowns: Cooldowns,
    timers: Timers,
    random: fastrand::Rng,
    /// `true` if something has changed since the last decision.
    has_changed: bool,
}

impl Pacing {
    /// Creates the pacing for these limits.
    pub(super) fn new(state: &RunState, limits: Limits, random: fastrand::Rng) -> Pacing {
        Pacing {
            queues: Queues::new(state, &limits),
            limits,
            cooldowns: Cooldowns::default(),
            timers: Timers::default(),
            random,
            has_changed: true,
        }
    }

    /// Continues the cooldowns of a run that another process drove.
    pub(super) fn resume(&mut self, state: &RunState, now: Now) {
        self.cooldowns = Cooldowns::resume(state, &self.limits, now);
    }

    /// Follows a fact that was just applied to the state.
    pub(super) fn apply(&mut self, state: &RunState, event: &Event) {
        self.queues.apply(state, &self.limits, event);
        self.has_changed = true;
    }

    /// Returns the actions that are due; none if nothing has changed since the last decision.
    pub(super) fn decide(&mut self, state: &RunState, now: Now) -> Vec<Action> {
        let resting = self.cooldowns.resting(now.instant);
        self.has_changed |= resting != self.limits.pool.cooling_down;
        self.limits.pool.cooling_down = resting;
        if !std::mem::take(&mut self.has_changed) {
            return Vec::new();
        }
        self.queues.refresh(state, &self.limits);
        decide(state, &self.limits, &self.queues)
    }

    /// Marks a change that may lead to another decision.
    pub(super) fn changed(&mut self) {
        self.has_changed = true;
    }

    /// Returns `true` if one more attempt may be alive.
    pub(super) fn has_free_slot(&self, alive: usize) -> bool {
        alive < self.limits.max_parallel
    }

    /// Returns the number of tasks that wait for a free slot or for their retry, and take a worktree of the
    /// pool.
    pub(super) fn waiting_for_pool(&self) -> usize {
        self.queues.count_waiting_for_pool()
    }

    /// Returns `true` if the attempts at a task take worktrees of the pool.
    pub(super) fn uses_pool(&self, task: TaskNumber) -> bool {
        !self.limits.without_pool.contains(&task)
    }

    /// Starts the cooldown of a worker that starts an attempt.
    pub(super) fn started(&mut self, state: &RunState, worker: &str, now: Now) {
        let interval = start_interval(state, &self.limits, worker);
        self.cooldowns.start(worker, now.instant, interval);
    }

    /// Parks the start of a worker for the time that its provider gave with a rate limit.
    pub(super) fn apply_rate_limit(
        &mut self,
        state: &RunState,
        (task, attempt): AttemptKey,
        outcome: &Outcome,
        now: Now,
    ) {
        let End::Failed(failure) = &outcome.end else {
            return;
        };
        let reset = failure.reset_at.filter(|_| failure.rate_limited);
        if let (Some(reset), Some(attempt)) = (reset, state.task(task).attempt(attempt)) {
            let wait = Duration::try_from(reset.duration_since(now.time)).unwrap_or_default();
            self.cooldowns.start(&attempt.worker, now.instant, wait);
        }
    }

    /// Returns a random factor for the delay of a retry.
    pub(super) fn jitter(&mut self) -> f64 {
        self.random.f64()
    }

    /// Sets the timer that an action asks for.
    pub(super) fn set_timer(&mut self, action: Action, now: Now) {
        match action {
            Action::UnparkAt { worker, at } => self.timers.unpark_at(worker, at, now),
            Action::WakeAt { task, variant, at } => {
                self.timers.retry_at(TaskVariant { task, variant }, at, now);
            }
            _ => {}
        }
    }

    /// Takes the events that are due.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<Event> {
        self.timers.take_due(now)
    }

    /// Returns `true` if an event is due and not taken yet.
    pub(super) fn is_due(&self, now: Now) -> bool {
        self.timers.is_due(now)
    }

    /// Returns the time until something is due.
    pub(super) fn due_in(&self, now: Now) -> Option<Duration> {
        let due = [self.cooldowns.due_in(now.instant), self.timers.due_in(now)];
        due.into_iter().flatten().min()
    }
}
