//! Measures what dispatch keeps on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::Settings;
use crate::engine::kernel::disk_space::worktree_prefix;
use crate::git::Repo;
use crate::git::worktree::Worktree;

/// Returns every worktree of dispatch, of any run. One inside of another is a worker's own.
pub fn worktrees(repo: &Repo, settings: &Settings) -> Vec<Worktree> {
    let prefix = worktree_prefix(repo, settings);
    let prefix = prefix.to_string_lossy();
    let depth = |path: &Path| path.components().count();
    let own_depth = depth(&settings.worktree.folder(repo.home(), "run", "task"));
    let mut all = repo.worktrees();
    all.retain(|worktree| {
        worktree.path.to_string_lossy().starts_with(&*prefix) && depth(&worktree.path) <= own_depth
    });
    all
}

/// Returns the bytes of a folder on its disk. A file that is removed meanwhile counts 0. Blocks that files
/// share count for each of them.
pub fn disk_use(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_use(&entry.path()) + 512 * meta.blocks(),
        Ok(meta) => 512 * meta.blocks(),
        Err(_) => 0,
    };
    entries.map(of_entry).sum()
}
