//! Assigns workers and executors to tasks, and checks them.

use std::collections::BTreeMap;

use crate::base::process::find_program;
use crate::config::Settings;
use crate::engine::remote::address::remote_of;
use crate::engine::start::error::StartError;
use crate::git::Repo;
use crate::model::executor::ExecutorChoice;
use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Task, Variants};
use crate::model::run::RunState;
use crate::model::worker::Worker;

/// Checks that every chosen task has a worker that can run it, and an executor that the settings have.
///
/// # Errors
/// The first task that has none.
pub fn refuse_workers(
    plan: &Plan,
    settings: &Settings,
    only: Option<&[TaskNumber]>,
) -> Result<(), StartError> {
    for task in chosen(plan, only) {
        let named = |name: &str| {
            let missing = || StartError::NoWorker(task.number, name.to_owned());
            settings.workers.get(name).ok_or_else(missing)
        };
        for name in worker_names(task, settings) {
            refuse_worker(task, named(name)?, settings)?;
        }
        if let Some(judge) = settings.judge_of(task) {
            // It runs here, wherever the task does.
            refuse_program(task, named(judge)?)?;
        }
    }
    Ok(())
}

/// Checks that a worker can run a task: it has a command for it, the settings have its executor, and its program
/// is installed unless that is another machine.
///
/// # Errors
/// The first of these that does not hold.
pub fn refuse_worker(task: &Task, worker: &Worker, settings: &Settings) -> Result<(), StartError> {
    let choice = settings.executor_of(task, Some(worker));
    if let Some((message, hint)) = settings.unusable_executor(&choice) {
        return Err(StartError::Executor {
            task: task.number,
            message,
            hint,
        });
    }
    match refuse_program(task, worker) {
        Err(StartError::NoProgram { .. }) if !choice.is_local() => Ok(()),
        checked => checked,
    }
}

fn refuse_program(task: &Task, worker: &Worker) -> Result<(), StartError> {
    let Some(program) = worker.command.first() else {
        return match task.fields.run {
            Some(_) => Ok(()),
            None => Err(StartError::NoCommand(task.number, worker.name.clone())),
        };
    };
    if program.contains('{') || find_program(program).is_some() {
        return Ok(());
    }
    let (worker, program) = (worker.name.clone(), program.clone());
    Err(StartError::NoProgram {
        task: task.number,
        worker,
        program,
    })
}

/// Checks that this repository has the git remote of every executor of the chosen tasks.
///
/// # Errors
/// The first executor without one, with its first task.
pub(super) fn refuse_remotes(
    repo: &Repo,
    plan: &Plan,
    settings: &Settings,
    only: Option<&[TaskNumber]>,
) -> Result<(), StartError> {
    let mut checked = Vec::new();
    for (choice, tasks) in executors(chosen(plan, only), settings).into_values() {
        let profile = settings.executors.get(&choice.name);
        let Some(profile) = profile.filter(|_| !checked.contains(&choice.name)) else {
            continue;
        };
        remote_of(repo, profile).map_err(|error| StartError::Executor {
            task: tasks[0],
            message: error.to_string(),
            hint: error.hint,
        })?;
        checked.push(choice.name);
    }
    Ok(())
}

/// Lists the executors of tasks by their names with label, each with its tasks.
pub fn executors<'a>(
    tasks: impl Iterator<Item = &'a Task>,
    settings: &Settings,
) -> BTreeMap<String, (ExecutorChoice, Vec<TaskNumber>)> {
    let mut found: BTreeMap<String, (ExecutorChoice, Vec<TaskNumber>)> = BTreeMap::new();
    for task in tasks {
        for name in worker_names(task, settings) {
            let choice = settings.executor_of(task, settings.workers.get(name));
            let entry = found.entry(choice.render());
            let (_, tasks) = entry.or_insert_with(|| (choice, Vec::new()));
            tasks.push(task.number);
            tasks.dedup();
        }
    }
    found
}

fn chosen<'a>(plan: &'a Plan, only: Option<&[TaskNumber]>) -> impl Iterator<Item = &'a Task> {
    let is_chosen = move |task: &&Task| only.is_none_or(|only| only.contains(&task.number));
    plan.tasks().iter().filter(is_chosen)
}

/// Returns the worker of a task: the shell if it has a command, else its own worker, else the
/// configured one.
pub fn worker_name<'a>(task: &'a Task, settings: &'a Settings) -> &'a str {
    match (&task.fields.run, &task.fields.worker) {
        (Some(_), _) => "shell",
        (None, Some(worker)) => worker,
        (None, None) => &settings.run.worker,
    }
}

/// Returns the worker of every variant of a task, or that of a task without variants.
pub fn worker_names<'a>(task: &'a Task, settings: &'a Settings) -> Vec<&'a str> {
    let own = worker_name(task, settings);
    match &task.fields.variants {
        Some(Variants::Workers(workers)) => workers.iter().map(String::as_str).collect(),
        Some(Variants::Count(count)) => vec![own; usize::from(*count)],
        None => vec![own],
    }
}

/// Returns the worker of a task of a run: the user's later choice, else that of the plan.
pub fn worker_for<'a>(state: &'a RunState, number: TaskNumber, settings: &'a Settings) -> &'a str {
    let chosen = state.task(number).worker_override.as_deref();
    chosen.unwrap_or_else(|| worker_name(state.plan.task(number), settings))
}
