//! Carries out the decisions of the scheduler, and announces them.

use crate::engine::EngineError;
use crate::engine::attempt::flaky::{before, failed_before};
use crate::engine::prompt::brief::brief;
use crate::engine::run::admission::Admitted;
use crate::engine::run::attempts::Reuse;
use crate::engine::run::driver::{Assembly, Driver};
use crate::engine::run::effect::Effect;
use crate::engine::run::now::Now;
use crate::engine::spec::{AttemptSpec, ByHand, ReusedWorktree, starts_from};
use crate::engine::worktree::reuse::reusable;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::{AttemptKey, AttemptNumber, TaskNumber, TaskVariant};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunPhase;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::usage::Cost;
use crate::model::worker::Worker;
use crate::schedule::Action;

/// The continuation after one action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// The next action.
    Action,
    /// No further start until something outside changes.
    NoStart,
    /// A stop until an effect has answered.
    Wait,
}

impl Driver {
    /// Carries out everything that is due; returns `false` if that needs the answer of an effect.
    pub(super) fn decide(&mut self, now: Now) -> bool {
        let may_start = self.state.phase == RunPhase::Running
            && self.pacing.has_free_slot(self.attempts.count())
            && !self.admission.is_short();
        if may_start && !self.admission.is_measured(now.instant) {
            self.effects.push(Effect::MeasureDisk);
            return false;
        }
        loop {
            let (actions, mut may_start) = (self.pacing.decide(&self.state, now), true);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                if !may_start && matches!(action, Action::Start { .. }) {
                    continue;
                }
                match self.act(action, now) {
                    Next::Action => {}
                    Next::NoStart => may_start = false,
                    Next::Wait => return false,
                }
            }
        }
        let attempts = &self.attempts;
        let unused = self
            .admission
            .release_unused(|attempt| attempts.is_live(attempt));
        self.effects.extend(unused);
        self.attempts.forget_checks();
        true
    }

    fn act(&mut self, action: Action, now: Now) -> Next {
        let event = match action {
            Action::Start {
                task,
                variant,
                worker,
            } => return self.start(TaskVariant { task, variant }, &worker, now),
            Action::UnparkAt { .. } | Action::WakeAt { .. } => {
                self.pacing.set_timer(action, now);
                return Next::Action;
            }
            Action::ChooseVariant(task) | Action::AcceptVariant(task) => {
                self.choose(task);
                return Next::Action;
            }
            Action::Assemble => {
                self.announce_assembly();
                return Next::Action;
            }
            // The loop wakes when the cooldown is over.
            Action::WaitForCooldown { .. } => return Next::Action,
            // A running assembly moves a branch; the run waits for it.
            Action::End { .. } if self.assembly == Assembly::Running => return Next::Action,
            // So does a choice.
            Action::End { .. } if !self.choices.is_empty() => return Next::Action,
            action => announcement(action),
        };
        event.into_iter().for_each(|event| self.record(event, now));
        Next::Action
    }

    fn announce_assembly(&mut self) {
        if self.assembly == Assembly::Idle {
            self.assembly = Assembly::Announced;
        }
    }

    fn start(&mut self, of: TaskVariant, worker: &str, now: Now) -> Next {
        let task = of.task;
        let attempt = self.state.task(task).next_attempt();
        let worker = match self.worker(task, worker) {
            Ok(worker) => worker,
            Err(error) => {
                self.shutdown.fail(error);
                return Next::NoStart;
            }
        };
        let dependencies = starts_from(&self.state, task);
        let reuse = reusable(&self.layout, &self.state, of, &worker);
        let elsewhere = self.runs_elsewhere(task, &worker);
        // Only this machine has the worktrees of earlier attempts.
        let reuse = reuse.filter(|_| elsewhere.is_none());
        let reuse = match self.attempts.reuse(of, reuse, &dependencies) {
            Reuse::New => None,
            Reuse::Earlier(reuse) => Some(reuse),
            Reuse::Unknown(check) => {
                self.effects.extend(check);
                return Next::Action;
            }
        };
        let key = (task, attempt);
        let starting = self.attempts.starting();
        let admitted = match &elsewhere {
            Some(_) => self.admission.admit_elsewhere(key),
            None => self.admission.admit(key, starting, now.instant),
        };
        match admitted {
            Admitted::Yes => {}
            Admitted::Short(shortage) => {
                self.record_shortage(&shortage, now);
                return Next::NoStart;
            }
            Admitted::NotYet(Some(effect)) => {
                self.effects.push(effect);
                return Next::Wait;
            }
            Admitted::NotYet(None) => return Next::NoStart,
        }
        self.announce(of, attempt, worker, reuse, elsewhere, now);
        Next::Action
    }

    fn announce(
        &mut self,
        of: TaskVariant,
        attempt: AttemptNumber,
        worker: Worker,
        reuse: Option<ReusedWorktree>,
        elsewhere: Option<String>,
        now: Now,
    ) {
        let now_of_task = self.state.task(of.task);
        let session = now_of_task.session_to_continue(of.variant, &worker.name);
        let session = session.filter(|_| reuse.is_some());
        let by_hand = reuse.as_ref().and_then(|_| by_hand(now_of_task, &worker));
        let spec = AttemptSpec {
            session_cost: session.map_or(Cost::Unknown, |id| now_of_task.session_cost(id)),
            session_usage: session.and_then(|id| now_of_task.session_usage(id)),
            session: session.map(str::to_owned),
            by_hand: by_hand.clone(),
            worker: match by_hand {
                Some(_) => worker.clone().by_hand(),
                None => worker.clone(),
            },
            worktree: match &reuse {
                Some(reuse) => reuse.path.clone(),
                None => self.layout.worktree_path(of.task, attempt),
            },
            reuse,
            ..self.spec(of, attempt, worker.clone())
        };
        let event = Event::AttemptStarting {
            task: of.task,
            attempt,
            worker: spec.worker.name.clone(),
            branch: self.layout.attempt_branch(of),
            worktree: self.layout.recorded_path(&spec.worktree),
            variant: of.variant,
        };
        self.pacing.started(&self.state, &spec.worker.name, now);
        self.record(event, now);
        if let Some(executor) = elsewhere {
            let submitted = Event::AttemptSubmitted {
                task: of.task,
                attempt,
                executor,
                host: None,
            };
            self.record(submitted, now);
        }
        self.after_write(Effect::Start(Box::new(spec)));
    }

    /// Returns the executor of the next attempt at a task, if that is not this machine. Work that the user
    /// made by hand is here.
    fn runs_elsewhere(&self, task: TaskNumber, worker: &Worker) -> Option<String> {
        let choice = self
            .settings
            .executor_of(self.state.plan.task(task), Some(worker));
        let is_by_hand = self.state.task(task).by_hand.is_some();
        (!choice.is_local() && !is_by_hand).then_some(choice.name)
    }

    fn spec(&self, of: TaskVariant, attempt: AttemptNumber, worker: Worker) -> AttemptSpec {
        let TaskVariant { task, variant } = of;
        AttemptSpec {
            task,
            attempt,
            variant,
            worker,
            worktree: self.layout.worktree_path(task, attempt),
            reuse: None,
            session: None,
            session_cost: Cost::Unknown,
            session_usage: None,
            by_hand: None,
            before: before(self.state.task(task), variant, attempt),
            failed_before: failed_before(self.state.task(task), variant, attempt),
            known: known_commits(self.state.task(task)),
            dependencies: starts_from(&self.state, task),
            brief: brief(&self.state, of),
        }
    }

    fn worker(&self, task: TaskNumber, name: &str) -> Result<Worker, EngineError> {
        let worker = self.settings.workers.get(name).cloned();
        worker.ok_or_else(|| {
            EngineError::Refused(format!("the worker `{name}` of {task} is not configured"))
        })
    }

    /// Releases the worktrees of ended attempts, in case that the process that recorded their ends was
    /// killed. Of those of a task that has passed, only that of its result.
    fn release_ended(&mut self) {
        let this = &*self;
        let numbers = this.state.plan.tasks().iter().map(|task| task.number);
        let ended = numbers.flat_map(|number| {
            let task = this.state.task(number);
            let deciding = task
                .deciding_attempt()
                .filter(|_| task.phase == TaskPhase::Done);
            let attempts = task.attempts.iter();
            let interrupted = attempts.filter(|attempt| {
                let outcome = attempt.outcome.as_ref();
                outcome.is_some_and(|outcome| matches!(outcome.end, End::Interrupted {}))
            });
            let ended = deciding.into_iter().chain(interrupted);
            ended.filter(move |attempt| this.is_released(number, attempt))
        });
        let worktrees = ended.map(|attempt| this.layout.recorded_worktree(&attempt.worktree));
        let effects: Vec<_> = worktrees.map(Effect::ReleaseWorktree).collect();
        self.effects.extend(effects);
    }

    /// Adopts the attempts that another process left alive.
    ///
    /// # Errors
    /// When a worker is no longer configured.
    pub(super) fn adopt_live(&mut self) -> Result<(), EngineError> {
        self.release_ended();
        let live: Vec<AttemptKey> = self.attempts.live().collect();
        for (task, attempt) in live {
            let Some(known) = self.state.task(task).attempt(attempt) else {
                continue;
            };
            let (variant, worktree) = (known.variant, known.worktree.clone());
            let worker = self.worker(task, &known.worker)?;
            let session = self.state.task(task).session_before(attempt);
            let session_cost = session.map(|id| self.state.task(task).session_cost(id));
            let session_usage = session.and_then(|id| self.state.task(task).session_usage(id));
            let by_hand = by_hand(self.state.task(task), &worker);
            let worker = match by_hand {
                Some(_) => worker.by_hand(),
                None => worker,
            };
            let spec = Box::new(AttemptSpec {
                by_hand,
                session: session.map(str::to_owned),
                session_cost: session_cost.unwrap_or(Cost::Unknown),
                session_usage,
                worktree: self.layout.recorded_worktree(&worktree),
                ..self.spec(TaskVariant { task, variant }, attempt, worker)
            });
            let slot = self.admission.retake_slot((task, attempt));
            self.effects.extend(slot);
            self.effects.push(match self.state.task(task).superseded {
                true => Effect::SetAside(spec),
                false => Effect::Adopt(spec),
            });
        }
        Ok(())
    }
}

/// Returns the user's work that the next attempt at a task offers, or the one that runs now.
fn by_hand(task: &TaskState, worker: &Worker) -> Option<ByHand> {
    let tip = task.by_hand?;
    let has_ended = |attempt: &&Attempt| attempt.outcome.is_some();
    let picked = task.picked_attempt().or_else(|| task.shown_attempt());
    let shown = picked.filter(has_ended);
    let made_on = shown.or_else(|| task.attempts.iter().rev().find(has_ended))?;
    let outcome = made_on.outcome.as_ref();
    let left_behind = outcome.map(|outcome| outcome.left_behind.clone());
    let outcome = outcome.filter(|_| made_on.worker == worker.name);
    Some(ByHand {
        attempt: made_on.number,
        session: outcome.and_then(|outcome| outcome.session.clone()),
        tip,
        left_behind: left_behind.unwrap_or_default(),
    })
}

/// Returns the commits that the attempts at a task started from and left.
fn known_commits(task: &TaskState) -> Vec<Oid> {
    let attempts = task.attempts.iter();
    let commits = attempts.flat_map(|attempt| {
        let left = attempt.outcome.iter().flat_map(Outcome::commits);
        attempt.base.into_iter().chain(left)
    });
    let resolution = task.manual_resolution.as_ref();
    let resolution = resolution.map(|resolution| resolution.candidate);
    let mut known: Vec<Oid> = commits.chain(resolution).chain(task.by_hand).collect();
    known.dedup();
    known
}

/// Returns the event that announces an action.
fn announcement(action: Action) -> Option<Event> {
    Some(match action {
        Action::Park {
            worker,
            task,
            until,
            reason,
        } => Event::WorkerParked {
            worker,
            task,
            until,
            reason,
        },
        Action::RecordCostLimit { spent, max_cost } => Event::CostLimitReached { spent, max_cost },
        Action::DenyAccess {
            worker,
            tasks,
            message,
        } => Event::WorkerAccessDenied {
            worker,
            tasks,
            message,
        },
        Action::TripSetup { tasks, message } => Event::SetupBroken { tasks, message },
        Action::ScheduleRetry { task, variant, due } => {
            Event::RetryScheduled { task, due, variant }
        }
        Action::RecordRetryBudget {
            task,
            variant,
            budget,
        } => Event::RetryBudgetSpent {
            task,
            budget,
            variant,
        },
        Action::Redispatch { task, conflict } => Event::Redispatched {
            task,
            base: conflict.chain_tip,
            with: conflict.with,
        },
        Action::FailRedispatch(task) => Event::RedispatchFailed { task },
        Action::End { exit } => Event::RunEnded { exit },
        Action::Start { .. }
        | Action::UnparkAt { .. }
        | Action::WakeAt { .. }
        | Action::WaitForCooldown { .. }
        | Action::ChooseVariant(_)
        | Action::AcceptVariant(_)
        | Action::Assemble => return None,
    })
}
