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

/// Returns the bytes of a folder on its disk. Links are not followed; a file that is removed meanwhile counts
/// 0. Blocks that files share count for each of them.
pub fn disk_use(folder: &Path) -> u64 {
    // A worker may make folders that are deeper than the stack.
    let (mut folders, mut used) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Ok(meta) = entry.metadata() {
                used += 512 * meta.blocks();
                if meta.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
    used
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_count_in_every_folder_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("worktree");
        fs::create_dir_all(place.join("a/b")).unwrap();
        let empty = disk_use(&place);
        fs::write(folder.path().join("outside"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(folder.path(), place.join("link")).unwrap();
        assert!(disk_use(&place) < empty + (1 << 16));
        fs::write(place.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        assert!(disk_use(&place) >= empty + (1 << 20));
    }
}
