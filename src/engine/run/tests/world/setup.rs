//! Makes the driver and the scripts of a simulated run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::Rules;
use crate::control::{Reply, Response};
use crate::engine::kernel::layout::Layout;
use crate::engine::run::driver::{Driver, Start};
use crate::engine::run::now::Now;
use crate::engine::start::worker_pool::without_pool;
use crate::exec::Job;
use crate::exec::scripted::Script;
use crate::git::Repo;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::worker::Worker;
use crate::schedule::Limits;
use crate::schedule::worker_pool::WorkerPool;

pub(in super::super) fn driver(state: RunState, rules: &Rules, origin: Instant) -> Driver {
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
        without_pool: without_pool(&state.plan, &settings),
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

pub(super) fn scripts(task: &str) -> Vec<Script> {
    let scripts = task
        .split_once(": ")
        .map_or("run 1s", |(_, scripts)| scripts);
    let scripts = scripts.split(';').map(|script| script.trim().parse());
    scripts.map(Result::unwrap).collect()
}

/// Returns the script of a job: its cookie names task and attempt.
pub(super) fn script(scripts: &[Vec<Script>], job: &Job) -> Script {
    let (task, attempt) = job.cookie.split_once('/').unwrap();
    let of_task = &scripts[task.parse::<usize>().unwrap() - 1];
    let attempt = attempt.parse::<usize>().unwrap();
    of_task[attempt.min(of_task.len()) - 1].clone()
}

pub(super) fn reply() -> (Reply, Receiver<Response>) {
    let (sender, answer) = channel();
    (Reply::new(sender), answer)
}
