//! `dispatch assemble`: assembles the candidates again, in the user's order if given.

use std::path::PathBuf;

use clap::Args;

use crate::assembly::exclusion::{Exclusion, ExclusionReason};
use crate::assembly::order::Order;
use crate::base::markdown::plain_line;
use crate::base::text::{plural, terminal_safe};
use crate::cli::drive::context;
use crate::cli::drive::reopen::{refuse_landed, reopen};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::config;
use crate::engine::assemble::{cache as assembly_cache, predict};
use crate::engine::candidates::newer_commits::{NewerCommits, newer_commits, newer_commits_of};
use crate::engine::candidates::submodule_commits::submodule_commits;
use crate::engine::checks::cache as check_cache;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::auto::policy;
use crate::engine::resolve::policy::Policy;
use crate::engine::runs::load::Loaded;
use crate::engine::start::take::take;
use crate::git::Store;
use crate::merge::change::RepoPath;
use crate::merge::change::paths_in_short;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
A run keeps the settings it was started with. Environment variables for [assemble] and [resolve],
such as DISPATCH_ASSEMBLE_HISTORY=squash, and --config change them for this run from now on.";

/// Assemble the results of a run again on its integration branch
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct AssembleArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Merge these tasks first, in this order, each after the tasks it was built on; the other
    /// tasks are then selected so that the largest set without a conflict is merged
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    order: Vec<String>,
    /// Leave these tasks out, and the tasks built on them
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    leave_out: Vec<String>,
    /// First take the commits that were made by hand on the branches of these tasks, as their results,
    /// if their checks pass
    #[arg(
        long,
        value_name = "TASKS",
        value_delimiter = ',',
        conflicts_with = "dry_run"
    )]
    take: Vec<String>,
    /// Only print the order and the reason for each place in it, the tasks that are left out as far
    /// as pairs and earlier checks tell, and what would include each of them
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    /// Repeat merges and checks whose results are recorded
    #[arg(long, conflicts_with = "dry_run")]
    recheck: bool,
    /// Take `[assemble]`, `[resolve]` and `[conflicts] generated` from this file, from now on
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be read, has landed or is driven by another process, or a named task has no
/// candidate.
pub(crate) fn run(args: AssembleArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Latest)?;
    if args.dry_run {
        return dry_run(&here, here.load(&run)?, &args, ui);
    }
    reopen(&here, &run, args.json, ui, |loaded| {
        refuse_landed(&loaded.state).map_err(|error| {
            let commands = commands_to_take(&here, &loaded.state, &args.take);
            commands.into_iter().fold(error, CommandError::hint)
        })?;
        loaded.settings = config::for_assembly(loaded.settings.clone(), args.config.as_deref())?;
        let state = &loaded.state;
        if args.recheck {
            forget(&here, &run)?;
        }
        let order = candidates(state, &args.order)?;
        let leave_out = candidates(state, &args.leave_out)?;
        let context = context(&here.repo, state, loaded.settings.clone(), here.clock)?;
        let mut events = taken(&context, state, &args.take)?;
        if events.is_empty() {
            warn_of_newer_commits(&here.store, state, ui)?;
        }
        events.push(Event::AssemblyRequested { order, leave_out });
        Ok(events)
    })
}

/// Returns the events that take the commits on the branches of these tasks.
fn taken(
    context: &Context,
    state: &RunState,
    names: &[String],
) -> Result<Vec<Event>, CommandError> {
    let mut events = Vec::new();
    for task in named(state, names)? {
        events.push(take(context, state, task)?);
    }
    Ok(events)
}

/// Returns hints that name the commands with which git takes what a run that has landed cannot take.
fn commands_to_take(here: &RepoContext, state: &RunState, names: &[String]) -> Vec<String> {
    let tasks = named(state, names).unwrap_or_default().into_iter();
    let newer = tasks.filter_map(|task| newer_commits_of(&here.store, state, task).ok());
    let hint = |newer: NewerCommits| {
        format!(
            "`{}` takes the commits of {} into your branch",
            newer.command(),
            newer.task
        )
    };
    newer.flatten().map(hint).collect()
}

/// Finds the tasks of these names, each once.
fn named(state: &RunState, names: &[String]) -> Result<Vec<TaskNumber>, CommandError> {
    let mut numbers = Vec::new();
    for name in names {
        let number = find_task(&state.plan, name.trim().trim_start_matches('#'))?.number;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// Warns about commits that were made by hand on the tasks or in their submodules, and that their results
/// do not contain.
///
/// # Errors
/// When the store or git cannot read them.
pub(crate) fn warn_of_newer_commits(
    store: &Store,
    state: &RunState,
    ui: &Ui,
) -> Result<(), CommandError> {
    for newer in newer_commits(store, state)? {
        ui.warning(&newer.warning(state));
    }
    for commits in submodule_commits(store, state)? {
        ui.warning(&commits.warning(state));
    }
    Ok(())
}

/// Discards the results of earlier assemblies of the run.
fn forget(here: &RepoContext, run: &RunId) -> Result<(), CommandError> {
    let forgotten =
        check_cache::forget(&here.repo, run).and_then(|()| assembly_cache::forget(&here.repo, run));
    forgotten.map_err(|error| {
        let message = format!("could not discard the last assembly of {run}: {error}");
        CommandError::failed(message)
    })
}

/// Finds the tasks of these names, each of which must have a candidate.
fn candidates(state: &RunState, names: &[String]) -> Result<Vec<TaskNumber>, CommandError> {
    let numbers = named(state, names)?;
    for number in &numbers {
        if state.task(*number).candidate().is_none() {
            return Err(CommandError::failed(format!(
                "{number} has no candidate to assemble; it is {}",
                state.status(*number)
            ))
            .hint(format!(
                "`dispatch status {}` lists the tasks that have one",
                state.run
            )));
        }
    }
    Ok(numbers)
}

fn dry_run(here: &RepoContext, loaded: Loaded, args: &AssembleArgs, ui: &Ui) -> CommandResult {
    let mut state = loaded.state;
    state.assembly_order = candidates(&state, &args.order)?;
    state.leave_out = candidates(&state, &args.leave_out)?;
    let settings = config::for_assembly(loaded.settings, args.config.as_deref())?;
    let context = context(&here.repo, &state, settings, here.clock)?;
    warn_of_newer_commits(&here.store, &state, ui)?;
    let (order, conflicts) = predict(&context, &state)?;
    let policy = policy(&context);
    ui.answer_text(&render(&state, &order, &conflicts, &policy));
    Ok(ExitStatus::Ok)
}

fn render(state: &RunState, order: &Order, conflicts: &[TaskConflict], policy: &Policy) -> String {
    let name = |number: TaskNumber| {
        let task = state.plan.task(number);
        format!("{number} [{}] {}", task.tag, terminal_safe(&task.title))
    };
    let chosen = order.steps.iter();
    let chosen = chosen.filter(|step| order.selection.chosen.contains(&step.task));
    let (maybe, out) = hopeful(order, conflicts, policy);
    let mut text = match (order.selection.chosen.len(), maybe.len()) {
        (0, 0) => "nothing to assemble\n".to_owned(),
        (count, 0) => format!("{}, in this order:\n", plural(count, "task")),
        (count, more) => format!(
            "{}, in this order, and {more} more if resolved as described below:\n",
            plural(count, "task")
        ),
    };
    for (place, step) in (1..).zip(chosen) {
        text += &format!("{place:>3}. {}\n     {}\n", name(step.task), step.reason);
    }
    for (heading, some) in [
        ("left out unless resolved as described:", maybe),
        ("left out:", out),
    ] {
        if !some.is_empty() {
            text += &format!("\n{heading}\n");
        }
        for out in some {
            let why = plain_line(&out.explanation(), 400);
            let places = places(out, conflicts);
            text += &format!("  {}\n     {why}{places}\n", name(out.task));
            for line in settled_by(out, conflicts, policy) {
                text += &format!("     {line}, if the checks pass\n");
            }
            text += &format!("     {}\n", out.remedy());
        }
    }
    text
}

/// Splits the excluded tasks: first those that a resolution may include and the tasks built on
/// these, then the rest.
fn hopeful<'a>(
    order: &'a Order,
    conflicts: &[TaskConflict],
    policy: &Policy,
) -> (Vec<&'a Exclusion>, Vec<&'a Exclusion>) {
    let all = &order.selection.left_out;
    let is_tried = |out: &Exclusion| !settled_by(out, conflicts, policy).is_empty();
    all.iter().partition(|out| match out.reason {
        ExclusionReason::BuiltOn(on) => all.iter().any(|other| other.task == on && is_tried(other)),
        _ => is_tried(out),
    })
}

/// Describes how each conflict of an excluded task would be resolved automatically; empty unless
/// all of them can be, because only then is the task included.
fn settled_by(out: &Exclusion, conflicts: &[TaskConflict], policy: &Policy) -> Vec<String> {
    let units = met(out, conflicts).flat_map(|conflict| &conflict.units);
    let units = units.filter(|unit| unit.class.is_conflict());
    let lines: Option<Vec<String>> = units
        .map(|unit| {
            let how = plain_line(&policy.strategies(unit).first()?.description()?, 200);
            let place = terminal_safe(&paths_in_short(&unit.paths));
            Some(format!("{place} ({}) is resolved {how}", unit.class))
        })
        .collect();
    lines.unwrap_or_default()
}

/// Selects the conflicts with included tasks that keep a task out.
fn met<'a>(
    out: &'a Exclusion,
    conflicts: &'a [TaskConflict],
) -> impl Iterator<Item = &'a TaskConflict> {
    let with = match &out.reason {
        ExclusionReason::Conflict { with, .. } => with.as_slice(),
        _ => &[],
    };
    conflicts.iter().filter(move |conflict| {
        let pair = [conflict.a, conflict.b];
        pair.contains(&out.task) && with.iter().any(|other| pair.contains(other))
    })
}

/// Renders the worst of these conflicts and the number of further files: ` (content in src/app.ts,
/// +2 more)`.
fn places(out: &Exclusion, conflicts: &[TaskConflict]) -> String {
    let worst = met(out, conflicts).max_by_key(|conflict| conflict.severity);
    worst.map_or(String::new(), |worst| {
        let units = met(out, conflicts).flat_map(|conflict| &conflict.units);
        let mut units: Vec<_> = units.filter(|unit| unit.class.is_conflict()).collect();
        units.sort_by_key(|unit| unit.class != worst.class);
        let mut paths: Vec<RepoPath> = Vec::new();
        for path in units.iter().flat_map(|unit| &unit.paths) {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let place = terminal_safe(&paths_in_short(&paths));
        format!(" ({} in {place})", worst.class)
    })
}
