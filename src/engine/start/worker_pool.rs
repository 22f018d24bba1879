//! Builds the worker pool of a run from its settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::process::find_program;
use crate::config::Settings;
use crate::config::reaction::OnNewConflict;
use crate::engine::start::worker_name;
use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Task};
use crate::model::worker::Worker;
use crate::schedule::Limits;
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};

/// Builds the worker pool of a plan, without fallbacks that are not installed.
fn worker_pool(plan: &Plan, settings: &Settings) -> WorkerPool {
    let assigned = plan.tasks().iter().map(|task| worker_name(task, settings));
    let with_command = settings.workers.values().filter(|w| !w.command.is_empty());
    let profile = |worker: &Worker| WorkerLimits {
        concurrency: worker.concurrency,
        stagger: worker.stagger.unwrap_or_default(),
        fallback: fallback(worker, &settings.workers),
    };
    let judged = plan.tasks().iter();
    let judged = judged.filter_map(|task| Some((task.number, settings.judge_of(task)?.to_owned())));
    WorkerPool {
        judges: judged.collect(),
        assigned: assigned.map(str::to_owned).collect(),
        workers: with_command
            .map(|worker| (worker.name.clone(), profile(worker)))
            .collect(),
        ..WorkerPool::default()
    }
}

fn fallback(worker: &Worker, workers: &BTreeMap<String, Worker>) -> Vec<String> {
    let is_there = |name: &&String| {
        let program = workers.get(*name).and_then(|other| other.command.first());
        program.is_some_and(|program| program.contains('{') || find_program(program).is_some())
    };
    worker.fallback.iter().filter(is_there).cloned().collect()
}

/// Builds the limits of a run.
pub fn limits(plan: &Plan, settings: &Settings) -> Limits {
    let (run, retry) = (&settings.run, &settings.retry);
    Limits {
        max_parallel: run.max_parallel,
        transient_retries: retry.transient,
        rate_limit_retries: retry.rate_limit,
        redispatches: retry.conflict,
        base_delay: retry.base_delay,
        max_delay: retry.max_delay,
        budget: retry.budget,
        hold_back: settings.conflicts.on_new == OnNewConflict::PauseLaterTask,
        quota_wait: run.quota_wait,
        max_cost: run.max_cost,
        pool: worker_pool(plan, settings),
        without_pool: without_pool(plan, settings),
    }
}

/// Lists the tasks whose attempts take no worktree of the pool: each gets a new one, or runs on another
/// executor.
pub fn without_pool(plan: &Plan, settings: &Settings) -> BTreeSet<TaskNumber> {
    let runs_elsewhere = |task: &Task| {
        let worker = settings.workers.get(worker_name(task, settings));
        !settings.executor_of(task, worker).is_local()
    };
    let tasks = plan.tasks().iter();
    let without = tasks.filter(|task| task.fields.fresh || runs_elsewhere(task));
    without.map(|task| task.number).collect()
}
