//! Finds the worktrees of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::kernel::context::Context;
use crate::engine::worktree::prepare::worker_folder;
use crate::git::worktree::Worktree;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;

/// A worktree of the run.
pub(super) struct WorktreeOfRun {
    pub(super) task: Option<TaskNumber>,
    /// A worker or the user may have worked in it.
    pub(super) was_used: bool,
    pub(super) worktree: Worktree,
}

/// Returns the worktrees of the run that exist.
pub(super) fn worktrees(context: &Context, state: &RunState) -> Vec<WorktreeOfRun> {
    let places = places(context, state).into_iter();
    let places: Vec<_> = places
        .map(|(task, was_used, path)| (task, was_used, context.place_of(path)))
        .collect();
    // Attempts that reuse a worktree share its path.
    let mut used_at: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for (_, was_used, path) in &places {
        *used_at.entry(path.clone()).or_default() |= was_used;
    }
    let known = context.repo.worktrees();
    let find = |path: &PathBuf| known.iter().find(|found| found.path == *path).cloned();
    let found = places.into_iter().filter_map(|(task, _, path)| {
        Some(WorktreeOfRun {
            task,
            was_used: used_at.remove(&path)?,
            worktree: find(&path)?,
        })
    });
    found.collect()
}

/// Returns every path at which the run may have a worktree, and whether it may have been used.
fn places(context: &Context, state: &RunState) -> Vec<(Option<TaskNumber>, bool, PathBuf)> {
    let mut places = Vec::new();
    for task in state.plan.tasks() {
        let number = task.number;
        for attempt in &state.task(number).attempts {
            let path = context.recorded_worktree(&attempt.worktree);
            places.push((Some(number), was_used(context, number, attempt), path));
        }
    }
    for task in state.plan.tasks() {
        let path = context.resolve_worktree(task.number);
        places.push((Some(task.number), true, path));
        // A judge that was killed left it; nothing in it is wanted.
        places.push((
            Some(task.number),
            false,
            context.judge_worktree(task.number),
        ));
    }
    // Checks leave build output there; the commit is on the integration branch.
    places.push((None, false, context.integration_worktree()));
    places.push((None, false, context.landing_worktree()));
    places
}

/// Returns `true` unless the attempt was interrupted before its worker started: its worktree is then
/// incomplete at most.
fn was_used(context: &Context, task: TaskNumber, attempt: &Attempt) -> bool {
    let is_interrupted = match &attempt.outcome {
        Some(outcome) => matches!(outcome.end, End::Interrupted {}),
        None => true,
    };
    !is_interrupted || worker_folder(context, task, attempt.number).exists()
}
