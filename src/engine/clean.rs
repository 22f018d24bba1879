//! Removing what a finished run no longer needs: worktrees and branches, never work that is
//! nowhere else, and never the journal.

use std::path::PathBuf;

use crate::agent::environment::check_environment;
use crate::base::process::Program;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::context::Context;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::model::event::End;
use crate::model::ids::{Oid, TaskNumber};
use crate::model::run::RunState;

/// What can go and what has to stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Worktrees that can go.
    pub worktrees: Vec<Worktree>,
    /// Branches that can go, with the commits they are at.
    pub branches: Vec<(String, Oid)>,
    /// What stays, and why.
    pub kept: Vec<(String, String)>,
}

/// Looks at everything a run made. `forced` names tasks (by tag or number) whose worktrees go even
/// with uncommitted work in them.
///
/// # Errors
/// When the store cannot be read.
pub fn plan(
    context: &Context,
    state: &RunState,
    forced: &[TaskNumber],
) -> Result<Plan, EngineError> {
    let store = Store::open(&context.repo)?;
    let mut plan = Plan::default();
    for (task, worktree) in worktrees(context, state) {
        let is_forced = task.is_some_and(|task| forced.contains(&task));
        match hindrance(&store, context, state, &worktree)? {
            Some(why) if !is_forced => {
                plan.kept.push((worktree.path.display().to_string(), why));
            }
            _ => plan.worktrees.push(worktree),
        }
    }
    for (branch, tip, is_saved) in branches(&store, context, state)? {
        let in_use = context.repo.checkouts_of(&branch);
        let by_kept = |place: &&PathBuf| !plan.worktrees.iter().any(|gone| gone.path == **place);
        if let Some(place) = in_use.iter().find(by_kept) {
            plan.kept
                .push((branch, format!("checked out in {}", place.display())));
        } else if is_saved {
            plan.branches.push((branch, tip));
        } else {
            plan.kept
                .push((branch, "has work that is not landed".to_owned()));
        }
    }
    Ok(plan)
}

fn worktrees(context: &Context, state: &RunState) -> Vec<(Option<TaskNumber>, Worktree)> {
    let mut wanted: Vec<(Option<TaskNumber>, PathBuf)> = Vec::new();
    for task in state.plan.tasks() {
        let attempts = &state.task(task.number).attempts;
        wanted.extend(attempts.iter().map(|attempt| {
            (
                Some(task.number),
                context.recorded_worktree(&attempt.worktree),
            )
        }));
    }
    wanted.push((None, context.integration_worktree()));
    let known = context.repo.worktrees();
    let find = |path: &PathBuf| known.iter().find(|found| found.path == *path).cloned();
    wanted
        .into_iter()
        .filter_map(|(task, path)| Some((task, find(&path)?)))
        .collect()
}

/// What would be lost with a worktree: changes in no commit, or commits that nothing else names.
fn hindrance(
    store: &Store,
    context: &Context,
    state: &RunState,
    worktree: &Worktree,
) -> Result<Option<String>, EngineError> {
    if !worktree.path.is_dir() {
        return Ok(None);
    }
    if let Err(error) = worktree.verify() {
        return Ok(Some(error.to_string()));
    }
    if worktree.path == context.integration_worktree() {
        // Checks leave build output there; its commit is on the integration branch.
        return Ok(None);
    }
    let status = [
        "status",
        "--porcelain",
        "--untracked-files=normal",
        "--ignore-submodules=none",
    ];
    let changes = worktree.git().run(&status)?;
    if !changes.is_empty() {
        return Ok(Some("has uncommitted changes".to_owned()));
    }
    let head = match worktree.head() {
        Some(Head::Detached(oid)) => oid,
        Some(Head::Branch(branch)) => store.reference(&branch_ref(&branch))?.unwrap_or(Oid::ZERO),
        None => Oid::ZERO,
    };
    let on_branch = matches!(worktree.head(), Some(Head::Branch(_)));
    Ok((!on_branch && !is_saved(store, state, head)?)
        .then(|| format!("is at {}, which no reference keeps", head.short())))
}

/// Whether the journal, or the base itself, keeps a commit.
fn is_saved(store: &Store, state: &RunState, commit: Oid) -> Result<bool, StoreError> {
    if commit.is_zero() || store.is_ancestor(commit, state.base)? {
        return Ok(true);
    }
    for outcome in state
        .tasks
        .iter()
        .flat_map(|t| &t.attempts)
        .filter_map(|a| a.outcome.as_ref())
    {
        let candidate = match outcome.end {
            End::Passed { candidate, .. } => candidate,
            _ => None,
        };
        for kept in candidate.into_iter().chain(outcome.kept) {
            if store.is_ancestor(commit, kept)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The run's branches, and whether each holds nothing that is not landed or empty.
fn branches(
    store: &Store,
    context: &Context,
    state: &RunState,
) -> Result<Vec<(String, Oid, bool)>, EngineError> {
    let mut found = Vec::new();
    let landed = state.landed.is_some();
    let merged = state
        .integration
        .iter()
        .flat_map(|integration| &integration.merged);
    let merged: Vec<(TaskNumber, Oid)> = merged.map(|m| (m.task, m.candidate)).collect();
    for task in state.plan.tasks() {
        let branch = context.branch(task.number);
        let Some(tip) = store.reference(&branch_ref(&branch))? else {
            continue;
        };
        let is_landed = landed && merged.contains(&(task.number, tip));
        let is_empty = store.is_ancestor(tip, state.base)?;
        found.push((branch, tip, is_landed || is_empty));
    }
    let branch = context.integration_branch();
    if let Some(tip) = store.reference(&branch_ref(&branch))? {
        let is_ours = store.commit(tip)?.trailer("Dispatch-Run") == Some(state.run.as_str());
        found.push((branch, tip, landed && is_ours));
    }
    Ok(found)
}

/// Removes what the plan says can go, and empty folders above it.
///
/// # Errors
/// When something cannot be removed; what was removed until then is gone.
pub fn carry_out(context: &Context, plan: &Plan) -> Result<(), EngineError> {
    for worktree in &plan.worktrees {
        tear_down(context, worktree)?;
        context.repo.remove_worktree(worktree)?;
        // Only empty folders go: the run's, then the repository's.
        let parents = worktree.path.ancestors().skip(1).take(2);
        parents.for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
    let store = Store::open(&context.repo)?;
    for (branch, tip) in &plan.branches {
        match store.delete_reference(&branch_ref(branch), *tip) {
            Err(StoreError::Moved { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Runs `[worktree] teardown`; a worktree whose commands fail stays, with what they were to free.
fn tear_down(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    for command in &context.settings.worktree.teardown {
        if !worktree.path.is_dir() {
            return Ok(());
        }
        let shell = Program::new("sh")
            .arg("-c")
            .arg(command)
            .folder(&worktree.path);
        let env = check_environment(std::env::vars_os());
        let finished = shell.environment(env).output()?;
        if !finished.status.success() {
            let said = [finished.stdout, finished.stderr].concat();
            return Err(EngineError::TearDown {
                command: command.clone(),
                worktree: worktree.path.clone(),
                said: one_line(&String::from_utf8_lossy(&said)),
            });
        }
    }
    Ok(())
}
