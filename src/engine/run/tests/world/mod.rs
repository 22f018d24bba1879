//! A world for the loop: virtual time, scripted workers, a journal in memory.

pub(super) mod outside;
pub(super) mod setup;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::config::Settings;
use crate::control::{Request, Response};
use crate::engine::kernel::disk_space::{DiskSpace, FileSystem};
use crate::engine::kernel::message::Message;
use crate::engine::kernel::signals::SignalRequest;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::run::driver::Driver;
use crate::engine::run::effect::Effect;
use crate::engine::run::now::Now;
use crate::engine::spec::AttemptSpec;
use crate::exec::Running;
use crate::exec::scripted::{Script, ScriptedExecutor};
use crate::model::event::{Event, Recorded};
use crate::model::fixture::{self, RunFixture, start};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::shortage::{Resource, Shortage};
use crate::schedule::worker_pool::WorkerLimits;
use setup::{driver, reply, script, scripts};

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

    /// Plays one word: `ctrl-c`, `hang-up`, `pause`, `resume`, `cancel`, `cancel NAME`, `skip NAME`, `tell NAME`
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
            ("skip", name) => self.ask(Request::Skip {
                task: self.task(name),
                cascade: true,
            }),
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
