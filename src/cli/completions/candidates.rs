//! Completes arguments with runs, tasks, workers, executors, branches and plan files.
//!
//! Outside a repository, and where anything cannot be read, there are none: a shell that completes a
//! line must stay silent.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use serde::Deserialize;

use crate::cli::help::chapters::{CHAPTERS, Chapter};
use crate::cli::repo_context::RepoContext;
use crate::config::variable::Overrides;
use crate::config::{self, Settings};
use crate::engine::runs::load::PLAN_FILE;
use crate::journal::{journal_ref, runs};
use crate::model::executor::LOCAL;
use crate::model::ids::RunId;
use crate::report::words::minute;

/// The most tasks that a plan can have.
const TASKS: usize = 10_000;

/// The number of runs that are offered, the latest first.
const RUNS: usize = 50;

/// Attaches completers to all arguments that name something in the repository.
pub(crate) fn with_candidates(program: Command) -> Command {
    let names: Vec<String> = program
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned())
        .collect();
    let program = names.into_iter().fold(program, |program, name| {
        program.mut_subcommand(name, with_candidates)
    });
    let command = program.get_name().to_owned();
    program.mut_args(move |arg| match completer(&command, &arg) {
        Some(completer) => arg.add(completer),
        None => arg,
    })
}

/// Selects the completer of an argument by its name in the code.
fn completer(command: &str, arg: &Arg) -> Option<ArgValueCompleter> {
    let completer = match (command, arg.get_id().as_str()) {
        ("help", "names") => ArgValueCompleter::new(help_names),
        ("run", "plan") | (_, "file") | ("resume", "plan") => ArgValueCompleter::new(plan_files),
        ("prompt", "from") => ArgValueCompleter::new(plans_and_runs),
        ("conflicts", "targets") => ArgValueCompleter::new(runs_and_branches),
        // Where the run may be omitted, the first word may be the task.
        ("cancel" | "wait", "run") => ArgValueCompleter::new(run_names),
        (_, "run") if takes_task(command) => ArgValueCompleter::new(runs_and_tasks),
        (_, "run") => ArgValueCompleter::new(run_names),
        (_, "task" | "only" | "order" | "leave_out") | ("clean", "force") => {
            ArgValueCompleter::new(task_names)
        }
        (_, "worker") => ArgValueCompleter::new(workers),
        (_, "executor") => ArgValueCompleter::new(executors),
        (_, "base" | "into") => ArgValueCompleter::new(branches),
        _ => return None,
    };
    Some(completer)
}

fn takes_task(command: &str) -> bool {
    ["output", "logs", "show", "diff", "retry", "skip", "resolve"].contains(&command)
}

type Candidates = Vec<CompletionCandidate>;

fn run_names(current: &OsStr) -> Candidates {
    RepoContext::open_to_read().map_or_else(
        |_| Candidates::new(),
        |place| matching(runs_of(&place), current),
    )
}

fn task_names(current: &OsStr) -> Candidates {
    RepoContext::open_to_read().map_or_else(
        |_| Candidates::new(),
        |place| matching(tasks_of(&place), current),
    )
}

fn runs_and_tasks(current: &OsStr) -> Candidates {
    let Ok(place) = RepoContext::open_to_read() else {
        return Candidates::new();
    };
    let mut all = tasks_of(&place);
    all.extend(runs_of(&place));
    matching(all, current)
}

fn plans_and_runs(current: &OsStr) -> Candidates {
    let mut all = plan_files(current);
    all.extend(runs_and_tasks(current));
    all
}

fn runs_and_branches(current: &OsStr) -> Candidates {
    let mut all = run_names(current);
    all.extend(branches(current));
    all
}

fn branches(current: &OsStr) -> Candidates {
    let Ok(place) = RepoContext::open_to_read() else {
        return Candidates::new();
    };
    let references = place.store.references("refs/heads/").unwrap_or_default();
    let names = references
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("refs/heads/"));
    matching(names.map(CompletionCandidate::new).collect(), current)
}

fn workers(current: &OsStr) -> Candidates {
    let Some(settings) = settings() else {
        return Candidates::new();
    };
    let names = settings.workers.keys();
    matching(names.map(CompletionCandidate::new).collect(), current)
}

fn executors(current: &OsStr) -> Candidates {
    let Some(settings) = settings() else {
        return Candidates::new();
    };
    let names = settings.executors.keys().map(String::as_str);
    let names = std::iter::once(LOCAL).chain(names);
    matching(names.map(CompletionCandidate::new).collect(), current)
}

/// Loads the settings of the repository; none outside of one.
fn settings() -> Option<Settings> {
    let place = RepoContext::open_to_read().ok()?;
    let settings = config::load(&place.repo.top, None, &Overrides::default());
    Some(settings.unwrap_or_else(|_| Settings::default()))
}

fn help_names(current: &OsStr) -> Candidates {
    let commands = crate::cli::help::groups::GROUPS.iter();
    let commands = commands.flat_map(|(_, names)| names.iter().copied());
    let chapters = CHAPTERS.iter().flat_map(Chapter::names);
    matching(
        commands
            .chain(chapters)
            .map(CompletionCandidate::new)
            .collect(),
        current,
    )
}

/// Lists the files of a plan format, and folders that may contain one.
fn plan_files(current: &OsStr) -> Candidates {
    let is_plan = |path: &std::path::Path| {
        let extension = path.extension().and_then(OsStr::to_str);
        path.is_file()
            && extension.is_some_and(|extension| ["md", "toml", "json"].contains(&extension))
    };
    PathCompleter::any().filter(is_plan).complete(current)
}

fn runs_of(place: &RepoContext) -> Candidates {
    let runs = runs::list(&place.store).unwrap_or_default();
    let newest = runs.into_iter().rev().take(RUNS).enumerate();
    newest
        .map(|(at, entry)| {
            CompletionCandidate::new(entry.run.as_str())
                .help(Some(minute(entry.updated).into()))
                // After the tasks of the latest run, where both are offered.
                .display_order(Some(TASKS + at))
        })
        .collect()
}

/// Lists the tasks of the run on the command line, or of the latest run.
fn tasks_of(place: &RepoContext) -> Candidates {
    let runs = runs::list(&place.store).unwrap_or_default();
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_named = |run: &RunId| words.iter().any(|word| word == run.as_str());
    let named = runs.iter().find(|entry| is_named(&entry.run));
    let plan = named
        .or(runs.last())
        .and_then(|entry| plan_of(place, &entry.run));
    let tasks = plan.map(|plan| plan.task).unwrap_or_default();
    let candidate = |(at, task): (usize, PlannedTask)| {
        CompletionCandidate::new(task.tag)
            .help(Some(format!("#{} {}", at + 1, task.title).into()))
            .display_order(Some(at))
    };
    tasks.into_iter().enumerate().map(candidate).collect()
}

/// The names of tasks in a journalled plan.
#[derive(Deserialize)]
struct PlannedTasks {
    task: Vec<PlannedTask>,
}

#[derive(Deserialize)]
struct PlannedTask {
    tag: String,
    title: String,
}

/// Reads the tasks of a run without replaying its events.
fn plan_of(place: &RepoContext, run: &RunId) -> Option<PlannedTasks> {
    let store = &place.store;
    let tip = store.reference(&journal_ref(run)).ok()??;
    let entry = store.entry(store.tree_of(tip).ok()?, PLAN_FILE).ok()??;
    serde_json::from_slice(&store.blob(entry.oid).ok()?).ok()
}

fn matching(mut candidates: Candidates, current: &OsStr) -> Candidates {
    let Some(current) = current.to_str() else {
        return Candidates::new();
    };
    candidates.retain(|candidate| {
        let value = candidate.get_value().to_str();
        value.is_some_and(|value| value.starts_with(current))
    });
    candidates
}
