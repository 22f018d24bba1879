//! What dispatch keeps in a repository, against what it may keep, and what of it can go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::worktree_prefix;
use crate::engine::worktree::remove;
use crate::git::worktree::Worktree;
use crate::model::run::RunState;
use crate::model::shortage::{Resource, Shortage};
use crate::model::task_state::TaskPhase;

/// Which limit of the user's one more worktree would pass, if any. Measuring what everything takes
/// reads every folder, so it is not for the loop.
pub fn passed(context: &Context) -> Option<Shortage> {
    let run = &context.settings.run;
    let kept = worktrees(context);
    let prefix = worktree_prefix(&context.repo, &context.settings);
    let shortage = |resource, has: u64, needs: u64| Shortage {
        resource,
        place: prefix.display().to_string(),
        has,
        needs,
    };
    let count = kept.len() as u64;
    if let Some(most) = run.max_worktrees.filter(|most| kept.len() >= *most) {
        return Some(shortage(Resource::Worktrees, count, most as u64));
    }
    let most = run.max_total_disk?;
    let places = kept.iter().map(|worktree| worktree.path.as_path());
    let own = context.repo.dispatch_folder();
    let used: u64 = places.chain([own.as_path()]).map(disk_use).sum();
    (used + context.size().bytes > most).then(|| shortage(Resource::TotalDisk, used, most))
}

/// Every worktree of dispatch, whatever its run.
fn worktrees(context: &Context) -> Vec<Worktree> {
    let prefix = worktree_prefix(&context.repo, &context.settings);
    let prefix = prefix.to_string_lossy();
    let mut all = context.repo.worktrees();
    all.retain(|worktree| worktree.path.to_string_lossy().starts_with(&*prefix));
    all
}

/// What a folder takes on its disk, in bytes. What goes away meanwhile takes nothing.
fn disk_use(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_use(&entry.path()) + 512 * meta.blocks(),
        Ok(meta) => 512 * meta.blocks(),
        Err(_) => 0,
    };
    entries.map(of_entry).sum()
}

/// The worktree of the task of this run that passed first, if everything in it is in git. One that
/// failed is left for a person to look at.
///
/// # Errors
/// When the store or a worktree cannot be read.
pub fn can_go(context: &Context, state: &RunState) -> Result<Option<Worktree>, EngineError> {
    let done = state
        .tasks
        .iter()
        .filter(|task| task.phase == TaskPhase::Done);
    let mut attempts: Vec<_> = done.flat_map(|task| &task.attempts).collect();
    attempts.sort_by_key(|attempt| attempt.ended);
    for attempt in attempts {
        let path = context.recorded_worktree(&attempt.worktree);
        let Some(worktree) = context.repo.find_worktree(&path) else {
            continue;
        };
        if remove::is_safe_to_remove(context, state, &worktree)? {
            return Ok(Some(worktree));
        }
    }
    Ok(None)
}
