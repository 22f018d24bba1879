//! Measures the disk use of dispatch in a repository against the user's limits.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::base::text::shell_path;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::worktree_prefix;
use crate::engine::kernel::disk_use::{disk_use, worktrees};
use crate::engine::pool::free::a_free_one;
use crate::engine::pool::give_back::has_free;
use crate::engine::worktree::remove::unsaved_work;
use crate::git::Store;
use crate::git::worktree::Worktree;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::shortage::{KeptWorktree, Resource, Shortage};
use crate::model::task_state::{TaskPhase, TaskState};

/// Returns the user's limit that one more worktree would exceed. Measuring reads every folder, so
/// it runs in the background.
pub fn exceeded(context: &Context) -> Option<Shortage> {
    let run = &context.settings.run;
    let kept = worktrees(&context.repo, &context.settings);
    let prefix = worktree_prefix(&context.repo, &context.settings);
    let shortage = |resource, has: u64, needs: u64| Shortage {
        resource,
        place: prefix.display().to_string(),
        has,
        needs,
        kept: Vec::new(),
    };
    // An error leads to a worktree that is removed, and the attempt starts in a new one.
    let has_free = has_free(context).unwrap_or(false);
    let count = kept.len() as u64;
    if let Some(most) = run.max_worktrees.filter(|most| kept.len() >= *most)
        && (!has_free || kept.len() > most)
    {
        return Some(shortage(Resource::Worktrees, count, most as u64));
    }
    let most = run.max_total_disk?;
    let used = used(context, &kept);
    let more = if has_free { 0 } else { context.size().bytes };
    (used + more > most).then(|| shortage(Resource::TotalDisk, used, most))
}

/// Returns `true` if the user's limits allow a worktree that no attempt needs yet.
pub(super) fn allows_one_more(context: &Context) -> bool {
    let run = &context.settings.run;
    let kept = worktrees(&context.repo, &context.settings);
    let is_below = run.max_worktrees.is_none_or(|most| kept.len() < most);
    is_below
        && run
            .max_total_disk
            .is_none_or(|most| used(context, &kept) + context.size().bytes <= most)
}

/// Returns the bytes of worktrees, logs and caches.
fn used(context: &Context, kept: &[Worktree]) -> u64 {
    let places = kept.iter().map(|worktree| worktree.path.as_path());
    let own = context.repo.dispatch_folder();
    places.chain([own.as_path()]).map(disk_use).sum()
}

/// Returns a free worktree of the pool, or that of the task that passed first, if its whole content is in
/// git. Failed ones are kept for the user to inspect. Without a worktree to remove, those that stay are listed with
/// the reason.
///
/// # Errors
/// When the store or a worktree cannot be read.
pub fn removable(
    context: &Context,
    state: &RunState,
) -> Result<Result<Worktree, Vec<KeptWorktree>>, EngineError> {
    let store = Store::open(&context.repo)?;
    if let Some(free) = a_free_one(&context.repo, &context.settings.worktree.keep)? {
        return Ok(Ok(free));
    }
    // One list for all tasks: most of their worktrees have been removed.
    let existing = context.repo.worktrees().into_iter();
    let existing = existing.filter(Worktree::exists);
    let existing: HashMap<PathBuf, Worktree> = existing
        .map(|worktree| (worktree.path.clone(), worktree))
        .collect();
    let of_tasks = |is_wanted: fn(&TaskState) -> bool| {
        let attempts = attempts_by_end(state, is_wanted).into_iter();
        attempts.filter_map(|(task, attempt)| {
            let path = context.recorded_worktree(&attempt.worktree);
            Some((task, existing.get(&context.place_of(path))?))
        })
    };
    let mut kept: Vec<KeptWorktree> = Vec::new();
    for (_, worktree) in of_tasks(|task| task.phase == TaskPhase::Done) {
        match unsaved_work(context, &store, state, worktree)? {
            None => return Ok(Ok(worktree.clone())),
            Some(reason) => kept.push(kept_worktree(worktree, reason)),
        }
    }
    for (task, worktree) in of_tasks(|task| task.phase != TaskPhase::Done) {
        let reason = format!(
            "has the work of {task}, which has not passed (`git worktree remove --force {}` removes it; \
             refs/dispatch/attempts/ keeps its changes)",
            shell_path(&worktree.path)
        );
        kept.push(kept_worktree(worktree, reason));
    }
    Ok(Err(kept))
}

fn kept_worktree(worktree: &Worktree, reason: String) -> KeptWorktree {
    KeptWorktree {
        path: worktree.path.display().to_string(),
        reason,
    }
}

/// Returns the ended attempts at some tasks, those that ended first in front; of the attempts in one
/// worktree only one.
fn attempts_by_end(
    state: &RunState,
    is_wanted: impl Fn(&TaskState) -> bool,
) -> Vec<(TaskNumber, &Attempt)> {
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    let tasks = tasks.filter(|task| is_wanted(state.task(*task)));
    let mut attempts: Vec<(TaskNumber, &Attempt)> = tasks
        .flat_map(|task| {
            let attempts = state.task(task).attempts.iter();
            attempts.map(move |attempt| (task, attempt))
        })
        .filter(|(_, attempt)| attempt.outcome.is_some())
        .collect();
    attempts.sort_by_key(|(_, attempt)| attempt.ended);
    let mut seen = HashSet::new();
    attempts.retain(|(_, attempt)| seen.insert(&attempt.worktree));
    attempts
}
