//! The loop: take events, record them, apply them, publish, decide, carry out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::Instrument;

use crate::base::fault;
use crate::base::text::error_chain;
use crate::config::reaction::OnNewConflict;
use crate::control::{Reply, Request, Response, Server, control_socket};
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::flaky::failed_before;
use crate::engine::attempt::run;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::kernel::message::Message;
use crate::engine::kernel::signals::{SignalRequest, Signals};
use crate::engine::prompt::brief::brief;
use crate::engine::publish::{Publication, Publisher};
use crate::engine::run::allowance::Allowance;
use crate::engine::run::cooldowns::Starts;
use crate::engine::run::disk::Room;
use crate::engine::run::live::Live;
use crate::engine::run::notice::Notices;
use crate::engine::run::notify::Notifier;
use crate::engine::run::requests;
use crate::engine::run::slots::Slot;
use crate::engine::run::throttle::Pace;
use crate::engine::run::timers::Timers;
use crate::engine::spec::brief::Brief;
use crate::engine::spec::span::attempt_span;
use crate::engine::spec::{AttemptSpec, starts_from};
use crate::engine::start::worker_pool::crew;
use crate::engine::worktree::reuse::{is_sound, reusable};
use crate::engine::{EngineError, assemble};
use crate::exec::StopSignal;
use crate::git::worktree::Worktree;
use crate::journal::Journal;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::{TaskPhase, TaskState};
use crate::schedule::slots::start_interval;
use crate::schedule::{Action, Limits, decide};

/// How long a fact that nobody acts on may wait for company on its way into the journal.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often the work of running tasks is looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Who sees a run go by.
pub trait Watcher {
    /// Facts were recorded; `state` is what they led to.
    fn recorded(&mut self, state: &RunState, new: &[Recorded]);

    /// Something the user should know.
    fn warning(&mut self, text: &str);
}

/// How a driven run came back.
#[derive(Debug)]
pub struct Driven {
    /// The state at the end.
    pub state: RunState,
    /// The exit code.
    pub exit: u8,
    /// Only background tasks were left, and nobody drives them now.
    pub left: bool,
}

/// What is to be done once it is written that it will be.
#[derive(Default)]
pub(super) struct Announced {
    pub(super) attempts: Vec<AttemptSpec>,
    pub(super) assembly: bool,
    pub(super) removal: Option<Worktree>,
}

/// How often a place that all runs share is asked for.
const ASK_FOR_SLOT: Duration = Duration::from_millis(250);

/// Drives one run to its end.
pub struct Driver<'a> {
    pub(super) context: Arc<Context>,
    pub(super) state: RunState,
    journal: Journal,
    limits: Limits,
    publisher: Publisher,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) post: UnboundedSender<Message>,
    inbox: UnboundedReceiver<Message>,
    cancels: BTreeMap<TaskNumber, CancelHandle>,
    timers: Timers,
    starts: Starts,
    assembling: Option<CancelHandle>,
    pub(super) detection: Pace,
    pub(super) live_pace: Pace,
    pub(super) live: Arc<Mutex<Option<Live>>>,
    pub(super) notices: Notices,
    notifier: Notifier,
    pub(super) presses: u32,
    /// Whether the terminal is gone, and another process is to go on.
    hung_up: bool,
    publish_in: Option<Duration>,
    random: fastrand::Rng,
    /// Facts that are applied and not written down yet: nothing acts on them until they are.
    unwritten: Vec<Recorded>,
    unwritten_since: Option<Instant>,
    unseen: Vec<Recorded>,
    /// What was announced and waits for its announcement to be written.
    pub(super) announced: Announced,
    pub(super) room: Room,
    /// Whether the repository itself could not be written, and nobody has seen since that it can.
    pub(super) repo_is_full: bool,
    /// What is known about one more worktree below the user's limits.
    pub(super) allowance: Allowance,
    pub(super) slots: BTreeMap<TaskNumber, Slot>,
    /// Whether a task waits for an attempt of another run to end.
    pub(super) waits_for_slot: bool,
    pub(super) said_to_wait: bool,
    /// The attempts whose end this process could not write down.
    left_open: BTreeSet<TaskNumber>,
    /// Who waits for an answer until what they asked for is written.
    unanswered: Vec<Reply>,
    background: BTreeSet<TaskNumber>,
}

impl<'a> Driver<'a> {
    /// A driver at this state of a run.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn new(
        context: Arc<Context>,
        state: RunState,
        journal: Journal,
        watcher: &'a mut dyn Watcher,
        random: fastrand::Rng,
    ) -> Result<Driver<'a>, EngineError> {
        let (post, inbox) = unbounded_channel();
        let publisher = Publisher::new(&context.repo)?;
        let limits = limits(&context);
        let timers = Timers::new(context.clock, post.clone());
        let notifier = Notifier::new(&context, &state, post.clone());
        Ok(Driver {
            context,
            state,
            journal,
            limits,
            publisher,
            watcher,
            post,
            inbox,
            cancels: BTreeMap::new(),
            timers,
            starts: Starts::default(),
            assembling: None,
            detection: Pace::default(),
            live_pace: Pace::every(LOOK_INTERVAL, Instant::now()),
            live: Arc::default(),
            notices: Notices::default(),
            notifier,
            presses: 0,
            hung_up: false,
            publish_in: None,
            random,
            unwritten: Vec::new(),
            unwritten_since: None,
            unseen: Vec::new(),
            announced: Announced::default(),
            room: Room::default(),
            repo_is_full: false,
            allowance: Allowance::default(),
            slots: BTreeMap::new(),
            waits_for_slot: false,
            said_to_wait: false,
            left_open: BTreeSet::new(),
            unanswered: Vec::new(),
            background: BTreeSet::new(),
        })
    }

    /// The same, but once only these tasks are left it comes back, for another process to go on.
    #[must_use]
    pub fn leaving(mut self, background: Vec<TaskNumber>) -> Driver<'a> {
        self.background = background.into_iter().collect();
        self
    }

    /// Records what a person asked for, then goes on until nothing is alive or scheduled.
    ///
    /// # Errors
    /// When the journal cannot be written or git fails; the run can be taken up again.
    pub async fn run(mut self, asked: Vec<Event>) -> Result<Driven, EngineError> {
        let mut signals = Signals::listen()
            .map_err(|error| EngineError::File("signal handlers".to_owned(), error))?;
        fault::point("control", "before it listens");
        let _server = self.listen();
        fault::point("control", "listening");
        self.publisher.take_up(&self.context, &self.state)?;
        self.record(asked);
        self.write()?;
        self.take_up_alive()?;
        let today = self.context.clock.now();
        self.starts = Starts::taken_up(&self.state, &self.limits, today, Instant::now());
        while !self.is_over() {
            self.carry_out_due()?;
            self.show();
            self.publish()?;
            self.look_for_conflicts();
            self.look_at_work();
            self.tell_workers();
            if self.is_over() {
                break;
            }
            if self.may_leave() {
                self.write()?;
                self.finish_notifying().await;
                return Ok(Driven {
                    state: self.state,
                    exit: 0,
                    left: true,
                });
            }
            self.turn(&mut signals).await?;
            if self.presses > 2 || self.is_stuck() {
                self.write()?;
                return Ok(Driven {
                    state: self.state,
                    exit: 130,
                    left: false,
                });
            }
        }
        let exit = match self.state.phase {
            RunPhase::Ended(exit) => exit,
            _ => 130,
        };
        self.finish_notifying().await;
        Ok(Driven {
            state: self.state,
            exit,
            left: false,
        })
    }

    /// Whether it has ended and that is written down and on the board, or cannot be and nobody waits
    /// for it.
    fn is_over(&self) -> bool {
        let has_ended = matches!(self.state.phase, RunPhase::Ended(_));
        let is_known = self.unwritten.is_empty() && !self.repo_is_full;
        has_ended && (is_known || self.presses > 0)
    }

    /// Whether a person wants it to stop and all that is alive are attempts whose end there is no
    /// room to write down.
    fn is_stuck(&self) -> bool {
        let running = |task: &&TaskState| task.phase == TaskPhase::Running;
        let running = self.state.tasks.iter().filter(running).count();
        self.presses > 0 && running > 0 && running == self.left_open.len()
    }

    async fn finish_notifying(&mut self) {
        self.notifier.finish().await;
        while let Ok(message) = self.inbox.try_recv() {
            if let Message::Remark(text) = message {
                self.watcher.warning(&text);
            }
        }
    }

    /// Lets other commands reach this process. Without it the run goes on all the same.
    fn listen(&mut self) -> Option<Server> {
        let path = control_socket(&self.context.repo, &self.state.run);
        let post = self.post.clone();
        let server = Server::listen(&path, move |request, reply| {
            // The loop is gone only when the program ends, which tells the peer enough.
            let _ = post.send(Message::Asked(request, reply));
        });
        match server {
            Ok(server) => Some(server),
            Err(error) => {
                self.watcher.warning(&error_chain(&error));
                None
            }
        }
    }

    /// Whether everything a person waits for is over, and what is left can be taken up by another
    /// process: no effect is under way but workers, which live on under their shims.
    fn may_leave(&self) -> bool {
        let is_left = |task: &TaskNumber| match self.state.task(*task).phase {
            TaskPhase::Queued => self.state.root_causes(*task).is_empty(),
            TaskPhase::Running | TaskPhase::RetryAt(_) => true,
            _ => false,
        };
        let is_started = |task: &TaskNumber| match self.state.task(*task).phase {
            TaskPhase::Running => self
                .state
                .task(*task)
                .last_attempt()
                .is_some_and(|a| a.base.is_some()),
            _ => true,
        };
        let is_busy = self.assembling.is_some() || self.room.is_short();
        if self.background.is_empty() || is_busy || self.presses > 0 {
            return false;
        }
        let numbers = self.state.plan.tasks().iter().map(|task| task.number);
        let left: Vec<TaskNumber> = numbers.filter(is_left).collect();
        !left.is_empty()
            && left
                .iter()
                .all(|task| (self.hung_up || self.background.contains(task)) && is_started(task))
    }

    /// What a person asks for is recorded before it is answered.
    fn answer(&mut self, request: &Request, reply: Reply) -> Result<(), EngineError> {
        match requests::events(&self.state, request) {
            Ok(events) => {
                fault::point("request", "before it is recorded");
                self.record(events);
                self.write()?;
                fault::point("request", "recorded");
                if let Request::Cancel { .. } = request {
                    let cancelled = |task: &TaskNumber| self.state.task(*task).cancelled;
                    let alive = self.cancels.iter().filter(|(task, _)| cancelled(task));
                    alive.for_each(|(_, cancel)| cancel.cancel(StopSignal::Terminate));
                }
                match self.unwritten.is_empty() {
                    true => reply.send(Response::Done),
                    false => self.unanswered.push(reply),
                }
            }
            Err(refused) => reply.send(refused),
        }
        Ok(())
    }

    /// Waits for something to happen and records it, with everything that came in meanwhile.
    async fn turn(&mut self, signals: &mut Signals) -> Result<(), EngineError> {
        let detect_in = self.detection.due_in(Instant::now());
        let look_in = self.live_pace.due_in(Instant::now());
        let start_in = self.starts.due_in(Instant::now());
        let waits = [
            self.publish_in,
            detect_in,
            look_in,
            start_in,
            self.patience(),
            self.room.due_in(Instant::now()),
            self.waits_for_slot.then_some(ASK_FOR_SLOT),
        ];
        let wake_in = waits.into_iter().flatten().min();
        let wake_in = wake_in.unwrap_or(Duration::from_secs(3600));
        tokio::select! {
            message = self.inbox.recv() => {
                let mut messages: Vec<Message> = message.into_iter().collect();
                while let Ok(more) = self.inbox.try_recv() {
                    messages.push(more);
                }
                self.receive(messages)
            }
            wish = signals.next() => match wish {
                // A background task outlives its terminal, and the run with it.
                SignalRequest::Detach if !self.background.is_empty() => {
                    self.hung_up = true;
                    Ok(())
                }
                SignalRequest::Stop | SignalRequest::Detach => self.interrupt(),
            },
            () = tokio::time::sleep(wake_in) => Ok(()),
        }
    }

    fn receive(&mut self, messages: Vec<Message>) -> Result<(), EngineError> {
        let mut events = Vec::new();
        let mut failed = Ok(());
        let mut asked = Vec::new();
        for message in messages {
            match message {
                Message::Fact(event) => {
                    self.timers.went_off(&event);
                    events.push(event);
                }
                Message::Ended {
                    task,
                    attempt,
                    outcome,
                } => {
                    self.cancels.remove(&task);
                    self.slots.remove(&task);
                    self.allowance = Allowance::Unknown;
                    self.heed_server(task, &outcome);
                    let jitter = self.random.f64();
                    events.push(Event::AttemptEnded {
                        task,
                        attempt,
                        outcome,
                        jitter,
                    });
                }
                Message::Assembled(result) => {
                    self.assembling = None;
                    match result {
                        // The candidates are whole and can be assembled later, so the run ends.
                        Err(EngineError::NotOurs(reason)) => {
                            self.watcher.warning(&format!("not assembled: {reason}"));
                            events.push(Event::AssemblyRefused { reason });
                        }
                        Err(error @ EngineError::Unsigned(_)) => {
                            let reason = format!("{error}: make `git commit -S` work");
                            self.watcher.warning(&format!("not assembled: {reason}"));
                            events.push(Event::AssemblyRefused { reason });
                        }
                        Err(error) if is_full(&error) => self.lack_now(&error),
                        result => failed = result,
                    }
                }
                Message::Detected => self.detection.end(Instant::now()),
                Message::Compared => self.live_pace.end(Instant::now()),
                Message::NoRoom(shortage) => self.lacks(shortage),
                Message::MadeRoom => self.allowance = Allowance::Unknown,
                Message::MayAdd => self.allowance = Allowance::Granted,
                Message::MustGo(shortage, worktree) => self.make_room(shortage, worktree),
                Message::LeftOpen(task) => drop(self.left_open.insert(task)),
                Message::Broke(error) => {
                    // Without knowing, one more is better than none.
                    self.watcher.warning(&error_chain(&error));
                    self.allowance = Allowance::Granted;
                }
                Message::Remark(text) => self.watcher.warning(&text),
                Message::Asked(request, reply) => asked.push((request, reply)),
            }
        }
        let blocked = events.iter().filter_map(|event| match event {
            Event::DependenciesConflict { task, .. } => Some(*task),
            _ => None,
        });
        for task in blocked {
            self.cancels.remove(&task);
            self.slots.remove(&task);
        }
        let offered = events.iter().any(is_offer);
        self.record(events);
        if failed.is_err() {
            self.write()?;
        }
        for (request, reply) in asked {
            self.answer(&request, reply)?;
        }
        failed?;
        if offered {
            self.detection.want();
        }
        Ok(())
    }

    /// Where a provider that was asked too often said for how long, the whole worker rests.
    fn heed_server(&mut self, task: TaskNumber, outcome: &Outcome) {
        let End::Failed(failure) = &outcome.end else {
            return;
        };
        let attempt = self.state.task(task).last_attempt();
        if let (true, Some(reset), Some(attempt)) =
            (failure.rate_limited, failure.reset_at, attempt)
        {
            let rest = reset.duration_since(self.context.clock.now());
            let rest = Duration::try_from(rest).unwrap_or_default();
            self.starts.rest(&attempt.worker, Instant::now(), rest);
        }
    }

    /// Numbers facts and applies them. They are written down together with what is decided on
    /// them, before anything is done about it: one commit of the journal a turn.
    pub(super) fn record(&mut self, events: Vec<Event>) {
        let time = self.context.clock.now();
        for event in events {
            // A timer may fire after a person has changed the task's fate.
            if !self.still_holds(&event) {
                continue;
            }
            let seq = self.state.seq + 1;
            let recorded = Recorded { seq, time, event };
            self.state.apply(&recorded);
            self.unwritten.push(recorded);
            self.unwritten_since.get_or_insert_with(Instant::now);
        }
    }

    /// Makes what was recorded durable. Only then is it shown and acted on.
    ///
    /// Where there is no room for it, everything waits, and it is tried again.
    fn write(&mut self) -> Result<(), EngineError> {
        if self.unwritten.is_empty() || (self.repo_is_full && self.presses == 0) {
            return Ok(());
        }
        fault::point("turn", "before it is recorded");
        match self.journal.append_records(&self.unwritten) {
            Err(error) if is_full(&error) => {
                self.repo_is_full = true;
                self.lack_now(&error.into());
                return Ok(());
            }
            written => written?,
        }
        self.room.works();
        fault::point("turn", "recorded");
        self.unwritten_since = None;
        self.unseen.append(&mut self.unwritten);
        for reply in self.unanswered.drain(..) {
            reply.send(Response::Done);
        }
        Ok(())
    }

    /// How long facts that nobody acts on, and that are seen again after a crash, may wait for
    /// others to share a commit with; `None` if there are none, or also others.
    fn patience(&self) -> Option<Duration> {
        let can_wait = |recorded: &Recorded| {
            matches!(
                recorded.event,
                Event::AttemptStarted { .. } | Event::ProgressReported { .. }
            )
        };
        let since = self.unwritten_since?;
        let all = self.unwritten.iter().all(can_wait);
        all.then(|| PATIENCE.saturating_sub(since.elapsed()))
    }

    /// Shows what was recorded since the last time, with what was decided on it, so that nobody
    /// sees a task fail that is retried in the same breath.
    fn show(&mut self) {
        if !self.unseen.is_empty() {
            let new = std::mem::take(&mut self.unseen);
            self.notifier.tell(&self.state, &new);
            self.watcher.recorded(&self.state, &new);
        }
    }

    fn still_holds(&self, event: &Event) -> bool {
        match event {
            Event::RetryDue { task } => {
                matches!(self.state.task(*task).phase, TaskPhase::RetryAt(_))
            }
            // The limit may have been run into once more, by an attempt that was alive already.
            Event::WorkerUnparked { worker, until } => {
                let known = self.state.worker_health.record(worker);
                let parked = known.and_then(|known| known.parked.as_ref());
                parked.is_some_and(|parked| parked.until == *until)
            }
            _ => true,
        }
    }

    fn publish(&mut self) -> Result<(), EngineError> {
        self.publish_in = None;
        if self.repo_is_full {
            return Ok(());
        }
        let publication = match self.publisher.publish(&self.context, &self.state) {
            Err(error) if is_full(&error) => {
                self.repo_is_full = true;
                self.lack_now(&error);
                return Ok(());
            }
            publication => publication?,
        };
        match publication {
            Publication::Done => {}
            Publication::Later(wait) => self.publish_in = Some(wait),
            Publication::Waiting(why) => self.watcher.warning(&why),
        }
        Ok(())
    }

    /// Decides until nothing more is due; what is decided is announced before it happens.
    fn carry_out_due(&mut self) -> Result<(), EngineError> {
        self.look_for_room();
        self.waits_for_slot = false;
        loop {
            let mut announced = Vec::new();
            self.limits.pool.cooling_down = self.starts.resting(Instant::now());
            for action in decide(&self.state, &self.limits) {
                match action {
                    // It may have become full with the one before.
                    Action::Start { .. } if !self.has_room(&announced) => break,
                    Action::Start { task, .. } if !self.has_slot(task) => break,
                    Action::Start { task, worker } => {
                        let (spec, event) = self.announce(task, &worker)?;
                        self.announced.attempts.push(spec);
                        announced.push(event);
                    }
                    Action::Park {
                        worker,
                        task,
                        until,
                        reason,
                    } => announced.push(Event::WorkerParked {
                        worker,
                        task,
                        until,
                        reason,
                    }),
                    Action::UnparkAt { worker, at } => self.timers.unpark_at(worker, at),
                    // The loop wakes by itself when it has rested.
                    Action::WaitForCooldown { .. } => {}
                    Action::RecordCostLimit { spent, max_cost } => {
                        announced.push(Event::CostLimitReached { spent, max_cost });
                    }
                    Action::DenyAccess {
                        worker,
                        tasks,
                        message,
                    } => {
                        announced.push(Event::WorkerAccessDenied {
                            worker,
                            tasks,
                            message,
                        });
                    }
                    Action::TripSetup { tasks, message } => {
                        announced.push(Event::SetupBroken { tasks, message });
                    }
                    Action::ScheduleRetry { task, due } => {
                        announced.push(Event::RetryScheduled { task, due });
                    }
                    Action::RecordRetryBudget { task, budget } => {
                        announced.push(Event::RetryBudgetSpent { task, budget });
                    }
                    Action::WakeAt { task, at } => self.timers.retry_at(task, at),
                    Action::Redispatch { task, conflict } => {
                        announced.push(Event::Redispatched {
                            task,
                            base: conflict.chain_tip,
                            with: conflict.with,
                        });
                    }
                    Action::FailRedispatch(task) => {
                        announced.push(Event::RedispatchFailed { task });
                    }
                    Action::Assemble => self.announced.assembly = true,
                    // An assembly that is under way moves a branch; it is waited for.
                    Action::End { .. } if self.assembling.is_some() => {}
                    Action::End { exit } => announced.push(Event::RunEnded { exit }),
                }
            }
            if announced.is_empty() {
                break;
            }
            self.record(announced);
        }
        if self.patience().is_none_or(|left| left.is_zero()) {
            self.write()?;
        }
        self.carry_out_announced();
        Ok(())
    }

    /// Does what was announced, unless there was no room to write that down.
    fn carry_out_announced(&mut self) {
        if !self.unwritten.is_empty() {
            return;
        }
        let Announced {
            attempts,
            assembly,
            removal,
        } = std::mem::take(&mut self.announced);
        if let Some(worktree) = removal {
            self.remove(worktree);
        }
        if assembly {
            self.start_assembly();
        }
        for spec in attempts {
            let span = attempt_span(&spec);
            tokio::spawn(run::run(self.execution(spec)).instrument(span));
        }
    }

    fn announce(
        &mut self,
        task: TaskNumber,
        worker: &str,
    ) -> Result<(AttemptSpec, Event), EngineError> {
        let attempt = self.state.task(task).attempts.len() as u32 + 1;
        let mut spec = self.spec(task, attempt, worker)?;
        let reuse = reusable(&self.context, &self.state, task, &spec.worker);
        let reuse = reuse.filter(|reuse| is_sound(&self.context, reuse, &spec.dependencies));
        if let Some(reuse) = &reuse {
            spec.worktree = reuse.path.clone();
        }
        spec.reuse = reuse;
        spec.brief = brief(&self.state, task);
        self.cancels.insert(task, CancelHandle::default());
        let interval = start_interval(&self.state, &self.limits, worker);
        self.starts.rest(worker, Instant::now(), interval);
        let event = Event::AttemptStarting {
            task,
            attempt,
            worker: spec.worker.name.clone(),
            branch: self.context.branch(task),
            worktree: self.context.recorded_path(&spec.worktree),
        };
        Ok((spec, event))
    }

    fn spec(&self, task: TaskNumber, attempt: u32, name: &str) -> Result<AttemptSpec, EngineError> {
        let settings = &self.context.settings;
        let worker = settings.workers.get(name).cloned().ok_or_else(|| {
            EngineError::Refused(format!("the worker `{name}` of {task} is not configured"))
        })?;
        Ok(AttemptSpec {
            task,
            attempt,
            worker,
            worktree: self.context.worktree_path(task, attempt),
            reuse: None,
            failed_before: failed_before(self.state.task(task), attempt),
            dependencies: starts_from(&self.state, task),
            brief: Brief::default(),
        })
    }

    fn execution(&mut self, spec: AttemptSpec) -> Execution {
        let cancel = self.cancels.entry(spec.task).or_default().clone();
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        Execution::new(context, spec, cancel, post)
    }

    /// After a replay: attempts that another process started and that are not known to be over.
    fn take_up_alive(&mut self) -> Result<(), EngineError> {
        let running: Vec<(TaskNumber, u32, String)> = self
            .state
            .plan
            .tasks()
            .iter()
            .filter(|task| self.state.task(task.number).phase == TaskPhase::Running)
            .filter_map(|task| {
                let attempt = self.state.task(task.number).last_attempt()?;
                Some((task.number, attempt.number, attempt.worker.clone()))
            })
            .collect();
        for (task, attempt, worker) in running {
            let mut spec = self.spec(task, attempt, &worker)?;
            self.take_slot_again(task, attempt);
            if let Some(alive) = self.state.task(task).last_attempt() {
                spec.worktree = self.context.recorded_worktree(&alive.worktree);
            }
            let span = attempt_span(&spec);
            let execution = self.execution(spec);
            match self.state.task(task).superseded {
                true => drop(tokio::spawn(run::set_aside(execution).instrument(span))),
                false => drop(tokio::spawn(run::adopt(execution).instrument(span))),
            }
        }
        Ok(())
    }

    fn start_assembly(&mut self) {
        if self.assembling.is_some() {
            return;
        }
        let cancel = CancelHandle::default();
        self.assembling = Some(cancel.clone());
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        let assembly = assemble::run(context, self.state.clone(), cancel, post);
        tokio::spawn(assembly.instrument(tracing::debug_span!("assembly")));
    }

    fn interrupt(&mut self) -> Result<(), EngineError> {
        self.presses += 1;
        self.context.stop();
        let signal = match self.presses {
            1 => {
                self.record(vec![Event::StopRequested {}]);
                self.write()?;
                self.show();
                let alive = crate::base::text::plural(self.cancels.len(), "worker");
                self.watcher.warning(&format!(
                    "stopping: nothing new starts, {alive} asked to end; again to kill"
                ));
                StopSignal::Interrupt
            }
            2 => {
                self.watcher
                    .warning("killing what is left; once more to leave at once");
                StopSignal::Kill
            }
            _ => return Ok(()),
        };
        self.cancels
            .values()
            .chain(&self.assembling)
            .for_each(|cancel| cancel.cancel(signal));
        Ok(())
    }
}

fn is_offer(event: &Event) -> bool {
    let passed = |outcome: &Outcome| {
        matches!(
            outcome.end,
            End::Passed {
                candidate: Some(_),
                ..
            }
        )
    };
    matches!(event, Event::AttemptEnded { outcome, .. } if passed(outcome))
}

fn limits(context: &Context) -> Limits {
    let (run, retry) = (&context.settings.run, &context.settings.retry);
    Limits {
        max_parallel: run.max_parallel,
        transient_retries: retry.transient,
        rate_limit_retries: retry.rate_limit,
        redispatches: retry.conflict,
        base_delay: retry.base_delay,
        max_delay: retry.max_delay,
        budget: retry.budget,
        hold_back: context.settings.conflicts.on_new == OnNewConflict::PauseLaterTask,
        quota_wait: run.quota_wait,
        max_cost: run.max_cost,
        pool: crew(&context.plan, &context.settings),
    }
}
