//! Examines a run whose journal can be read.

use crate::control::control_socket;
use crate::engine::EngineError;
use crate::engine::doctor::Problem;
use crate::engine::doctor::attempt;
use crate::engine::doctor::fix::Fix;
use crate::engine::doctor::objects;
use crate::engine::kernel::context::Context;
use crate::engine::land;
use crate::engine::reconcile::{inspect, missing_commit};
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::journal::journal_ref;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;

/// Examines a run that no process drives; the caller holds its lock.
///
/// # Errors
/// When references or records cannot be read.
pub fn examine(context: &Context, state: &RunState) -> Result<Vec<Problem>, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut problems = missing_references(context, state)?;
    problems.extend(locked_references(context, state));
    problems.extend(missing_checkout(context, state));
    problems.extend(objects::examine(context, &store, state)?);
    for task in state.plan.tasks() {
        for attempt in &state.task(task.number).attempts {
            let examined = attempt::examine(context, &store, state, task.number, attempt)?;
            problems.extend(examined);
        }
    }
    problems.extend(unfinished_worktrees(context, &state.run));
    problems.extend(dead_socket(context, &state.run));
    if !matches!(state.phase, RunPhase::Ended(_)) {
        let fix = Fix::Manual(format!("`{}` resumes it", suggest::resume(&state.run)));
        let name = state.run.as_str();
        problems.push(Problem::of_run(&state.run, name, "it was interrupted", fix));
    }
    Ok(problems)
}

/// Finds branches that were deleted although the run has neither landed nor been cleaned.
fn missing_references(context: &Context, state: &RunState) -> Result<Vec<Problem>, EngineError> {
    if state.landed.is_some() || state.cleaned {
        return Ok(Vec::new());
    }
    let found = inspect(context, state)?.into_iter();
    let missing = found.filter_map(|found| {
        let fix = Fix::RestoreReference(branch_ref(&found.name), missing_commit(state, &found)?);
        Some(Problem::of_run(
            &state.run,
            &found.name,
            found.kind.description().0,
            fix,
        ))
    });
    Ok(missing.collect())
}

/// Finds the missing worktree that has the target checked out. It is the user's, so it is not removed.
fn missing_checkout(context: &Context, state: &RunState) -> Option<Problem> {
    let missing = land::target::missing_checkout(&context.repo, state)?;
    let name = missing.path.display().to_string();
    let fix = Fix::Manual(missing.advice());
    Some(Problem::of_run(&state.run, &name, &missing.sentence(), fix))
}

fn locked_references(context: &Context, state: &RunState) -> Vec<Problem> {
    let (run, prefix) = (&state.run, &context.settings.run.branch_prefix);
    let names = vec![
        journal_ref(run),
        format!("refs/dispatch/attempts/{run}"),
        format!("refs/heads/{prefix}/{run}"),
    ];
    let locks = context.repo.reference_locks(&names).into_iter();
    let problems = locks.map(|lock| {
        let why = "a process was killed while it moved the reference";
        let fix = Fix::UnlockReferences(names.clone());
        Problem::of_run(run, &format!("{lock}.lock"), why, fix)
    });
    problems.collect()
}

/// Finds unfinished worktrees for checks and landing that no process uses.
fn unfinished_worktrees(context: &Context, run: &RunId) -> Vec<Problem> {
    let places = [context.integration_worktree(), context.landing_worktree()];
    let found = places.iter();
    let found = found.filter_map(|place| context.repo.find_worktree(place));
    let is_unfinished = |worktree: &Worktree| {
        !worktree.exists() || worktree.lock_reason().as_deref() == Some("initializing")
    };
    let problems = found.filter(is_unfinished).map(|worktree| {
        let name = worktree.path.display().to_string();
        let why = "an unfinished worktree for checks";
        Problem::of_run(run, &name, why, Fix::RemoveWorktree(worktree))
    });
    problems.collect()
}

fn dead_socket(context: &Context, run: &RunId) -> Option<Problem> {
    let socket = control_socket(&context.repo, run);
    socket.symlink_metadata().ok()?;
    let name = socket.display().to_string();
    let why = "the process that listened on it is dead";
    Some(Problem::of_run(run, &name, why, Fix::Remove(socket)))
}
