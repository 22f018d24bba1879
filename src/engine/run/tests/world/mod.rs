//! A world for the loop: virtual time, scripted workers, a journal in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::assembly::variant_rule::choose_variant;
use crate::config::Settings;
use crate::control::{Reply, Request, Response};
use crate::engine::EngineError;
use crate::engine::kernel::disk_space::{DiskSpace, FileSystem};
use crate::engine::kernel::layout::Layout;
use crate::engine::kernel::message::{FullDisk, Message, Publication, Quota, SlotAnswer};
use crate::engine::kernel::signals::SignalRequest;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::run::driver::{Driver, Start};
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::run::now::Now;
use crate::engine::spec::AttemptSpec;
use crate::exec::scripted::{Played, Script, ScriptedExecutor, What};
use crate::exec::{Executor, Exit, Job, JobStatus, Running};
use crate::git::Repo;
use crate::model::event::{Event, Recorded};
use crate::model::failure::FailureClass;
use crate::model::fixture::{self, RunFixture, candidate, failure, start};
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::integration::{Integration, Merged};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::shortage::{Resource, Shortage};
use crate::model::variant_choice::ComparedVariant;
use crate::model::worker::Worker;
use crate::schedule::Limits;
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};

/// The duration of an assembly.
const ASSEMBLY: Duration = Duration::from_secs(1);

/// The duration of a board commit.
const BOARD: Duration = Duration::from_millis(10);

/// The size of a worktree, in bytes.
const WORKTREE: u64 = 100;

/// A simulated run.
pub(super) struct World {
    driver: Driver,
    executor: ScriptedExecutor,
    now: Duration,
    origin: Instant,
    names: Vec<String>,
    /// Future messages for the loop, in order.
    mail: BTreeMap<(Duration, u64), Message>,
    mailed: u64,
    attempts: BTreeMap<PathBuf, (AttemptSpec, Running)>,
    /// The content of the journal.
    journal: Vec<Recorded>,
    shown: u64,
    replies: Vec<(u64, Receiver<Response>)>,
    is_stopping: bool,
    pub(super) free: u64,
    /// `true` if another process moved the journal.
    pub(super) is_broken: bool,
    /// `true` if another run uses all slots.
    pub(super) slots_in_use: bool,
    /// `true` if the user has the integration branch checked out.
    pub(super) is_blocked: bool,
    /// `true` if the worktrees of failed attempts cannot be reused.
    pub(super) is_unsound: bool,
    shows_boards: bool,
    has_sessions: bool,
    write_time: Duration,
    boards: usize,
    settled: usize,
    left: Option<String>,
    said: Vec<String>,
}

/// Changes to the settings and limits of a simulation.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) max_parallel: Option<usize>,
    pub(super) budget: Option<u32>,
    pub(super) settings: Settings,
    pub(super) profile: WorkerLimits,
    pub(super) retry_in_place: bool,
    /// The agents leave sessions, which they can continue.
    pub(super) has_sessions: bool,
    pub(super) background: Vec<u32>,
    /// The lines show board commits.
    pub(super) shows_boards: bool,
    /// The duration of a write to the journal.
    pub(super) write_time: Duration,
}

/// Plays a plan, tasks as `name <- dependency: script; script` (one script an attempt, the last one
/// for all others) joined by ` · `; a task `name*3` has three variants. Words joined by ` · ` ([`World::turn`]). A line is a time, a
/// word, and the effects after it.
pub(super) fn play(plan: &str, words: &str) -> String {
    play_with(plan, words, Rules::default())
}

pub(super) fn play_with(plan: &str, words: &str, rules: Rules) -> String {
    let mut world = World::fresh(plan, rules);
    let mut lines = world.begin(Vec::new());
    for word in words.split(" · ") {
        lines.extend(world.turn(word));
    }
    world.check();
    lines.join("\n")
}

/// Plays a plan until it ends and returns the world.
pub(super) fn play_to_the_end(plan: &str, rules: Rules) -> World {
    let mut world = World::fresh(plan, rules);
    world.begin(Vec::new());
    while world.left.is_none() {
        world.step();
    }
    world.check();
    world
}

impl World {
    /// Creates a world in which the run has not begun.
    pub(super) fn fresh(plan: &str, rules: Rules) -> World {
        let tasks: Vec<(&str, &str)> = plan
            .split(" · ")
            .map(|task| task.split_once(": ").unwrap_or((task, "")))
            .collect();
        let titles: Vec<&str> = tasks.iter().map(|(title, _)| *title).collect();
        let state = RunFixture::new(&titles.join(" · ")).state();
        World::resumed(state, plan, rules)
    }

    /// Creates a world in which another process has driven the run so far.
    pub(super) fn resumed(state: RunState, plan: &str, rules: Rules) -> World {
        let scripts: Vec<Vec<Script>> = plan.split(" · ").map(scripts).collect();
        let name = |task: &str| {
            let title = task.split(": ").next().unwrap();
            fixture::name(title.split(" <- ").next().unwrap())
                .0
                .to_owned()
        };
        let origin = Instant::now();
        let journal = vec![];
        let driver = driver(state, &rules, origin);
        World {
            shown: driver.state().seq,
            driver,
            executor: ScriptedExecutor::new(move |job| script(&scripts, job)),
            now: Duration::ZERO,
            origin,
            names: plan.split(" · ").map(name).collect(),
            mail: BTreeMap::new(),
            mailed: 0,
            attempts: BTreeMap::new(),
            journal,
            replies: Vec::new(),
            is_stopping: false,
            free: 1_000_000,
            is_broken: false,
            slots_in_use: false,
            is_blocked: false,
            is_unsound: false,
            shows_boards: rules.shows_boards,
            has_sessions: rules.has_sessions,
            write_time: rules.write_time,
            boards: 0,
            settled: 0,
            left: None,
            said: Vec::new(),
        }
    }

    /// Starts the loop.
    pub(super) fn begin(&mut self, asked: Vec<Event>) -> Vec<String> {
        let effects = self.driver.begin(asked, self.moment());
        self.settle(effects);
        vec![self.line("begin")]
    }

    /// Plays one word: `ctrl-c`, `hang-up`, `pause`, `resume`, `cancel`, `cancel NAME`, `tell NAME`
    /// (a message waits for the end of the last attempt), `gone`
    /// (the peer of the next request does not wait for the answer), `warn TEXT`; `full`, `space`;
    /// `5s` (time passes), `next` (until the next thing happens), `end` (until the loop is left).
    /// A word of the last three gives one line for each thing that happens.
    pub(super) fn turn(&mut self, word: &str) -> Vec<String> {
        let message = match word.split_once(' ').unwrap_or((word, "")) {
            ("ctrl-c", _) => Message::Signal(SignalRequest::Stop),
            ("hang-up", _) => Message::Signal(SignalRequest::Detach),
            ("pause", _) => self.ask(Request::Pause),
            ("resume", _) => self.ask(Request::Resume),
            ("cancel", "") => self.ask(Request::Cancel { task: None }),
            ("cancel", name) => {
                let task = Some(self.task(name));
                self.ask(Request::Cancel { task })
            }
            ("gone", _) => {
                let (reply, _) = reply();
                Message::Asked(Request::Pause, reply)
            }
            ("tell", name) => {
                let messages = self.tell(name);
                self.receive(messages);
                return vec![self.line(word)];
            }
            ("warn", text) => Message::Warning(text.to_owned()),
            ("full", _) => {
                self.free = 0;
                return Vec::new();
            }
            ("space", _) => {
                self.free = 1_000_000;
                return Vec::new();
            }
            ("next", _) => return self.steps(|_, lines| lines.is_empty()),
            ("end", _) => return self.steps(|_, _| true),
            _ => return self.wait(word.parse::<SignedDuration>().unwrap().unsigned_abs()),
        };
        self.receive(vec![message]);
        vec![self.line(word)]
    }

    fn tell(&mut self, name: &str) -> Vec<Message> {
        let task = self.task(name);
        let now = self.driver.state().task(task);
        let (attempt, message) = (now.next_attempt() - 1, now.messages.len() + 1);
        let text = format!("message {message}");
        let told = Request::Tell { task, text };
        let waits = Request::Waits {
            task,
            attempt,
            message,
        };
        // The recorder numbers the facts of both.
        let told = self.ask(told);
        vec![told, self.ask(waits)]
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        let until = self.now + time;
        let lines = self.steps(|world, _| world.next_time() <= until);
        self.now = until;
        let early = self.executor.advance(until);
        assert!(early.is_empty(), "{early:?}");
        lines
    }

    /// Steps while a condition holds; empty lines are left out.
    fn steps(&mut self, goes_on: impl Fn(&World, &[String]) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..1000 {
            if self.left.is_some() || !goes_on(self, &lines) {
                return lines;
            }
            let line = self.step();
            let is_empty = line
                .split_once(' ')
                .is_none_or(|(_, rest)| rest.trim() == "|");
            lines.extend((!is_empty).then_some(line));
        }
        panic!("it never ends:\n{}", lines.join("\n"));
    }

    fn next_time(&self) -> Duration {
        let mail = self.mail.first_key_value().map(|((at, _), _)| *at);
        let wake = self.now + self.driver.sleep(self.moment());
        let next = [mail, self.executor.next_due(), Some(wake)];
        next.into_iter().flatten().min().unwrap().max(self.now)
    }

    /// Advances to the next time at which something happens, and handles everything of that time.
    fn step(&mut self) -> String {
        self.now = self.next_time();
        let mut messages = Vec::new();
        let mut words = Vec::new();
        for played in self.executor.advance(self.now) {
            let (word, message) = self.played(played);
            words.extend(word);
            messages.extend(message);
        }
        while let Some(entry) = self.mail.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let message = entry.remove();
            words.extend(self.word(&message));
            messages.push(message);
        }
        self.receive(messages);
        self.line(&words.join(", "))
    }

    fn receive(&mut self, messages: Vec<Message>) {
        let now = self.moment();
        let mut effects = Vec::new();
        for message in messages {
            effects.extend(self.deliver(message, now));
        }
        self.settle(effects);
    }

    fn deliver(&mut self, message: Message, now: Now) -> Vec<Effect> {
        if let Message::Written(facts) = &message {
            self.journal.extend(facts.clone());
        }
        self.driver.handle(message, now)
    }

    /// Carries out effects until the loop is idle, as the event loop does.
    fn settle(&mut self, mut effects: Vec<Effect>) {
        let now = self.moment();
        for _ in 0..10_000 {
            let mut answers = Vec::new();
            for effect in effects {
                if self.left.is_none() {
                    answers.extend(self.carry_out(effect));
                }
            }
            effects = Vec::new();
            for answer in answers {
                effects.extend(self.deliver(answer, now));
            }
            if effects.is_empty() {
                self.settled += 1;
                effects = self.driver.settle(now);
            }
            if effects.is_empty() || self.left.is_some() {
                return;
            }
        }
        panic!("the loop does not settle");
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Message> {
        match effect {
            Effect::Write(facts) => {
                let answer = self.write(facts);
                if self.write_time.is_zero() {
                    return Some(answer);
                }
                self.post(self.write_time, answer);
            }
            Effect::Show(facts) => self.show(&facts),
            Effect::Warn(text) => self.say(format!("warn: {text}")),
            Effect::Notify(all) => self.say(format!("notify {}", all.len())),
            Effect::Answer(reply, response) => self.answer(reply, response),
            Effect::Start(spec) => self.start(*spec),
            Effect::Adopt(spec) => self.adopt(*spec),
            Effect::SetAside(spec) => self.set_aside(&spec),
            Effect::Cancel((task, attempt), signal) => {
                self.say(format!("{signal:?} {}", self.name(task)).to_lowercase());
                let running = self.attempts.values();
                let running =
                    running.filter(|(spec, _)| (spec.task, spec.attempt) == (task, attempt));
                running.for_each(|(_, running)| running.stopper().stop(signal));
            }
            Effect::Release(_) => {}
            Effect::StopStarting => self.is_stopping = true,
            Effect::CheckReuse { of, .. } => {
                let is_sound = !self.is_unsound;
                self.post(BOARD, Message::ReuseChecked { of, is_sound });
            }
            Effect::TakeSlot(attempt) => {
                let answer = match self.slots_in_use {
                    true => SlotAnswer::AllInUse,
                    false => SlotAnswer::Taken,
                };
                return Some(Message::Slot(attempt, answer));
            }
            Effect::RetakeSlot(..) => {}
            Effect::ReportShortage(error) => {
                let shortage = self.shortage();
                return Some(Message::DiskFull(FullDisk { shortage, error }));
            }
            Effect::MeasureDisk => return Some(Message::DiskMeasured(self.space())),
            Effect::MeasureQuota => self.post(BOARD, Message::QuotaMeasured(Ok(Quota::Allowed))),
            Effect::RemoveWorktree(_) => self.post(BOARD, Message::WorktreeRemoved(Ok(()))),
            Effect::ChooseVariant(task) => self.choose_variant(task),
            Effect::CancelChoice(task, signal) => {
                self.say(format!("{signal:?} choice {}", self.name(task)).to_lowercase());
            }
            Effect::AcceptVariant(task) => {
                self.say(format!("accept {}", self.name(task)));
                self.post(BOARD, Message::VariantAccepted(task, Ok(())));
            }
            Effect::Assemble => self.assemble(),
            Effect::ReleaseCommits(_) => {}
            Effect::CancelAssembly(signal) => {
                self.say(format!("{signal:?} assembly").to_lowercase());
                self.mail.retain(|_, message| !is_of_assembly(message));
                self.post(BOARD, Message::Assembled(Ok(Vec::new())));
            }
            Effect::CompareCandidates => self.post(BOARD, Message::CandidatesCompared),
            Effect::CompareWork => self.post(BOARD, Message::WorkCompared),
            Effect::WriteNotice(notice) => self.say(format!("notice {}", self.name(notice.task))),
            Effect::Publish(board) => {
                self.boards += 1;
                if self.shows_boards {
                    self.say(board.subject);
                }
                let publication = match self.is_blocked {
                    true => Publication::Blocked("the branch is checked out".to_owned()),
                    false => Publication::Committed,
                };
                self.post(BOARD, Message::Published(publication));
            }
            Effect::Leave(leave) => self.leave(leave),
        }
        None
    }

    /// Chooses the first variant that passed.
    fn choose_variant(&mut self, number: TaskNumber) {
        self.say(format!("choose {}", self.name(number)));
        let task = self.driver.state().task(number);
        let variants = task.variant_numbers().flatten();
        let compared = variants.filter_map(|variant| {
            Some(ComparedVariant {
                variant,
                attempt: task.passed_attempt_of(variant)?.number,
                conflicts: Vec::new(),
                lines: 1,
                files: 1,
            })
        });
        let chosen = choose_variant(compared.collect());
        self.post(BOARD, Message::VariantChosen(number, Ok(chosen)));
    }

    fn write(&mut self, facts: Vec<Recorded>) -> Message {
        let names: Vec<String> = facts.iter().map(|fact| self.event(&fact.event)).collect();
        if self.is_broken {
            self.is_broken = false;
            let why = "another process moved the journal".to_owned();
            return Message::JournalFailed(EngineError::Refused(why));
        }
        if self.free == 0 {
            let (shortage, error) = (self.shortage(), "no space".to_owned());
            return Message::NotWritten(facts, FullDisk { shortage, error });
        }
        let next = self.journal.last().map_or(self.shown, |fact| fact.seq) + 1;
        assert_eq!(facts[0].seq, next, "facts are written in order, each once");
        self.say(format!("write {}", names.join(" + ")));
        Message::Written(facts)
    }

    fn show(&mut self, facts: &[Recorded]) {
        let written = self.journal.last().map_or(0, |fact| fact.seq);
        for fact in facts {
            assert!(fact.seq <= written, "shown before it is written");
            assert_eq!(fact.seq, self.shown + 1, "each is shown once, in order");
            self.shown = fact.seq;
        }
    }

    fn answer(&mut self, reply: Reply, response: Response) {
        let answered = match &response {
            Response::Done => "answer done".to_owned(),
            Response::Refused { why } => format!("refuse: {why}"),
        };
        self.say(answered);
        reply.send(response);
        // The sender of a request sees all requested events in the journal.
        let written = self.journal.last().map_or(0, |fact| fact.seq);
        let got = |(seq, answer): &(u64, Receiver<Response>)| match answer.try_recv() {
            Ok(Response::Done) => {
                assert!(*seq <= written, "answered before it is written");
                false
            }
            Ok(Response::Refused { .. }) => false,
            Err(_) => true,
        };
        self.replies.retain(got);
    }

    fn start(&mut self, spec: AttemptSpec) {
        let is_announced = |fact: &Recorded| {
            matches!(&fact.event, Event::AttemptStarting { task, attempt, .. }
                if (*task, *attempt) == (spec.task, spec.attempt))
        };
        assert!(
            self.journal.iter().rev().any(is_announced),
            "started before it is announced"
        );
        let place = match &spec.reuse {
            Some(_) => " in place",
            None => "",
        };
        let session = spec.session.as_deref().map(|id| format!(" in {id}"));
        let turn = spec.brief.turn.as_deref().map(|text| format!(": {text}"));
        let more = [session, turn].map(Option::unwrap_or_default).concat();
        self.say(format!("start {}{place}{more}", self.attempt(&spec)));
        if self.is_stopping {
            return self.post(BOARD, ended(&spec, End::Interrupted {}, None));
        }
        let folder = folder(spec.task, spec.attempt);
        let running = self.executor.start(&folder, &job(&spec)).unwrap();
        self.post(BOARD, started(&spec));
        self.attempts.insert(folder, (spec, running));
    }

    /// Starts a job of the previous process, which is alive with the script of its attempt.
    fn adopt(&mut self, spec: AttemptSpec) {
        self.say(format!("adopt {}", self.attempt(&spec)));
        let folder = folder(spec.task, spec.attempt);
        let _ = self.executor.start(&folder, &job(&spec)).unwrap();
        let running = self.executor.adopt(&folder).unwrap();
        self.post(BOARD, started(&spec));
        self.attempts.insert(folder, (spec, running));
    }

    fn set_aside(&mut self, spec: &AttemptSpec) {
        self.say(format!("set aside {}", self.attempt(spec)));
        self.post(BOARD, ended(spec, End::Interrupted {}, None));
    }

    fn assemble(&mut self) {
        self.say("assemble".to_owned());
        let candidates = self.driver.state().candidates();
        let order = candidates.iter().map(|(task, _)| *task).collect();
        self.post(BOARD, Message::Fact(Event::AssemblyStarting { order }));
        let merged = candidates.into_iter().map(|(task, candidate)| Merged {
            task,
            candidate,
            commit: candidate,
            resolved: Vec::new(),
        });
        let integration = Integration {
            tip: Some(candidate(99)),
            merged: merged.collect(),
            ..Integration::default()
        };
        self.post(ASSEMBLY, Message::Fact(Event::Assembled { integration }));
        self.post(ASSEMBLY, Message::Assembled(Ok(Vec::new())));
    }

    fn leave(&mut self, leave: Leave) {
        let how = match leave {
            Leave::Ended(exit) => format!("leave {exit}"),
            Leave::Interrupted => "leave, interrupted".to_owned(),
            Leave::Detached => "leave, detached".to_owned(),
            Leave::Failed(error) => format!("leave: {error}"),
        };
        self.say(how.clone());
        self.left = Some(how);
        // The process waits for the write under way before it exits.
        for message in std::mem::take(&mut self.mail).into_values() {
            if let Message::Written(facts) = message {
                self.journal.extend(facts);
            }
        }
    }

    /// Checks the invariant of every simulation: applied events are written, unless the disk is
    /// full.
    fn check(&self) {
        let written = self.journal.last().map_or(0, |fact| fact.seq);
        let is_patient = self.left.is_none();
        assert!(
            self.free == 0 || is_patient || written == self.driver.state().seq,
            "left with facts that are not written"
        );
    }

    fn played(&self, Played { folder, what, .. }: Played) -> (Option<String>, Option<Message>) {
        let Some((spec, _)) = self.attempts.get(&folder) else {
            return (None, None);
        };
        let name = self.attempt(spec);
        match what {
            What::Noted(note) => {
                let task = spec.task;
                let word = format!("{name}: {note}");
                (
                    Some(word),
                    Some(Message::Fact(Event::ProgressReported { task, note })),
                )
            }
            What::Ended(_) if self.free == 0 && self.is_stopping => {
                let word = format!("{name} is left open");
                let key = (spec.task, spec.attempt);
                (Some(word), Some(Message::LeftOpen(key)))
            }
            What::Ended(status) => {
                let (how, end) = self.verdict(spec, &status);
                let session = self
                    .has_sessions
                    .then(|| format!("session-{}", spec.task.0));
                (
                    Some(format!("{name} {how}")),
                    Some(ended(spec, end, session)),
                )
            }
        }
    }

    /// Judges an attempt by its exit code: 0 passes, 75 is transient, 29 a rate limit of 20 s, 28 a
    /// usage limit of 10 min, anything else an error of the worker.
    fn verdict(&self, spec: &AttemptSpec, status: &JobStatus) -> (&'static str, End) {
        let code = match status {
            JobStatus::Ended(end) if end.stopped => return ("stops", End::Interrupted {}),
            JobStatus::Ended(end) => match end.exit {
                Exit::Code(code) => code,
                _ => return ("is killed", End::Interrupted {}),
            },
            _ => return ("is lost", End::Interrupted {}),
        };
        let time = self.moment().time;
        let try_number = "x".repeat(spec.attempt as usize);
        let failed = |class, message: String| failure(class, &message);
        match code {
            0 => ("passes", passed(spec.task)),
            75 => {
                let message = format!("connection reset {try_number}");
                (
                    "fails",
                    End::Failed(failed(FailureClass::Transient, message)),
                )
            }
            29 => {
                let mut limit = failed(FailureClass::Transient, "429".to_owned());
                limit.rate_limited = true;
                limit.reset_at = Some(time + SignedDuration::from_secs(20));
                ("hits a rate limit", End::Failed(limit))
            }
            28 => {
                let mut limit = failed(FailureClass::Quota, "usage limit".to_owned());
                limit.reset_at = Some(time + SignedDuration::from_mins(10));
                ("hits its quota", End::Failed(limit))
            }
            _ => {
                let message = "a test fails".to_owned();
                ("fails", End::Failed(failed(FailureClass::Logic, message)))
            }
        }
    }

    fn post(&mut self, delay: Duration, message: Message) {
        self.mailed += 1;
        self.mail.insert((self.now + delay, self.mailed), message);
    }

    fn ask(&mut self, request: Request) -> Message {
        let (reply, answer) = reply();
        let next = self.driver.state().seq + 1;
        self.replies.push((next, answer));
        Message::Asked(request, reply)
    }

    fn say(&mut self, what: String) {
        self.said.push(what);
    }

    fn line(&mut self, word: &str) -> String {
        let time = self.now.as_millis();
        let time = match time % 1000 {
            0 => format!("{}s", time / 1000),
            rest => format!("{}.{:02}s", time / 1000, rest / 10),
        };
        let said = std::mem::take(&mut self.said).join(" | ");
        format!("{time:<7} {word:<9} | {said}")
            .trim_end()
            .to_owned()
    }

    fn word(&self, message: &Message) -> Option<String> {
        Some(match message {
            Message::Ended { task, .. } => format!("{} stops", self.name(*task)),
            Message::Fact(Event::Assembled { .. }) => "assembled".to_owned(),
            Message::Written(_) => "written".to_owned(),
            Message::QuotaMeasured(_) => "measured".to_owned(),
            Message::ReuseChecked { .. } => "checked".to_owned(),
            _ => return None,
        })
    }

    fn event(&self, event: &Event) -> String {
        let name = event.task().map(|task| format!(" {}", self.name(task)));
        let text = serde_json::to_value(event).unwrap();
        format!(
            "{}{}",
            text["event"].as_str().unwrap(),
            name.unwrap_or_default()
        )
    }

    fn attempt(&self, spec: &AttemptSpec) -> String {
        match spec.attempt {
            1 => self.name(spec.task).to_owned(),
            attempt => format!("{}@{attempt}", self.name(spec.task)),
        }
    }

    fn task(&self, name: &str) -> TaskNumber {
        TaskNumber(1 + self.names.iter().position(|n| n == name).unwrap() as u32)
    }

    fn name(&self, task: TaskNumber) -> &str {
        &self.names[task.index()]
    }

    fn moment(&self) -> Now {
        Now {
            instant: self.origin + self.now,
            time: self.time(),
        }
    }

    fn time(&self) -> Timestamp {
        start() + SignedDuration::try_from(self.now).unwrap()
    }

    fn space(&self) -> DiskSpace {
        let file_system = || FileSystem {
            place: "/".to_owned(),
            bytes: Some(self.free),
            files: None,
        };
        DiskSpace {
            worktrees: file_system(),
            repository: file_system(),
            least: 1,
            size: WorktreeSize {
                bytes: WORKTREE,
                files: 1,
            },
        }
    }

    fn shortage(&self) -> Shortage {
        Shortage {
            resource: Resource::Bytes,
            place: "/".to_owned(),
            has: self.free,
            needs: 1,
            kept: Vec::new(),
        }
    }

    /// Returns the state of the run.
    pub(super) fn state(&self) -> &RunState {
        self.driver.state()
    }

    /// Returns the number of committed boards.
    pub(super) fn boards(&self) -> usize {
        self.boards
    }

    /// Returns the number of events in the journal.
    pub(super) fn facts(&self) -> usize {
        self.journal.len()
    }

    /// Returns the number of decisions of the loop.
    pub(super) fn settled(&self) -> usize {
        self.settled
    }

    /// Returns the way in which the loop ended.
    pub(super) fn left(&self) -> &str {
        self.left.as_deref().unwrap_or_default()
    }
}

fn driver(state: RunState, rules: &Rules, origin: Instant) -> Driver {
    let mut worker = Worker::named("agent");
    worker.command = vec!["agent".to_owned()];
    worker.retry_in_place = rules.retry_in_place;
    let mut settings = rules.settings.clone();
    settings.workers.insert("agent".to_owned(), worker);
    let git_dir = PathBuf::from("/src/shop/.git");
    let repo = Repo::new("/src/shop".into(), git_dir.clone(), git_dir, (2, 47));
    let layout = Layout::new(&repo, &state.run, &state.plan, &settings);
    let limits = Limits {
        max_parallel: rules.max_parallel.unwrap_or(3),
        transient_retries: 2,
        rate_limit_retries: 4,
        base_delay: Duration::from_secs(8),
        max_delay: Duration::from_secs(60),
        redispatches: 1,
        budget: rules.budget.unwrap_or(20),
        quota_wait: Duration::from_secs(3600),
        pool: WorkerPool {
            assigned: vec!["agent".to_owned(); state.plan.tasks().len()],
            workers: BTreeMap::from([("agent".to_owned(), rules.profile.clone())]),
            ..WorkerPool::default()
        },
        ..Limits::default()
    };
    let time = state.updated;
    let start = Start {
        state,
        settings: Arc::new(settings),
        layout,
        limits,
        secrets: crate::base::safe::secrets::Secrets::default(),
        random: fastrand::Rng::with_seed(7),
        background: rules.background.iter().copied().map(TaskNumber).collect(),
        board_is_committed: false,
    };
    let instant = origin;
    Driver::new(start, Now { instant, time })
}

fn scripts(task: &str) -> Vec<Script> {
    let scripts = task
        .split_once(": ")
        .map_or("run 1s", |(_, scripts)| scripts);
    let scripts = scripts.split(';').map(|script| script.trim().parse());
    scripts.map(Result::unwrap).collect()
}

/// Returns the script of a job: its cookie names task and attempt.
fn script(scripts: &[Vec<Script>], job: &Job) -> Script {
    let (task, attempt) = job.cookie.split_once('/').unwrap();
    let of_task = &scripts[task.parse::<usize>().unwrap() - 1];
    let attempt = attempt.parse::<usize>().unwrap();
    of_task[attempt.min(of_task.len()) - 1].clone()
}

fn job(spec: &AttemptSpec) -> Job {
    Job {
        argv: spec.worker.command.clone(),
        cwd: spec.worktree.clone(),
        env: BTreeMap::new(),
        stdin: None,
        timeout: None,
        stall_timeout: None,
        grace: Duration::ZERO,
        max_log: 0,
        cookie: format!("{}/{}", spec.task.0, spec.attempt),
        keeps_room: false,
        sandbox: None,
        limits: crate::exec::ResourceLimits::default(),
    }
}

fn folder(task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
    Path::new("/attempts").join(format!("{}-{attempt}", task.0))
}

fn started(spec: &AttemptSpec) -> Message {
    Message::Fact(Event::AttemptStarted {
        task: spec.task,
        attempt: spec.attempt,
        base: crate::model::fixture::base(),
    })
}

fn passed(task: TaskNumber) -> End {
    End::Passed {
        candidate: Some(candidate(task.0)),
        stat: Default::default(),
        info: None,
    }
}

fn ended(spec: &AttemptSpec, end: End, session: Option<String>) -> Message {
    let (task, attempt) = (spec.task, spec.attempt);
    let outcome = Outcome {
        end,
        session,
        ..crate::engine::attempt::aborted::outcome_of(End::Interrupted {})
    };
    Message::Ended {
        task,
        attempt,
        outcome: Box::new(outcome),
    }
}

fn reply() -> (Reply, Receiver<Response>) {
    let (sender, answer) = channel();
    (Reply::new(sender), answer)
}

fn is_of_assembly(message: &Message) -> bool {
    matches!(
        message,
        Message::Assembled(_)
            | Message::Fact(Event::Assembled { .. } | Event::AssemblyStarting { .. })
    )
}
