//! Drives a run: messages in, effects out.
//!
//! [`Driver::handle`] takes one message. [`Driver::settle`] decides once everything that came in was
//! handled, and is called until it returns nothing. Neither reads a clock, a file, a process or git.
//!
//! Promise: a fact is in the journal before anything acts on it, before anyone is answered, and
//! before it is shown.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::safe::secrets::Secrets;
use crate::base::text::error_chain;
use crate::config::Settings;
use crate::config::pool_size::PoolSize;
use crate::control::{Reply, Request, Response};
use crate::engine::EngineError;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::kernel::kept_commit::KeptCommit;
use crate::engine::kernel::layout::Layout;
use crate::engine::kernel::masking::masked;
use crate::engine::kernel::message::{Message, Publication};
use crate::engine::kernel::signals::SignalRequest;
use crate::engine::run::admission::Admission;
use crate::engine::run::attempts::Attempts;
use crate::engine::run::detection::Detection;
use crate::engine::run::effect::Effect;
use crate::engine::run::notifications::Notifications;
use crate::engine::run::now::Now;
use crate::engine::run::outbox::Outbox;
use crate::engine::run::pacing::Pacing;
use crate::engine::run::recorder::Recorder;
use crate::engine::run::refill::{Load, Refill};
use crate::engine::run::requests;
use crate::engine::run::shutdown::Shutdown;
use crate::engine::worktree::reuse::reusable;
use crate::exec::StopSignal;
use crate::model::attempt::Attempt;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::schedule::Limits;

/// The longest sleep of the loop.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// The initial values of a driver.
#[derive(Debug)]
pub struct Start {
    /// The state of the run.
    pub state: RunState,
    /// Its settings.
    pub settings: Arc<Settings>,
    /// Its names and paths.
    pub layout: Layout,
    /// Its limits.
    pub limits: Limits,
    /// The secrets that are masked in every event.
    pub secrets: Secrets,
    /// The random numbers for the delays of retries.
    pub random: fastrand::Rng,
    /// The tasks that may be left to another process.
    pub background: Vec<TaskNumber>,
    /// The run has ended, and its board is on the integration branch.
    pub board_is_committed: bool,
}

/// Drives one run, as a value.
#[derive(Debug)]
pub struct Driver {
    pub(super) state: RunState,
    pub(super) settings: Arc<Settings>,
    pub(super) layout: Layout,
    secrets: Secrets,
    pub(super) pacing: Pacing,
    pub(super) attempts: Attempts,
    pub(super) admission: Admission,
    pub(super) assembly: Assembly,
    /// The tasks for which an effect chooses or accepts a variant.
    pub(super) choices: BTreeSet<TaskNumber>,
    pub(super) recorder: Recorder,
    pub(super) outbox: Outbox,
    detection: Detection,
    refill: Refill,
    notifications: Notifications,
    pub(super) shutdown: Shutdown,
    /// The effects of the current call.
    pub(super) effects: Vec<Effect>,
}

/// The assembly of the candidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Assembly {
    Idle,
    /// It starts once the last board is on the branch.
    Announced,
    Running,
}

impl Driver {
    /// Creates a driver for this state of a run.
    pub fn new(start: Start, now: Now) -> Driver {
        let Start {
            state,
            settings,
            layout,
            limits,
            secrets,
            random,
            background,
            board_is_committed,
        } = start;
        Driver {
            pacing: Pacing::new(&state, limits, random),
            attempts: Attempts::default(),
            admission: Admission::new(&settings),
            assembly: Assembly::Idle,
            choices: BTreeSet::new(),
            recorder: Recorder::new(state.seq),
            outbox: Outbox::new(&state, board_is_committed, now.instant),
            detection: Detection::new(&settings, now.instant),
            refill: Refill::new(&settings),
            notifications: Notifications::new(&settings, &state),
            shutdown: Shutdown::new(background),
            effects: Vec::new(),
            state,
            settings,
            layout,
            secrets,
        }
    }

    /// Returns the state of the run.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Returns the state of the run and drops the driver.
    pub fn into_state(self) -> RunState {
        self.state
    }

    /// Records the user's requests, and adopts the attempts that another process left alive.
    pub fn begin(&mut self, asked: Vec<Event>, now: Now) -> Vec<Effect> {
        for event in asked {
            self.record(event, now);
        }
        let write = self.recorder.write();
        self.effects.extend(write);
        self.attempts = Attempts::resume(&self.state);
        self.pacing.resume(&self.state, now);
        if let Err(error) = self.adopt_live() {
            self.shutdown.fail(error);
        }
        std::mem::take(&mut self.effects)
    }

    /// Takes one message.
    pub fn handle(&mut self, message: Message, now: Now) -> Vec<Effect> {
        if may_admit(&message) {
            self.pacing.changed();
        }
        match message {
            Message::Fact(event) => self.record(event, now),
            Message::Ended {
                task,
                attempt,
                outcome,
            } => {
                self.pacing
                    .apply_rate_limit(&self.state, (task, attempt), &outcome, now);
                let jitter = self.pacing.jitter();
                let ended = Event::AttemptEnded {
                    task,
                    attempt,
                    outcome,
                    jitter,
                };
                self.record(ended, now);
                if self.shutdown.is_requested() {
                    self.recorder.retry();
                }
            }
            Message::LeftOpen(attempt) => self.attempts.leave_open(attempt),
            Message::DiskFull(why) => {
                let is_news = !self.admission.is_short();
                self.disk_is_full(&why, is_news, now);
            }
            Message::VariantChosen(task, result) => self.variant_chosen(task, result, now),
            Message::VariantAccepted(task, result) => self.variant_accepted(task, result, now),
            Message::Assembled(result) => self.assembled(result, now),
            Message::PreparedAhead(result) => {
                self.refill.prepared(result.as_ref().ok().copied());
                self.warn_of(result.map(drop), |_| {});
            }
            Message::CandidatesCompared => self.detection.candidates_compared(now.instant),
            Message::WorkCompared => self.detection.work_compared(now.instant),
            Message::OutOfSpace(shortage) => self.record_shortage(&shortage, now),
            Message::Written(facts) => self.written(facts),
            Message::NotWritten(facts, why) => {
                let is_news = !self.recorder.is_full();
                self.recorder.not_written(facts, now.instant);
                self.disk_is_full(&why, is_news, now);
            }
            Message::JournalFailed(error) => {
                self.recorder.give_up();
                self.shutdown.fail(error);
            }
            Message::Published(publication) => self.published(publication, now),
            Message::DiskMeasured(space) => {
                let starting = self.attempts.starting();
                let is_over = self.admission.disk_measured(space, starting, now.instant);
                self.space_measured(is_over);
            }
            Message::QuotaMeasured(quota) => self.quota_measured(quota, now),
            Message::WorktreeRemoved(result) => {
                self.admission.quota_unknown();
                // Without a measurement, one more worktree is allowed.
                self.warn_of(result, Admission::quota_granted);
            }
            Message::Slot(attempt, answer) => {
                let warning = self.admission.slot_answered(attempt, answer, now.instant);
                self.effects.extend(warning.map(Effect::Warn));
            }
            Message::ReuseChecked { of, is_sound } => self.attempts.reuse_checked(of, is_sound),
            Message::Broken(error) => self.shutdown.fail(error),
            Message::SettingsChanged(changes) => self.settings_changed(changes, now),
            Message::Warning(text) => self.effects.push(Effect::Warn(text)),
            Message::Asked(request, reply) => self.answer(&request, reply, now),
            Message::Signal(request) => self.stop(request, now),
        }
        std::mem::take(&mut self.effects)
    }

    /// Decides what is due. Returns nothing once only a message can lead to more work.
    pub fn settle(&mut self, now: Now) -> Vec<Effect> {
        if self.shutdown.leaves_at_once(&self.attempts) || self.shutdown.has_failed() {
            self.leave_at_once();
        } else {
            self.settle_run(now);
        }
        std::mem::take(&mut self.effects)
    }

    fn settle_run(&mut self, now: Now) {
        if self.admission.wake(now.instant) {
            self.pacing.changed();
        }
        loop {
            for event in self.pacing.take_due(now) {
                self.record(event, now);
            }
            let measure = self.admission.measure_due(now.instant);
            if measure.is_some() {
                self.effects.extend(measure);
                return;
            }
            self.end_shortage(now);
            if !self.decide(now) {
                return;
            }
            if !self.pacing.is_due(now) {
                break;
            }
        }
        let patience = self.recorder.patience(now.instant);
        if patience.is_none_or(|left| left.is_zero()) {
            let write = self.recorder.write();
            self.effects.extend(write);
        }
        self.send_signals();
        if self.effects.is_empty() {
            self.show();
            self.publish(now);
            self.detect(now);
            self.refill();
            self.assemble();
            self.leave_if_over();
        }
    }

    /// Returns the time until [`Driver::settle`] is to be called without a message.
    pub fn sleep(&self, now: Now) -> Duration {
        let due = [
            self.pacing.due_in(now),
            self.recorder.patience(now.instant),
            self.admission.due_in(now.instant),
            // A board that waits for the assembly is published on the message of its end.
            self.outbox
                .due_in(now.instant)
                .filter(|_| self.may_publish()),
            self.detection.due_in(now.instant),
        ];
        let due = due.into_iter().flatten().min();
        due.unwrap_or(LONGEST_SLEEP)
    }

    /// Numbers an event and applies it. It is written together with the decisions that follow from
    /// it, before any effect.
    pub(super) fn record(&mut self, event: Event, now: Now) {
        if !self.still_holds(&event) {
            return;
        }
        let (seq, time) = (self.state.seq + 1, now.time);
        let event = masked(&self.secrets, event);
        let fact = Recorded { seq, time, event };
        self.state.apply(&fact);
        self.pacing.apply(&self.state, &fact.event);
        self.attempts.apply(&fact.event);
        self.admission.apply(&fact.event);
        self.outbox.apply(&self.state, &fact);
        self.detection.apply(&fact.event);
        self.refill.apply(&fact.event);
        if let Event::AttemptEnded { task, attempt, .. }
        | Event::DependenciesConflict {
            task,
            attempt: Some(attempt),
            ..
        } = &fact.event
        {
            self.effects.push(Effect::Release((*task, *attempt)));
        }
        let released = self.released_worktree(&fact.event);
        self.recorder.add(fact, now.instant);
        if let Some(worktree) = released {
            self.after_write(Effect::ReleaseWorktree(worktree));
        }
    }

    /// Returns the worktree that another task may use, if it is one of the pool, after an attempt has ended.
    fn released_worktree(&self, event: &Event) -> Option<PathBuf> {
        let Event::AttemptEnded { task, attempt, .. } = event else {
            return None;
        };
        let attempt = self.state.task(*task).attempt(*attempt)?;
        let is_released = self.is_released(*task, attempt);
        is_released.then(|| self.layout.recorded_worktree(&attempt.worktree))
    }

    /// Returns `true` if the worktree of an ended attempt is not needed for its task: it has passed, or was
    /// interrupted and no attempt continues in it. Those of variants wait for a choice.
    pub(super) fn is_released(&self, task: TaskNumber, attempt: &Attempt) -> bool {
        if self.settings.worktree.pool == PoolSize::Off || attempt.variant.is_some() {
            return false;
        }
        // A further attempt may have continued in it.
        let attempts = self.state.task(task).attempts.iter();
        let last = attempts
            .rev()
            .find(|other| other.worktree == attempt.worktree);
        if last.is_some_and(|last| last.number != attempt.number) {
            return false;
        }
        match attempt.outcome.as_ref().map(|outcome| &outcome.end) {
            Some(End::Passed { .. }) => true,
            Some(End::Interrupted {}) => {
                self.settings
                    .workers
                    .get(&attempt.worker)
                    .is_some_and(|worker| {
                        reusable(&self.layout, &self.state, task.into(), worker).is_none()
                    })
            }
            _ => false,
        }
    }

    /// Returns `true` if an event is still valid. A timer may fire after the user has changed the
    /// task, or after a live attempt hit the same limit again.
    fn still_holds(&self, event: &Event) -> bool {
        match event {
            Event::RetryDue { task, variant } => {
                let phase = self.state.task(*task).phase_of(*variant);
                matches!(phase, TaskPhase::RetryAt(_))
            }
            Event::VariantChosen { task, choice } => self.state.is_choice_valid(*task, choice),
            Event::VariantAccepted { task } => self.state.task(*task).phase == TaskPhase::Choosing,
            Event::WorkerUnparked { worker, until } => {
                let known = self.state.worker_health.record(worker);
                let parked = known.and_then(|known| known.parked.as_ref());
                parked.is_some_and(|parked| parked.until == *until)
            }
            _ => true,
        }
    }

    /// Carries out an effect after everything recorded so far is written.
    pub(super) fn after_write(&mut self, effect: Effect) {
        if self.recorder.is_written() {
            self.effects.push(effect);
        } else {
            self.recorder.wait_for(self.state.seq, effect);
        }
    }

    fn written(&mut self, facts: Vec<Recorded>) {
        self.admission.wrote();
        let released = self.recorder.written(facts);
        self.effects.extend(released);
    }

    fn answer(&mut self, request: &Request, reply: Reply, now: Now) {
        if *request == Request::Stop {
            self.stop(SignalRequest::Stop, now);
            return self.after_write(Effect::Answer(reply, Response::Done));
        }
        let events = match requests::events(&self.state, request) {
            Ok(events) => events,
            Err(refused) => return self.effects.push(Effect::Answer(reply, refused)),
        };
        for event in events {
            let cancelled = match &event {
                Event::TaskCancelled { task } => Some(*task),
                _ => None,
            };
            self.record(event, now);
            if let Some(task) = cancelled {
                let seq = self.state.seq;
                self.attempts.cancel(seq, task, StopSignal::Terminate);
                self.cancel_choices(Some(task), StopSignal::Terminate);
            }
        }
        self.after_write(Effect::Answer(reply, Response::Done));
    }

    fn assembled(&mut self, result: Result<Vec<KeptCommit>, EngineError>, now: Now) {
        self.assembly = Assembly::Idle;
        let why = match result {
            Ok(kept) => return self.after_write(Effect::ReleaseCommits(kept)),
            // The candidates are complete and can be assembled later, so the run ends.
            Err(EngineError::NotOurs(why)) => why,
            Err(error @ EngineError::Unsigned(_)) => {
                format!("{error}: make `git commit -S` work")
            }
            Err(error) if is_full(&error) => {
                return self
                    .effects
                    .push(Effect::ReportShortage(error_chain(&error)));
            }
            Err(error) => return self.shutdown.fail(error),
        };
        self.effects
            .push(Effect::Warn(format!("not assembled: {why}")));
        self.record(Event::AssemblyRefused { reason: why }, now);
    }

    fn published(&mut self, publication: Publication, now: Now) {
        match publication {
            Publication::Committed => self.outbox.committed(),
            Publication::Blocked(why) => {
                if self.outbox.blocked(now.instant) {
                    self.effects.push(Effect::Warn(why));
                }
            }
            Publication::NoSpace(why) => {
                let is_news = !self.recorder.is_full();
                self.outbox.start_over();
                self.recorder.out_of_space();
                self.disk_is_full(&why, is_news, now);
            }
            Publication::Failed(error) => {
                self.outbox.start_over();
                self.shutdown.fail(error);
            }
        }
    }

    pub(super) fn warn_of(
        &mut self,
        result: Result<(), EngineError>,
        then: impl FnOnce(&mut Admission),
    ) {
        if let Err(error) = result {
            self.effects.push(Effect::Warn(error_chain(&error)));
            then(&mut self.admission);
        }
    }

    /// Shows written events together with the decisions that follow, so that a retried task is not
    /// shown as failed first.
    fn show(&mut self) {
        let facts = self.recorder.take_unseen();
        if facts.is_empty() {
            return;
        }
        let notifications = self.notifications.collect(&self.state, &facts);
        if !notifications.is_empty() {
            self.effects.push(Effect::Notify(notifications));
        }
        self.effects.push(Effect::Show(facts));
    }

    /// Returns `true` if a board may be committed. While an assembly moves the branch, boards wait.
    fn may_publish(&self) -> bool {
        let is_writable = !self.recorder.is_full() && self.recorder.is_patient();
        is_writable && self.assembly != Assembly::Running
    }

    fn publish(&mut self, now: Now) {
        if self.may_publish() {
            let is_last = self.assembly == Assembly::Announced;
            let board = self.outbox.next(&self.state, is_last, now.instant);
            self.effects.extend(board);
        }
    }

    /// Starts an assembly on top of the last board.
    fn assemble(&mut self) {
        let is_ready = self.recorder.is_written() && self.outbox.is_idle();
        if self.assembly == Assembly::Announced && is_ready {
            self.assembly = Assembly::Running;
            self.effects.push(Effect::Assemble);
        }
    }

    /// Prepares a worktree of the pool while workers run.
    fn refill(&mut self) {
        let may_prepare = self.state.phase == RunPhase::Running
            && !self.shutdown.is_requested()
            && !self.admission.is_short();
        let waiting = self.pacing.waiting_for_pool();
        let mut live = self.attempts.live();
        let load = Load {
            starting: self.attempts.starting(),
            // Most are looked at only where some task waits.
            is_working: waiting > 0 && live.any(|(task, _)| self.pacing.uses_pool(task)),
            waiting,
        };
        if may_prepare {
            self.effects.extend(self.refill.next(load));
        }
    }

    fn detect(&mut self, now: Now) {
        let is_stopping = self.shutdown.is_requested();
        let (state, attempts) = (&self.state, &self.attempts);
        let effects = self
            .detection
            .next(state, attempts, is_stopping, now.instant);
        self.effects.extend(effects);
    }
}

/// Returns `true` for messages after which another attempt may start, or the run may end.
fn may_admit(message: &Message) -> bool {
    matches!(
        message,
        Message::DiskMeasured(_)
            | Message::QuotaMeasured(_)
            | Message::WorktreeRemoved(_)
            | Message::Slot(..)
            | Message::ReuseChecked { .. }
            | Message::VariantChosen(..)
            | Message::VariantAccepted(..)
            | Message::Assembled(_)
    )
}
