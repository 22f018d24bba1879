//! Tests of the core as scripts: words in, decisions out.

#![allow(clippy::unwrap_used)]

mod full_scan;
mod random;
mod worker_pool;

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
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};
use crate::schedule::{Action, Limits, Queues, decide};

/// A run in the middle of a script.
struct Game {
    state: RunState,
    limits: Limits,
    queues: Queues,
    names: Vec<String>,
    said: Vec<String>,
    skipped: SignedDuration,
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
fn play(plan: &str, words: &str) -> String {
    play_with(plan, words, |limits| limits)
}

fn play_with(plan: &str, words: &str, change: impl FnOnce(Limits) -> Limits) -> String {
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
    fn new(state: RunState, limits: Limits, names: Vec<String>) -> Game {
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
    fn decide(&mut self) -> Vec<Action> {
        self.queues.refresh(&self.state, &self.limits);
        assert_eq!(self.queues, Queues::new(&self.state, &self.limits));
        let actions = decide(&self.state, &self.limits, &self.queues);
        assert_eq!(actions, full_scan::decide(&self.state, &self.limits));
        actions
    }

    fn turn(&mut self, word: &str) -> String {
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

    fn record(&mut self, event: Event) {
        let (seq, last) = (self.state.seq + 1, self.state.updated);
        let passed = SignedDuration::from_secs(1) + std::mem::take(&mut self.skipped);
        let time = last.checked_add(passed).unwrap();
        let fact = Recorded { seq, time, event };
        self.state.apply(&fact);
        self.queues.apply(&self.state, &self.limits, &fact.event);
    }

    /// Carries out decisions like the engine: records them until nothing is due.
    fn settle(&mut self) {
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
    fn rest(&mut self, worker: &str) {
        if !start_interval(&self.state, &self.limits, worker).is_zero() {
            self.limits.pool.cooling_down.insert(worker.to_owned());
        }
    }

    fn act(&self, action: &Action) -> (String, Option<Event>) {
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

    fn events(&self, word: &str) -> Vec<Event> {
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

    fn ended(&self, of: TaskVariant, end: End) -> Event {
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

    fn integration(&self) -> Integration {
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
    fn passed(&self, task: TaskNumber) -> End {
        let mut bytes = [task.0 as u8; 20];
        bytes[0] = self.state.task(task).attempts.len() as u8;
        End::Passed {
            candidate: Some(Oid::from_bytes(bytes)),
            stat: Default::default(),
            info: None,
        }
    }

    /// An assembly with a task left out because of a conflict with the first one.
    fn without(&self, task: TaskNumber) -> Integration {
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

    fn chosen(&self, of: TaskVariant) -> Event {
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

    fn name(&self, task: TaskNumber) -> &str {
        &self.names[task.index()]
    }

    /// Returns the name of a task, or `a.2` for a variant.
    fn variant_name(&self, task: TaskNumber, variant: Option<VariantNumber>) -> String {
        match variant {
            Some(variant) => format!("{}.{variant}", self.name(task)),
            None => self.name(task).to_owned(),
        }
    }
}

fn failed(class: FailureClass, message: &str) -> End {
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

#[test]
fn on_a_full_disk_nothing_starts_and_nothing_ends_until_there_is_room() {
    insta::assert_snapshot!(
        play("a · b <- a · c <- b", "open · full · pass a · room · pass b · full · pass c · resume · assembled"),
        @r"
    open         | start a
    full         |
    pass a       |
    room         | start b
    pass b       | start c
    full         |
    pass c       |
    resume       | assemble
    assembled    | end 0
    "
    );
    insta::assert_snapshot!(play("a", "open · full · pass a · stop"), @r"
    open         | start a
    full         |
    pass a       |
    stop         | end 130
    ");
}

#[test]
fn a_task_that_fails_blocks_its_dependents_and_nothing_else() {
    insta::assert_snapshot!(
        play("parse · render <- parse · docs", "open · fail parse · pass docs · assembled"),
        @r"
        open         | start parse | start docs
        fail parse   |
        pass docs    | assemble
        assembled    | end 3
        "
    );
}

#[test]
fn a_task_whose_result_met_another_is_done_again_once() {
    insta::assert_snapshot!(
        play("a · b", "open · pass a · pass b · clash b · pass b · clash b"),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | end 4
        "
    );
    insta::assert_snapshot!(
        play_with("a · b", "open · pass a · pass b · clash b · pass b · clash b · pass b · clash b",
            |limits| Limits { redispatches: 2, ..limits }),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | end 4
        "
    );
    insta::assert_snapshot!(
        play_with("a · b", "open · pass a · pass b · clash b", |limits| Limits { budget: 0, ..limits }),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | end 4
        "
    );
}

#[test]
fn one_that_is_done_again_in_vain_offers_what_it_had() {
    insta::assert_snapshot!(
        play("a · b · c <- b", "open · pass a · pass b · pass c · clash b · flake b · due b · fail b"),
        @r"
        open         | start b | start a
        pass a       |
        pass b       | start c
        pass c       | assemble
        clash b      | again b | start b
        flake b      | retry b in 4s | wake for b
        due b        | start b
        fail b       | restore b | end 4
        "
    );
    insta::assert_snapshot!(
        play("a · b · c <- b", "open · pass a · pass b · pass c · clash b · cut b · pass b · pass c · assembled"),
        @r"
        open         | start b | start a
        pass a       |
        pass b       | start c
        pass c       | assemble
        clash b      | again b | start b
        cut b        | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn what_depends_on_a_task_starts_when_it_has_passed() {
    insta::assert_snapshot!(
        play("a · b <- a · c <- a, b", "open · pass a · pass b · pass c · assembled"),
        @r"
        open         | start a
        pass a       | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn the_longest_remaining_path_goes_first_and_the_order_of_the_plan_breaks_ties() {
    insta::assert_snapshot!(
        play_with(
            "short · other · long · middle <- long · end <- middle",
            "open · pass long · pass middle",
            |limits| Limits { max_parallel: 1, ..limits },
        ),
        @r"
        open         | start long
        pass long    | start middle
        pass middle  | start short
        "
    );
}

#[test]
fn a_transient_failure_is_retried_with_growing_delays_and_then_given_up() {
    insta::assert_snapshot!(
        play("a · b <- a", "open · flake a · due a · flake a · due a · flake a"),
        @r"
        open         | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        flake a      | retry a in 8s | wake for a
        due a        | start a
        flake a      | end 3
        "
    );
}

#[test]
fn a_retry_waits_at_least_as_long_as_the_server_asked_for() {
    let due = |reset: Option<&str>| {
        let mut failure = fixture::failure(FailureClass::Transient, "429");
        failure.reset_at = reset.map(|time| time.parse().unwrap());
        let run = RunFixture::new("a").begin(1, "claude");
        let state = run.fail_with(1, failure, 1).state();
        let limits = Limits {
            max_parallel: 1,
            transient_retries: 1,
            base_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(300),
            redispatches: 1,
            budget: 20,
            ..Limits::default()
        };
        let due = super::retry::retry_due(&state, TaskNumber(1).into(), &limits).unwrap();
        due.to_string()
    };
    let said = [
        None,
        Some("2026-11-22T09:20:00Z"),
        Some("2026-11-22T09:14:01Z"),
    ];
    insta::assert_snapshot!(said.map(due).join("\n"), @r"
    2026-11-22T09:14:05Z
    2026-11-22T09:20:00Z
    2026-11-22T09:14:05Z
    ");
}

#[test]
fn the_same_failure_twice_is_not_transient() {
    insta::assert_snapshot!(play("a", "open · same a · due a · same a"), @r"
    open         | start a
    same a       | retry a in 4s | wake for a
    due a        | start a
    same a       | end 3
    ");
}

#[test]
fn the_same_rate_limit_again_is_no_reason_to_give_up_and_is_counted_apart() {
    insta::assert_snapshot!(
        play("a", "open · limit a · due a · limit a · due a · rested · flake a · due a · rested · limit a · due a \
                   · rested · flake a · due a · rested · limit a · due a · rested · limit a"),
        @r"
        open         | start a
        limit a      | retry a in 4s | wake for a
        due a        | start a
        limit a      | retry a in 8s | wake for a
        due a        | shell rests
        rested       | start a
        flake a      | retry a in 4s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | retry a in 16s | wake for a
        due a        | shell rests
        rested       | start a
        flake a      | retry a in 8s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | retry a in 30s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | end 3
        "
    );
}

#[test]
fn what_a_task_says_about_retries_goes_for_rate_limits_too() {
    let tries = |retries: Option<u32>| {
        let mut limit = fixture::failure(FailureClass::Transient, "429");
        limit.rate_limited = true;
        let plan = RunFixture::new("a").with_task(1, |task| task.fields.retries = retries);
        let once = plan.begin(1, "claude").fail_with(1, limit.clone(), 1);
        let state = once.begin(1, "claude").fail_with(1, limit, 1).state();
        let limits = Limits {
            rate_limit_retries: 4,
            ..Limits::default()
        };
        super::retry::retry_due(&state, TaskNumber(1).into(), &limits).is_some()
    };
    assert_eq!([None, Some(1), Some(2)].map(tries), [true, false, true]);
}

#[test]
fn a_task_that_would_be_tried_again_if_the_run_had_retries_left_is_said_to_be() {
    insta::assert_snapshot!(
        play_with("a · b", "open · flake a · due a · flake b · flake a · retry a · flake a", |limits| Limits {
            budget: 1,
            ..limits
        }),
        @r"
        open         | start a | start b
        flake a      | retry a in 4s | wake for a
        due a        | start a
        flake b      | b has spent all
        flake a      | a has spent all | end 3
        retry a      | retry b in 4s | start a | wake for b
        flake a      | a has spent all | wake for b
        "
    );
}

#[test]
fn an_attempt_without_a_worktree_is_no_try_and_brings_no_earlier_one_back() {
    insta::assert_snapshot!(
        play("a", "open · flake a · due a · unfit a · retry a · flake a · due a · pass a · assembled"),
        @r"
        open         | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        unfit a      | end 3
        retry a      | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        pass a       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn an_interrupted_attempt_counts_as_none() {
    insta::assert_snapshot!(
        play("a · b", "open · stop · cut a · pass b · resume · flake a · due a · pass a · assembled"),
        @r"
        open         | start a | start b
        stop         |
        cut a        |
        pass b       | end 130
        resume       | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        pass a       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn a_retry_by_a_person_starts_again_what_was_blocked_or_skipped() {
    insta::assert_snapshot!(
        play(
            "a · b <- a · c <- b",
            "open · fail a · retry a · pass a · fail b · skip b · retry b · pass b · pass c · assembled",
        ),
        @r"
        open         | start a
        fail a       | end 3
        retry a      | start a
        pass a       | start b
        fail b       | assemble
        skip b       | assemble
        retry b      | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn a_skipped_task_takes_its_dependents_along_unless_told_not_to() {
    insta::assert_snapshot!(
        play("a · b <- a · c", "open · pass c · fail a · assembled · skip a"),
        @r"
        open         | start a | start c
        pass c       |
        fail a       | assemble
        assembled    | end 3
        skip a       | end 0
        "
    );
    insta::assert_snapshot!(
        play("a · b <- a", "open · fail a · drop a · pass b · assembled"),
        @r"
        open         | start a
        fail a       | end 3
        drop a       | start b
        pass b       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn the_retries_of_a_run_are_bounded_together() {
    insta::assert_snapshot!(
        play_with("a · b · c", "open · flake a · flake b · flake c", |limits| Limits {
            budget: 2,
            ..limits
        }),
        @r"
        open         | start a | start b | start c
        flake a      | retry a in 4s | wake for a
        flake b      | retry b in 4s | wake for a
        flake c      | c has spent all | wake for a
        "
    );
}

#[test]
fn nothing_starts_once_a_person_has_asked_to_stop() {
    insta::assert_snapshot!(
        play_with("a · b · c", "open · stop · pass a · cut b", |limits| Limits {
            max_parallel: 2,
            ..limits
        }),
        @r"
        open         | start a | start b
        stop         |
        pass a       |
        cut b        | end 130
        "
    );
}

#[test]
fn a_paused_run_starts_nothing_and_does_not_end() {
    insta::assert_snapshot!(
        play("a · b <- a", "open · pause · pass a · go · pass b · assembled"),
        @r"
        open         | start a
        pause        |
        pass a       |
        go           | start b
        pass b       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn a_cancelled_task_is_over_once_its_attempt_is_and_can_be_retried() {
    insta::assert_snapshot!(
        play("a · b <- a · c", "open · cancel a · cut a · pass c · assembled · retry a · pass a"),
        @r"
        open         | start a | start c
        cancel a     |
        cut a        |
        pass c       | assemble
        assembled    | end 3
        retry a      | start a
        pass a       | start b
        "
    );
}

#[test]
fn a_plan_of_ten_thousand_tasks_in_a_chain_is_decided_without_recursion() {
    let names: Vec<String> = (0..10_000).map(|n| format!("t{n}")).collect();
    let mut plan = names[0].clone();
    for pair in names.windows(2) {
        plan.push_str(&format!(" · {} <- {}", pair[1], pair[0]));
    }
    let first = play(&plan, "open");
    assert_eq!(first, "open         | start t0");
}

#[test]
fn a_set_up_that_fails_alike_for_several_tasks_is_not_tried_for_the_others() {
    let one_by_one = |limits| Limits {
        max_parallel: 1,
        ..limits
    };
    let game = |words: &str| play_with("a · b · c · d", words, one_by_one);
    insta::assert_snapshot!(
        game("open · unfit a · unfit b · resume · begun c · pass c · unfit d · retry a · begun a · pass a · assembled"),
        @r"
    open         | start a
    unfit a      | start b
    unfit b      | no set-up for a b | end 3
    resume       | start c
    begun c      |
    pass c       | start d
    unfit d      | assemble
    retry a      | start a
    begun a      |
    pass a       | assemble
    assembled    | end 3
    "
    );
    insta::assert_snapshot!(game("open · unfit a · unfit b !otherwise · unfit c · unfit d"), @r"
    open         | start a
    unfit a      | start b
    unfit b !otherwise | start c
    unfit c      | start d
    unfit d      | end 3
    ");
    // One set-up that works while others run resets the circuit breaker.
    insta::assert_snapshot!(
        play("a · b · c · d · e", "open · unfit a · unfit b · begun c · pass c"),
        @r"
    open         | start a | start b | start c
    unfit a      | start d
    unfit b      | no set-up for a b
    begun c      | start e
    pass c       |
    "
    );
}

#[test]
fn the_variants_of_a_task_run_side_by_side_and_one_is_chosen_once_all_have_ended() {
    insta::assert_snapshot!(
        play("a*3 · b <- a", "open · fail a.1 · pass a.3 · pass a.2 · chosen a.3 · pass b · assembled"),
        @r"
    open         | start a.1 | start a.2 | start a.3
    fail a.1     |
    pass a.3     |
    pass a.2     | choose for a
    chosen a.3   | accept for a | start b
    pass b       | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_variant_has_retries_of_its_own_and_the_task_fails_only_with_all_of_them() {
    insta::assert_snapshot!(
        play("a*2", "open · flake a.1 · fail a.2 · due a.1 · flake a.1 · due a.1 · flake a.1"),
        @r"
    open         | start a.1 | start a.2
    flake a.1    | retry a.1 in 4s | wake for a.1
    fail a.2     | wake for a.1
    due a.1      | start a.1
    flake a.1    | retry a.1 in 8s | wake for a.1
    due a.1      | start a.1
    flake a.1    | end 3
    "
    );
}

#[test]
fn variants_take_the_slots_of_the_run_one_each() {
    insta::assert_snapshot!(
        play_with("a*3 · b", "open · pass a.2 · pass a.1 · pass a.3 · pass b", |limits| Limits {
            max_parallel: 2,
            ..limits
        }),
        @r"
    open         | start a.1 | start a.2
    pass a.2     | start a.3
    pass a.1     | start b
    pass a.3     | choose for a
    pass b       | choose for a
    "
    );
}

#[test]
fn a_judge_takes_a_slot_of_the_run_and_of_its_worker() {
    let one = |limits: Limits| {
        let mut limits = Limits {
            max_parallel: 2,
            ..limits
        };
        limits.pool.judges = [(TaskNumber(1), "claude".to_owned())].into();
        limits
    };
    insta::assert_snapshot!(
        play_with("a*2 · b · c", "open · pass a.1 · pass a.2 · pass b · chosen a.1", one),
        @r"
    open         | start a.1 | start a.2
    pass a.1     | start b
    pass a.2     | choose for a
    pass b       | choose for a | start c
    chosen a.1   | accept for a
    "
    );
    let of_worker = |limits: Limits| {
        let mut limits = limits;
        let claude = WorkerLimits {
            concurrency: Some(1),
            ..WorkerLimits::default()
        };
        limits.pool.judges = [(TaskNumber(1), "claude".to_owned())].into();
        limits.pool.assigned = ["shell", "claude", "claude"].map(str::to_owned).to_vec();
        limits.pool.workers = [("claude".to_owned(), claude)].into();
        limits
    };
    insta::assert_snapshot!(
        play_with("a*2 · b · c", "open · pass a.1 · pass a.2 · pass b · chosen a.1", of_worker),
        @r"
    open         | start a.1 | start a.2 | start b by claude
    pass a.1     |
    pass a.2     | choose for a
    pass b       | choose for a
    chosen a.1   | accept for a | start c by claude
    "
    );
}

#[test]
fn variants_that_can_no_longer_start_are_not_waited_for() {
    let one = |mut limits: Limits| {
        limits.pool.assigned = vec!["claude".to_owned()];
        Limits {
            max_parallel: 1,
            max_cost: Some(1.0),
            ..limits
        }
    };
    insta::assert_snapshot!(
        play_with("a*3", "open · paid a.1 1.5 · chosen a.1 · assembled", one),
        @r"
    open         | start a.1 by claude
    paid a.1 1.5 | 1.5 of 1 spent | choose for a
    chosen a.1   | accept for a | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_cancel_or_a_retry_is_about_all_variants() {
    insta::assert_snapshot!(
        play("a*2", "open · pass a.1 · cancel a · cut a.2 · retry a · pass a.1 · pass a.2 · chosen a.1"),
        @r"
    open         | start a.1 | start a.2
    pass a.1     |
    cancel a     |
    cut a.2      | end 3
    retry a      | start a.1 | start a.2
    pass a.1     |
    pass a.2     | choose for a
    chosen a.1   | accept for a | assemble
    "
    );
}

#[test]
fn a_task_that_is_done_again_for_a_conflict_has_one_attempt_by_the_winner() {
    let pool = |limits: Limits| {
        let mut limits = limits;
        limits.pool.workers = [("shell".to_owned(), Default::default())].into();
        limits
    };
    insta::assert_snapshot!(
        play_with(
            "b · a*2",
            "open · pass b · pass a.1 · pass a.2 · chosen a.2 · clash a · fail a",
            pool
        ),
        @r"
    open         | start b | start a.1 | start a.2
    pass b       |
    pass a.1     |
    pass a.2     | choose for a
    chosen a.2   | accept for a | assemble
    clash a      | again a | start a
    fail a       | restore a | end 4
    "
    );
}
