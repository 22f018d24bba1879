//! The workers of a run as its settings have them, for deciding who does what.

use std::collections::BTreeMap;

use crate::base::process::find_program;
use crate::config::Settings;
use crate::engine::start::worker_name;
use crate::model::plan::Plan;
use crate::model::worker::Worker;
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};

/// The crew of a plan. Who could take over but is not installed is left out.
pub fn crew(plan: &Plan, settings: &Settings) -> WorkerPool {
    let assigned = plan.tasks().iter().map(|task| worker_name(task, settings));
    let with_command = settings.workers.values().filter(|w| !w.command.is_empty());
    let profile = |worker: &Worker| WorkerLimits {
        concurrency: worker.concurrency,
        stagger: worker.stagger.unwrap_or_default(),
        fallback: fallback(worker, &settings.workers),
    };
    WorkerPool {
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
