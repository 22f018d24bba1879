//! Plays scripts: words in, decisions out.

use crate::schedule::slots::start_interval;
use std::time::Duration;

use jiff::SignedDuration;

use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::event::{Event, Recorded};
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::fixture::{self, RunFixture};
use crate::model::ids::{TaskNumber, TaskVariant, VariantNumber};
use crate::model::integration::{Integration, LeftOut, LeftOutReason, Merged};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::shortage::{Resource, Shortage};
use crate::model::usage::Cost;
use crate::model::variant_choice::{ChosenBy, VariantChoice};
use crate::model::worker_report::WorkerReport;
use crate::schedule::worker_pool::WorkerPool;
use crate::schedule::{Action, Limits, Queues, decide};

/// A run in the middle of a script.
pub(super) struct Game {
    pub(super) state: RunState,
    pub(super) limits: Limits,
    pub(super) queues: Queues,
    pub(super) names: Vec<String>,
    pub(super) said: Vec<String>,
    pub(super) skipped: SignedDuration,
}

/// Plays `words` separated by ` · ` and renders each with the decisions after it.
///
/// A task `a*3` has three variants, whose names are `a.1` to `a.3`.
///
/// Tasks: `open`, `pass NAME`, `fail NAME`, `flake NAME` (transient), `cut NAME` (interrupted), `due
/// NAME`, `stop`, `resume`, `retry NAME`, `skip NAME`, `drop NAME` (skip without cascade),
/// `chosen NAME` (this variant), `assembled`, `unfit NAME [WHY]` (set-up failed), `begun NAME` (its worker runs). Workers: `quota
/// NAME [TIME]` (with the reset time), `limit NAME` (rate limit), `login NAME` (authentication
/// failed), `paid NAME DOLLARS` (passes), `unpark WORKER`, `rested`, `money DOLLARS`, `later TIME`.
/// Disk: `full`, `room`.
pub(super) fn play(plan: &str, words: &str) -> String {
    play_with(plan, words, |limits| limits)
}

pub(super) fn play_with(plan: &str, words: &str, change: impl FnOnce(Limits) -> Limits) -> String {
    let limits = Limits {
        max_parallel: 3,
        transient_retries: 2,
        rate_limit_retries: 4,
        base_delay: Duration::from_secs(8),
        max_delay: Duration::from_secs(60),
        redispatches: 1,
        budget: 20,
        quota_wait: Duration::from_secs(3600),
        pool: WorkerPool {
            assigned: vec!["shell".to_owned(); plan.split(" · ").count()],
            ..WorkerPool::default()
        },
        ..Limits::default()
    };
    let names = plan.split(" · ").map(|line| {
        fixture::name(line.split(" <- ").next().unwrap())
            .0
            .to_owned()
    });
    let mut game = Game::new(
        RunFixture::new(plan).state(),
        change(limits),
        names.collect(),
    );
    let lines: Vec<String> = words.split(" · ").map(|word| game.turn(word)).collect();
    lines.join("\n")
}

impl Game {
    pub(super) fn new(state: RunState, limits: Limits, names: Vec<String>) -> Game {
        Game {
            queues: Queues::new(&state, &limits),
            state,
            limits,
            names,
            said: Vec::new(),
            skipped: SignedDuration::ZERO,
        }
    }

    /// Decides, and checks that a scan of all tasks decides the same.
    pub(super) fn decide(&mut self) -> Vec<Action> {
        self.queues.refresh(&self.state, &self.limits);
        assert_eq!(self.queues, Queues::new(&self.state, &self.limits));
        let actions = decide(&self.state, &self.limits, &self.queues);
        assert_eq!(
            actions,
            crate::schedule::tests::full_scan::decide(&self.state, &self.limits)
        );
        actions
    }

    pub(super) fn turn(&mut self, word: &str) -> String {
        self.said.clear();
        match word.split_once(' ') {
            Some(("later", time)) => self.skipped = time.parse().unwrap(),

            _ if word == "rested" => self.limits.pool.cooling_down.clear(),
            _ => {}
        }
        for event in self.events(word) {
            self.record(event);
        }
        self.settle();
        format!("{word:<12} | {}", self.said.join(" | "))
            .trim_end()
            .to_owned()
    }

    pub(super) fn record(&mut self, event: Event) {
        let (seq, last) = (self.state.seq + 1, self.state.updated);
        let passed = SignedDuration::from_secs(1) + std::mem::take(&mut self.skipped);
        let time = last.checked_add(passed).unwrap();
        let fact = Recorded { seq, time, event };
        self.state.apply(&fact);
        self.queues.apply(&self.state, &self.limits, &fact.event);
    }

    /// Carries out decisions like the engine: records them until nothing is due.
    pub(super) fn settle(&mut self) {
        loop {
            let mut acted = false;
            for action in self.decide() {
                let (said, event) = self.act(&action);
                if let Action::Start { worker, .. } = &action {
                    self.rest(worker);
                }
                if event.is_some() || !self.said.contains(&said) {
                    self.said.push(said);
                }
                acted |= event.is_some();
                event.into_iter().for_each(|event| self.record(event));
            }
            if !acted {
                return;
            }
        }
    }

    /// Keeps a worker in its cooldown until the word `rested`.
    pub(super) fn rest(&mut self, worker: &str) {
        if !start_interval(&self.state, &self.limits, worker).is_zero() {
            self.limits.pool.cooling_down.insert(worker.to_owned());
        }
    }

    pub(super) fn act(&self, action: &Action) -> (String, Option<Event>) {
        match action {
            Action::Start {
                task,
                variant,
                worker,
            } => {
                let attempt = self.state.task(*task).next_attempt();
                let event = Event::AttemptStarting {
                    task: *task,
                    attempt,
                    worker: worker.clone(),
                    branch: String::new(),
                    worktree: String::new(),
                    variant: *variant,
                };
                let by = match worker.as_str() {
                    "shell" => String::new(),
                    worker => format!(" by {worker}"),
                };
                let name = self.variant_name(*task, *variant);
                (format!("start {name}{by}"), Some(event))
            }
            Action::Park {
                worker,
                task,
                until,
                reason,
            } => {
                let wait = until.duration_since(self.state.updated).as_secs();
                let event = Event::WorkerParked {
                    worker: worker.clone(),
                    task: *task,
                    until: *until,
                    reason: reason.clone(),
                };
                (format!("park {worker} for {wait}s"), Some(event))
            }
            Action::UnparkAt { worker, .. } => (format!("wait for {worker}"), None),
            Action::WaitForCooldown { worker } => (format!("{worker} rests"), None),
            Action::RecordCostLimit { spent, max_cost } => {
                let event = Event::CostLimitReached {
                    spent: *spent,
                    max_cost: *max_cost,
                };
                (format!("{spent} of {max_cost} spent"), Some(event))
            }
            Action::DenyAccess {
                worker,
                tasks,
                message,
            } => {
                let event = Event::WorkerAccessDenied {
                    worker: worker.clone(),
                    tasks: tasks.clone(),
                    message: message.clone(),
                };
                (format!("lock {worker} out"), Some(event))
            }
            Action::TripSetup { tasks, message } => {
                let event = Event::SetupBroken {
                    tasks: tasks.clone(),
                    message: message.clone(),
                };
                let names: Vec<&str> = tasks.iter().map(|task| self.name(*task)).collect();
                (format!("no set-up for {}", names.join(" ")), Some(event))
            }
            Action::Redispatch { task, conflict } => {
                let event = Event::Redispatched {
                    task: *task,
                    base: conflict.chain_tip,
                    with: conflict.with.clone(),
                };
                (format!("again {}", self.name(*task)), Some(event))
            }
            Action::FailRedispatch(task) => {
                let event = Event::RedispatchFailed { task: *task };
                (format!("restore {}", self.name(*task)), Some(event))
            }
            Action::ScheduleRetry { task, variant, due } => {
                let ended = self
                    .state
                    .task(*task)
                    .last_attempt_of(*variant)
                    .unwrap()
                    .ended
                    .unwrap();
                let wait = due.duration_since(ended).as_secs();
                let event = Event::RetryScheduled {
                    task: *task,
                    due: *due,
                    variant: *variant,
                };
                let name = self.variant_name(*task, *variant);
                (format!("retry {name} in {wait}s"), Some(event))
            }
            Action::RecordRetryBudget {
                task,
                variant,
                budget,
            } => {
                let event = Event::RetryBudgetSpent {
                    task: *task,
                    budget: *budget,
                    variant: *variant,
                };
                let name = self.variant_name(*task, *variant);
                (format!("{name} has spent all"), Some(event))
            }
            Action::WakeAt { task, variant, .. } => {
                let name = self.variant_name(*task, *variant);
                (format!("wake for {name}"), None)
            }
            Action::ChooseVariant(task) => (format!("choose for {}", self.name(*task)), None),
            Action::AcceptVariant(task) => {
                let event = Event::VariantAccepted { task: *task };
                (format!("accept for {}", self.name(*task)), Some(event))
            }
            Action::Assemble => ("assemble".to_owned(), None),
            Action::End { exit } => (format!("end {exit}"), Some(Event::RunEnded { exit: *exit })),
        }
    }

    pub(super) fn events(&self, word: &str) -> Vec<Event> {
        let (verb, rest) = word.split_once(' ').unwrap_or((word, ""));
        let (name, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let (short, variant) = match name.split_once('.') {
            Some((short, variant)) => (short, variant.parse().ok()),
            None => (name, None),
        };
        let task = || TaskNumber(1 + self.names.iter().position(|n| n == short).unwrap() as u32);
        let of = || TaskVariant {
            task: task(),
            variant,
        };
        match verb {
            "open" | "later" | "rested" => vec![],
            "quota" => {
                let mut end = failed(FailureClass::Quota, "used up");
                if let (End::Failed(failure), false) = (&mut end, more.is_empty()) {
                    let wait: SignedDuration = more.parse().unwrap();
                    failure.reset_at = Some(self.state.updated + wait);
                }
                vec![self.ended(of(), end)]
            }
            "limit" => {
                let mut end = failed(FailureClass::Transient, "429");
                if let End::Failed(failure) = &mut end {
                    failure.rate_limited = true;
                }
                vec![self.ended(of(), end)]
            }
            "paid" => {
                let mut event = self.ended(of(), self.passed(task()));
                if let Event::AttemptEnded { outcome, .. } = &mut event {
                    outcome.cost = Cost::Known(more.parse().unwrap());
                }
                vec![event]
            }
            "unpark" => {
                let parked = self.state.worker_health.record(name).unwrap();
                let until = parked.parked.as_ref().unwrap().until;
                vec![Event::WorkerUnparked {
                    worker: name.to_owned(),
                    until,
                }]
            }
            "money" => vec![
                Event::RunResumed {
                    findings: Vec::new(),
                },
                Event::MaxCostSet {
                    max_cost: name.parse().unwrap(),
                },
            ],
            "pass" => vec![self.ended(of(), self.passed(task()))],
            "fail" => vec![self.ended(of(), failed(FailureClass::Logic, "a test fails"))],
            "flake" => {
                let tries = self.state.task(task()).attempts.len();
                let said = format!("connection reset, try {}", "x".repeat(tries));
                vec![self.ended(of(), failed(FailureClass::Transient, &said))]
            }
            "login" => {
                let mut end = failed(FailureClass::Blocker, "not logged in");
                if let End::Failed(failure) = &mut end {
                    failure.access_denied = true;
                }
                vec![self.ended(of(), end)]
            }
            "unfit" => {
                let said = format!("set-up failed{more}");
                let mut end = failed(FailureClass::Blocker, &said);
                if let End::Failed(failure) = &mut end {
                    failure.kind = Some(FailureKind::Setup);
                }
                vec![self.ended(of(), end)]
            }
            "begun" => vec![Event::AttemptStarted {
                task: task(),
                attempt: self
                    .state
                    .task(task())
                    .last_attempt_of(variant)
                    .unwrap()
                    .number,
                base: self.state.base,
                warm: false,
            }],
            "same" => vec![self.ended(of(), failed(FailureClass::Transient, "the same again"))],
            "cut" => vec![self.ended(of(), End::Interrupted {})],
            "due" => vec![Event::RetryDue {
                task: task(),
                variant,
            }],
            "chosen" => vec![self.chosen(of())],
            "stop" => vec![Event::StopRequested {}],
            "full" => vec![Event::ShortageBegan {
                shortage: Shortage {
                    resource: Resource::Bytes,
                    place: "/".to_owned(),
                    has: 0,
                    needs: 1,
                    kept: Vec::new(),
                },
            }],
            "room" => vec![Event::ShortageEnded {}],
            "pause" => vec![Event::Paused {}],
            "go" => vec![Event::Unpaused {}],
            "cancel" => vec![Event::TaskCancelled { task: task() }],
            "resume" => vec![Event::RunResumed {
                findings: Vec::new(),
            }],
            "retry" => vec![
                Event::RunResumed {
                    findings: Vec::new(),
                },
                Event::RetryRequested {
                    task: task(),
                    extra_prompt: None,
                    new_prompt: None,
                    worker: None,
                    continue_session: false,
                    by_hand: None,
                    attempt: None,
                },
            ],
            "skip" | "drop" => {
                let cascade = verb == "skip";
                vec![
                    Event::RunResumed {
                        findings: Vec::new(),
                    },
                    Event::TaskSkipped {
                        task: task(),
                        cascade,
                    },
                ]
            }
            "assembled" => vec![Event::Assembled {
                integration: self.integration(),
            }],
            "clash" => vec![Event::Assembled {
                integration: self.without(task()),
            }],
            other => panic!("no such word: {other}"),
        }
    }

    pub(super) fn ended(&self, of: TaskVariant, end: End) -> Event {
        let TaskVariant { task, variant } = of;
        let last = self.state.task(task).last_attempt_of(variant);
        let attempt = last.unwrap().number;
        let outcome = Box::new(Outcome {
            end,
            report: WorkerReport::default(),
            checks: vec![],
            killed_processes: vec![],
            warnings: vec![],
            undeclared: Vec::new(),
            millis: 0,
            flaky: None,
            left_behind: Vec::new(),
            secrets: Vec::new(),
            outside_changes: Vec::new(),
            kept: None,
            kept_changes: None,
            usage: None,
            cost: Cost::Unknown,
            session: None,
        });
        Event::AttemptEnded {
            task,
            attempt,
            outcome,
            jitter: 0.5,
        }
    }

    pub(super) fn integration(&self) -> Integration {
        let merged = self.state.candidates().into_iter();
        let merged = merged.map(|(task, candidate)| Merged {
            task,
            candidate,
            commit: candidate,
            resolved: Vec::new(),
        });
        Integration {
            merged: merged.collect(),
            ..Integration::default()
        }
    }

    /// Every attempt has another candidate.
    pub(super) fn passed(&self, task: TaskNumber) -> End {
        let mut bytes = [task.0 as u8; 20];
        bytes[0] = self.state.task(task).attempts.len() as u8;
        End::Passed {
            candidate: Some(Oid::from_bytes(bytes)),
            stat: Default::default(),
            info: None,
        }
    }

    /// An assembly with a task left out because of a conflict with the first one.
    pub(super) fn without(&self, task: TaskNumber) -> Integration {
        let mut integration = self.integration();
        integration.merged.retain(|merged| merged.task != task);
        integration.chain_tip = Some(Oid::from_bytes([99; 20]));
        integration.left_out = vec![LeftOut {
            task,
            candidate: self.state.task(task).candidate().unwrap(),
            reason: LeftOutReason::Conflict {
                class: Class::Content,
                with: vec![TaskNumber(1)],
                paths: Vec::new(),
                failed_strategies: Vec::new(),
            },
        }];
        integration
    }

    pub(super) fn chosen(&self, of: TaskVariant) -> Event {
        let variant = of.variant.unwrap();
        let attempt = self.state.task(of.task).passed_attempt_of(variant).unwrap();
        Event::VariantChosen {
            task: of.task,
            choice: VariantChoice {
                variant,
                attempt: attempt.number,
                by: ChosenBy::Rule,
                reason: String::new(),
                compared: Vec::new(),
                judge: None,
            },
        }
    }

    pub(super) fn name(&self, task: TaskNumber) -> &str {
        &self.names[task.index()]
    }

    /// Returns the name of a task, or `a.2` for a variant.
    pub(super) fn variant_name(&self, task: TaskNumber, variant: Option<VariantNumber>) -> String {
        match variant {
            Some(variant) => format!("{}.{variant}", self.name(task)),
            None => self.name(task).to_owned(),
        }
    }
}

pub(super) fn failed(class: FailureClass, message: &str) -> End {
    End::Failed(Failure {
        class,
        message: message.to_owned(),
        root_cause: None,
        suggestion: None,
        evidence: String::new(),
        signature: message.to_owned(),
        reset_at: None,
        rate_limited: false,
        access_denied: false,
        kind: None,
    })
}
