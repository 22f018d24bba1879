//! Fills in the path template of worktrees.

use std::path::{Component, Path, PathBuf};

/// Returns the folder that a template names. A relative one starts at the top folder of the
/// repository; `.` and `..` are resolved without reading the disk.
pub(super) fn fill(template: &str, repo_top: &Path, run: &str, task: &str) -> PathBuf {
    let repo = repo_top.file_name().unwrap_or_default().to_string_lossy();
    let filled = template
        .replace("{run}", run)
        .replace("{task}", task)
        .replace("{repo}", &repo);
    normalised(&repo_top.join(filled))
}

fn normalised(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
