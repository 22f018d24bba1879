//! Random plans and events: the queues stay those of the state, and decide as a scan of all tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::event::Event;
use crate::model::fixture::RunFixture;
use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::model::task_state::TaskPhase;
use crate::schedule::tests::game::Game;
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};
use crate::schedule::{Action, Limits};

const WORKERS: [&str; 3] = ["claude", "codex", "shell"];

/// Words about a running task, and words about any task.
const ENDS: [&str; 9] = [
    "pass", "pass", "fail", "flake", "same", "cut", "quota", "limit", "login",
];
const REQUESTS: [&str; 5] = ["cancel", "retry", "skip", "drop", "resume"];

#[test]
fn queues_decide_as_a_scan_of_all_tasks_does() {
    let mut starts = 0;
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut game = game(&mut random);
        for _ in 0..60 {
            let word = word(&game, &mut random);
            if word == "rested" {
                game.limits.pool.cooling_down.clear();
            }
            for event in game.events(&word) {
                game.record(event);
                game.decide();
            }
            starts += act(&mut game, &mut random);
        }
    }
    assert!(starts > 1000, "{starts}");
}

fn game(random: &mut fastrand::Rng) -> Game {
    let count = random.usize(1..14);
    let names: Vec<String> = (1..=count).map(|task| format!("t{task}")).collect();
    let task = |(place, name): (usize, &String)| {
        let earlier = names[..place].iter().filter(|_| random.u8(..) < 50);
        let on: Vec<&str> = earlier.map(String::as_str).collect();
        let variants = ["", "", "", "*2", "*3"][random.usize(..5)];
        format!("{name}{variants} <- {}", on.join(", "))
    };
    let plan: Vec<String> = names.iter().enumerate().map(task).collect();
    let mut fixture = RunFixture::new(&plan.join(" · "));
    for task in 1..=count as u32 {
        let (priority, retries) = (random.i32(-1..2), random.u32(..4));
        fixture = fixture.with_task(task, |task| {
            task.fields.priority = priority;
            task.fields.retries = (retries > 0).then_some(retries);
        });
    }
    let limits = limits(count, random);
    Game::new(fixture.state(), limits, names)
}

fn limits(count: usize, random: &mut fastrand::Rng) -> Limits {
    let mut profile = |fallback: &str| WorkerLimits {
        concurrency: random.bool().then(|| random.usize(1..4)),
        stagger: Duration::from_secs(random.u64(..2)),
        fallback: Vec::from_iter(random.bool().then(|| fallback.to_owned())),
    };
    let workers = [
        ("claude", profile("codex")),
        ("codex", profile("claude")),
        ("shell", WorkerLimits::default()),
    ];
    let workers = workers.map(|(name, profile)| (name.to_owned(), profile));
    let worker = |random: &mut fastrand::Rng| WORKERS[random.usize(..3)].to_owned();
    Limits {
        max_parallel: random.usize(1..6),
        transient_retries: 2,
        rate_limit_retries: 3,
        base_delay: Duration::from_secs(random.u64(..8)),
        max_delay: Duration::from_secs(60),
        redispatches: 1,
        budget: random.u32(..8),
        quota_wait: Duration::from_secs(random.u64(..7200)),
        max_cost: random.bool().then_some(1.5),
        pool: WorkerPool {
            assigned: (0..count).map(|_| worker(random)).collect(),
            judges: (1..=count)
                .filter(|_| random.bool())
                .map(|number| (TaskNumber(number as u32), "claude".to_owned()))
                .collect(),
            workers: BTreeMap::from(workers),
            ..WorkerPool::default()
        },
        ..Limits::default()
    }
}

/// A word that makes sense now.
fn word(game: &Game, random: &mut fastrand::Rng) -> String {
    let number = TaskNumber(random.u32(1..=game.names.len() as u32));
    let (task, name) = (game.state.task(number), game.name(number));
    let count = task.variant_states().len() as u8;
    let variant = (count > 0).then(|| random.u8(1..=count));
    let name = &match task.phase_of(variant) {
        // These words are about one attempt.
        TaskPhase::Running | TaskPhase::RetryAt(_) => game.variant_name(number, variant),
        _ => name.to_owned(),
    };
    let pick =
        |words: &[&'static str], random: &mut fastrand::Rng| words[random.usize(..words.len())];
    match task.phase_of(variant) {
        _ if random.u8(..) < 8 => "full".to_owned(),
        _ if game.state.shortage.is_some() && random.bool() => "room".to_owned(),
        _ if matches!(game.state.phase, RunPhase::Ended(_)) => "resume".to_owned(),
        _ if game.state.phase == RunPhase::Paused && random.bool() => "go".to_owned(),
        _ if random.u8(..) < 8 => "pause".to_owned(),
        _ if random.u8(..) < 8 => "rested".to_owned(),
        TaskPhase::Running if random.u8(..) < 40 => format!("paid {name} 0.25"),
        TaskPhase::Running if random.u8(..) < 40 => format!("unfit {name}"),
        TaskPhase::Running if random.u8(..) < 20 => format!("cancel {name}"),
        TaskPhase::Running => format!("{} {name}", pick(&ENDS, random)),
        TaskPhase::RetryAt(_) if random.u8(..) < 200 => format!("due {name}"),
        _ if task.phase == TaskPhase::Choosing && random.u8(..) < 200 => {
            choice(game, number, random)
        }
        _ if task.phase != TaskPhase::Running && random.u8(..) < 60 => {
            let name = game.name(number);
            format!("{} {name}", pick(&REQUESTS, random))
        }
        _ => "open".to_owned(),
    }
}

/// One of the variants that passed, unless one is chosen already.
fn choice(game: &Game, number: TaskNumber, random: &mut fastrand::Rng) -> String {
    let task = game.state.task(number);
    let passed = task.variant_numbers().flatten();
    let passed = passed.filter(|variant| task.passed_attempt_of(*variant).is_some());
    let passed = Vec::from_iter(passed);
    if task.variant_choice().is_some() || passed.is_empty() {
        return "open".to_owned();
    }
    let variant = passed[random.usize(..passed.len())];
    format!("chosen {}", game.variant_name(number, Some(variant)))
}

/// Acts on some of what is decided; returns how many attempts start.
fn act(game: &mut Game, random: &mut fastrand::Rng) -> usize {
    let mut starts = 0;
    for action in game.decide() {
        if random.u8(..) < 40 {
            continue;
        }
        if let Action::Start { worker, .. } = &action {
            starts += 1;
            game.rest(&worker.clone());
        }
        let (_, event) = game.act(&action);
        let event = match action {
            Action::Assemble => Some(assembled(game, random)),
            _ => event,
        };
        event.into_iter().for_each(|event| game.record(event));
        game.decide();
    }
    starts
}

/// Everything is assembled, or everything but one task that conflicts with the first one.
fn assembled(game: &Game, random: &mut fastrand::Rng) -> Event {
    let candidates = game.state.candidates();
    let left_out = candidates.iter().skip(1).find(|_| random.bool());
    let integration = match left_out {
        Some((task, _)) if candidates[0].0 == TaskNumber(1) => game.without(*task),
        _ => game.integration(),
    };
    Event::Assembled { integration }
}
