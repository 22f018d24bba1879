//! Simulates runs that no machine here could carry out: many tasks on many nodes, through the real
//! driver and a real journal, with workers that take no time.
//!
//! The suite plays a small run. `benches/simulation.sh` plays a large one and prints its figures.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::world::Rules;
use super::world::outside::{ended_with, folder, job, started};
use super::world::setup::driver;
use crate::engine::kernel::disk_space::{DiskSpace, FileSystem};
use crate::engine::kernel::message::{Message, Publication, Quota, SlotAnswer};
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::engine::run::driver::Driver;
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::run::now::Now;
use crate::engine::spec::AttemptSpec;
use crate::exec::scripted::{Played, Script, ScriptedExecutor, What};
use crate::exec::{Executor, Exit, Job, JobStatus, Running, StopSignal};
use crate::git::{Git, Repo, Store};
use crate::journal::{Journal, replay};
use crate::merge::oid::Oid;
use crate::model::event::{Event, Recorded};
use crate::model::failure::FailureClass;
use crate::model::fixture::{failure, start};
use crate::model::ids::TaskNumber;
use crate::model::integration::{Integration, Merged};
use crate::model::outcome::End;
use crate::model::plan::{Plan, Task, TaskFields};
use crate::model::run::RunState;
use crate::plan::{Format, render};

/// The interval of a virtual clock at which one of the nodes loses its power.
const POWER_LOSS: Duration = Duration::from_secs(20);

/// The longest time on the virtual clock: a run that waits for nothing would never end.
const LONGEST: Duration = Duration::from_secs(1_000_000);

/// The delay of everything that happens outside the loop.
const DELAY: Duration = Duration::from_millis(10);

/// The measure of one simulated run.
#[derive(Debug)]
struct Figures {
    exit: u8,
    passed: usize,
    facts: usize,
    commits: usize,
    /// The number of attempts that started.
    attempts: usize,
    /// The number of attempts that a node took with it.
    lost: usize,
    /// The time that nodes had an attempt, of all of them together.
    busy: Duration,
    /// The number of calls of `settle`.
    decisions: usize,
    /// The time that the driver took.
    deciding: Duration,
    /// The time that the journal took.
    writing: Duration,
    /// The time on the virtual clock.
    span: Duration,
}

/// A run on nodes with one slot each.
struct Simulation {
    driver: Driver,
    executor: ScriptedExecutor,
    journal: Journal,
    /// A commit that stands for every candidate.
    candidate: Oid,
    now: Duration,
    origin: Instant,
    mail: BTreeMap<(Duration, u64), Message>,
    mailed: u64,
    free_nodes: VecDeque<usize>,
    nodes: usize,
    attempts: BTreeMap<PathBuf, (AttemptSpec, Running, usize)>,
    next_loss: Duration,
    /// A seeded source of numbers for the simulation.
    random: fastrand::Rng,
    left: Option<Leave>,
    figures: Figures,
}

/// Makes a plan: one in ten tasks waits for the one before it, one in a hundred for five.
fn plan(tasks: u32) -> Plan {
    let task = |number: u32| {
        let before = match number {
            n if n % 100 == 0 => (n - 5..n).collect(),
            n if n % 10 == 0 => vec![n - 1],
            _ => Vec::new(),
        };
        Task {
            number: TaskNumber(number),
            tag: format!("T{number}"),
            title: format!("edit part {number}"),
            label: None,
            prompt: String::new(),
            depends_on: before.into_iter().map(TaskNumber).collect(),
            fields: TaskFields::default(),
        }
    };
    Plan::new(
        "Large".to_owned(),
        Vec::new(),
        (1..=tasks).map(task).collect(),
    )
    .unwrap()
}

/// Chooses the script of a job: some fail at first, the times differ.
fn script(job: &Job) -> Script {
    let (task, attempt) = job.cookie.split_once('/').unwrap();
    let task: u32 = task.parse().unwrap();
    let millis = 500 + task * 7919 % 20_000;
    let text = match (task % 25, attempt) {
        (7, "1") => format!("run {millis}ms, exit 75"),
        _ => format!("run {millis}ms"),
    };
    text.parse().unwrap()
}

/// Plays a run of so many tasks on so many nodes, with its journal in this repository.
fn play(repo: &Repo, tasks: u32, nodes: usize) -> Figures {
    let plan = plan(tasks);
    let store = Store::open(repo).unwrap();
    let base = store.resolve("HEAD").unwrap().unwrap();
    let run = repo_run();
    let first = Event::RunStarted {
        title: "Large".to_owned(),
        base,
        base_name: "main".to_owned(),
        target: None,
        only: None,
        assemble: true,
        plan_file: None,
    };
    let text = render(&plan, Format::Toml);
    let files = [("plan.toml", text.as_str())];
    let (journal, first) = Journal::create(repo, &run, &files, first, start()).unwrap();
    let state = RunState::start(run, plan, &first).unwrap();
    let rules = Rules {
        max_parallel: Some(nodes),
        budget: Some(tasks),
        ..Rules::default()
    };
    let origin = Instant::now();
    let simulation = Simulation {
        driver: driver(state, &rules, origin),
        executor: ScriptedExecutor::new(script),
        journal,
        candidate: base,
        now: Duration::ZERO,
        origin,
        mail: BTreeMap::new(),
        mailed: 0,
        free_nodes: (0..nodes).collect(),
        nodes,
        attempts: BTreeMap::new(),
        next_loss: POWER_LOSS,
        random: fastrand::Rng::with_seed(11),
        left: None,
        figures: Figures {
            exit: 0,
            passed: 0,
            facts: 1,
            commits: 1,
            attempts: 0,
            lost: 0,
            busy: Duration::ZERO,
            decisions: 0,
            deciding: Duration::ZERO,
            writing: Duration::ZERO,
            span: Duration::ZERO,
        },
    };
    simulation.run()
}

fn repo_run() -> crate::model::ids::RunId {
    crate::model::ids::RunId::new("large-7k3q")
}

impl Simulation {
    fn run(mut self) -> Figures {
        let effects = self.driver.begin(Vec::new(), self.moment());
        self.turn(effects);
        while self.left.is_none() {
            self.step();
            assert!(self.now < LONGEST, "it never ends: {:?}", self.figures);
        }
        self.figures.exit = match self.left {
            Some(Leave::Ended(exit)) => exit,
            ref other => panic!("the run did not end: {other:?}"),
        };
        self.figures.span = self.now;
        self.figures.passed = self.driver.state().candidates().len();
        self.figures
    }

    /// Advances to the next time at which something happens, and handles all of it in one turn.
    fn step(&mut self) {
        let mail = self.mail.first_key_value().map(|((at, _), _)| *at);
        let wake = self.now + self.driver.sleep(self.moment());
        let times = [mail, self.executor.next_due(), Some(wake)];
        let next = times.into_iter().flatten().min().unwrap();
        let next = next.max(self.now);
        let nodes = u32::try_from(self.attempts.len()).unwrap();
        self.figures.busy += (next - self.now) * nodes;
        self.now = next;
        if self.now >= self.next_loss {
            self.next_loss = self.now + POWER_LOSS;
            self.lose_node();
        }
        let played = self.executor.advance(self.now);
        let mut messages: Vec<Message> = played
            .into_iter()
            .filter_map(|played| self.played(played))
            .collect();
        while let Some(entry) = self.mail.first_entry()
            && entry.key().0 <= self.now
        {
            messages.push(entry.remove());
        }
        let effects = self.deliver(messages);
        self.turn(effects);
    }

    /// Kills everything on one node, which is back at once.
    fn lose_node(&mut self) {
        let node = self.random.usize(0..self.nodes);
        let on_node = self.attempts.values().filter(|(_, _, on)| *on == node);
        let stoppers: Vec<_> = on_node.map(|(_, running, _)| running.stopper()).collect();
        self.figures.lost += stoppers.len();
        stoppers
            .iter()
            .for_each(|stopper| stopper.stop(StopSignal::Kill));
    }

    fn deliver(&mut self, messages: Vec<Message>) -> Vec<Effect> {
        let now = self.moment();
        let began = Instant::now();
        let mut effects = Vec::new();
        for message in messages {
            effects.extend(self.driver.handle(message, now));
        }
        self.figures.deciding += began.elapsed();
        effects
    }

    /// Carries out effects until the loop is idle, as the event loop does.
    fn turn(&mut self, mut effects: Vec<Effect>) {
        loop {
            let mut answers = Vec::new();
            for effect in effects {
                if self.left.is_none() {
                    answers.extend(self.carry_out(effect));
                }
            }
            effects = self.deliver(answers);
            if effects.is_empty() {
                let (now, began) = (self.moment(), Instant::now());
                effects = self.driver.settle(now);
                self.figures.deciding += began.elapsed();
                self.figures.decisions += 1;
            }
            if effects.is_empty() || self.left.is_some() {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Message> {
        match effect {
            Effect::Write(facts) => return Some(self.write(facts)),
            Effect::Start(spec) => self.start(*spec),
            Effect::TakeSlot(attempt) => return Some(Message::Slot(attempt, SlotAnswer::Taken)),
            Effect::MeasureDisk => return Some(Message::DiskMeasured(space())),
            Effect::MeasureQuota => self.post(Message::QuotaMeasured(Ok(Quota::Allowed))),
            Effect::CompareCandidates => self.post(Message::CandidatesCompared),
            Effect::CompareWork => self.post(Message::WorkCompared),
            Effect::Publish(_) => self.post(Message::Published(Publication::Committed)),
            Effect::Assemble => self.assemble(),
            Effect::Leave(leave) => self.left = Some(leave),
            // The others show, answer or release something, or do not occur here.
            _ => {}
        }
        None
    }

    fn write(&mut self, facts: Vec<Recorded>) -> Message {
        let began = Instant::now();
        self.journal.append_records(&facts).unwrap();
        self.figures.writing += began.elapsed();
        self.figures.facts += facts.len();
        self.figures.commits += 1;
        Message::Written(facts)
    }

    fn start(&mut self, spec: AttemptSpec) {
        let node = self.free_nodes.pop_front().expect("a free node");
        self.figures.attempts += 1;
        let folder = folder(spec.task, spec.attempt);
        let running = self.executor.start(&folder, &job(&spec)).unwrap();
        self.post(started(&spec));
        self.attempts.insert(folder, (spec, running, node));
    }

    fn played(&mut self, Played { folder, what, .. }: Played) -> Option<Message> {
        let What::Ended(status) = what else {
            return None;
        };
        let (spec, _, node) = self.attempts.remove(&folder)?;
        self.free_nodes.push_back(node);
        let end = match status {
            JobStatus::Ended(end) if end.exit == Exit::Code(0) => End::Passed {
                candidate: Some(self.candidate),
                stat: Default::default(),
                info: None,
            },
            JobStatus::Ended(end) if end.exit == Exit::Code(75) => {
                End::Failed(failure(FailureClass::Transient, "connection reset"))
            }
            _ => End::Interrupted {},
        };
        Some(ended_with(&spec, end))
    }

    fn assemble(&mut self) {
        let candidates = self.driver.state().candidates();
        let order = candidates.iter().map(|(task, _)| *task).collect();
        self.post(Message::Fact(Event::AssemblyStarting { order }));
        let merged = candidates.into_iter().map(|(task, candidate)| Merged {
            task,
            candidate,
            commit: candidate,
            resolved: Vec::new(),
        });
        let integration = Integration {
            tip: Some(self.candidate),
            merged: merged.collect(),
            ..Integration::default()
        };
        self.post(Message::Fact(Event::Assembled { integration }));
        self.post(Message::Assembled(Ok(Vec::new())));
    }

    fn post(&mut self, message: Message) {
        self.mailed += 1;
        self.mail.insert((self.now + DELAY, self.mailed), message);
    }

    fn moment(&self) -> Now {
        Now {
            instant: self.origin + self.now,
            time: start() + SignedDuration::try_from(self.now).unwrap(),
        }
    }
}

/// Returns a disk that is never full.
fn space() -> DiskSpace {
    let file_system = || FileSystem {
        place: "/".to_owned(),
        bytes: Some(u64::MAX / 2),
        files: None,
    };
    DiskSpace {
        worktrees: file_system(),
        repository: file_system(),
        least: 1,
        size: WorktreeSize { bytes: 1, files: 1 },
    }
}

fn repository() -> (tempfile::TempDir, Repo) {
    let folder = tempfile::tempdir().unwrap();
    let git = Git::at(folder.path());
    git.run(&["init", "--quiet"]).unwrap();
    let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
    let commit = ["commit", "--quiet", "--allow-empty", "-m", "first"];
    git.run(&[&who[..], &commit].concat()).unwrap();
    let repo = Repo::discover(folder.path()).unwrap();
    (folder, repo)
}

#[test]
fn nodes_that_lose_their_power_cost_attempts_and_no_result() {
    let (_folder, repo) = repository();
    let figures = play(&repo, 200, 20);
    assert_eq!((figures.exit, figures.passed), (0, 200), "{figures:?}");
    assert!(figures.lost > 2, "{figures:?}");
    // An attempt that a node took with it starts again. One in 25 fails at its first attempt, unless that
    // was lost.
    let without_failures = 200 + figures.lost;
    let attempts = without_failures..=without_failures + 8;
    assert!(attempts.contains(&figures.attempts), "{figures:?}");
    // Most nodes have an attempt, also while the last tasks run.
    assert!(figures.busy > figures.span * 20 / 2, "{figures:?}");
    // Facts that come together share a commit, and each turn decides a few times.
    assert!(figures.commits < figures.facts, "{figures:?}");
    assert!(figures.decisions < 20 * 200, "{figures:?}");
    let store = Store::open(&repo).unwrap();
    let replayed = replay::replay(&store, &repo_run()).unwrap();
    assert_eq!(replayed.records.len(), figures.facts, "{figures:?}");
}

/// Prints the figures of one run with as many tasks and nodes as the environment says.
#[test]
#[ignore = "a benchmark: benches/simulation.sh"]
#[allow(clippy::print_stdout)]
fn large() {
    let number = |name: &str| std::env::var(name).unwrap().parse().unwrap();
    let (tasks, nodes): (u32, usize) = (
        number("DISPATCH_SIMULATED_TASKS"),
        number("DISPATCH_SIMULATED_NODES") as usize,
    );
    let (_folder, repo) = repository();
    let figures = play(&repo, tasks, nodes);
    assert_eq!((figures.exit, figures.passed), (0, tasks as usize));
    let began = Instant::now();
    let store = Store::open(&repo).unwrap();
    let replayed = replay::replay(&store, &repo_run()).unwrap();
    assert_eq!(replayed.records.len(), figures.facts);
    let reading = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().nth(1));
    let size = Git::at(&repo.common)
        .run(&["count-objects", "-v"])
        .map(|out| String::from_utf8_lossy(&out).replace('\n', " "))
        .unwrap_or_default();
    println!(
        "simulated tasks={tasks} nodes={nodes} attempts={} lost={} facts={} commits={} decisions={} \
         deciding_ms={} writing_ms={} reading_ms={} virtual_s={} peak_kib={} {size}",
        figures.attempts,
        figures.lost,
        figures.facts,
        figures.commits,
        figures.decisions,
        figures.deciding.as_millis(),
        figures.writing.as_millis(),
        reading.as_millis(),
        figures.span.as_secs(),
        peak.unwrap_or("?"),
    );
}
