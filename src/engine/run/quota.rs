//! Measures the disk use of dispatch in a repository against the user's limits.

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

/// Returns the user's limit that one more worktree would exceed. Measuring reads every folder, so
/// it runs in the background.
pub fn exceeded(context: &Context) -> Option<Shortage> {
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

/// Returns every worktree of dispatch, of any run.
fn worktrees(context: &Context) -> Vec<Worktree> {
    let prefix = worktree_prefix(&context.repo, &context.settings);
    let prefix = prefix.to_string_lossy();
    let mut all = context.repo.worktrees();
    all.retain(|worktree| worktree.path.to_string_lossy().starts_with(&*prefix));
    all
}

/// Returns the bytes of a folder on its disk. A file that is removed meanwhile counts 0.
fn disk_use(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_use(&entry.path()) + 512 * meta.blocks(),
        Ok(meta) => 512 * meta.blocks(),
        Err(_) => 0,
    };
    entries.map(of_entry).sum()
}

/// Returns the worktree of the task that passed first, if its whole content is in git. Failed ones
/// are kept for the user to inspect.
///
/// # Errors
/// When the store or a worktree cannot be read.
pub fn removable(context: &Context, state: &RunState) -> Result<Option<Worktree>, EngineError> {
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
