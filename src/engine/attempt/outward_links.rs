//! Finds symbolic links that an attempt adds and that lead out of its worktree.
//!
//! git records the target as it is written, so the link lands and is broken on every other machine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::engine::EngineError;
use crate::git::Store;
use crate::merge::change::Change;

/// The mode of a symbolic link.
const LINK: u32 = 0o120_000;

/// Returns a remark on each link that leads out of the worktree.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn outward_links(
    store: &Store,
    worktree: &Path,
    changes: &[Change],
) -> Result<Vec<String>, EngineError> {
    let mut remarks = Vec::new();
    for change in changes {
        let Some(entry) = change.new.filter(|entry| entry.mode == LINK) else {
            continue;
        };
        let target = store.blob(entry.oid)?;
        let target = Path::new(OsStr::from_bytes(&target));
        let path = Path::new(OsStr::from_bytes(change.path.as_bytes()));
        let why = if target.starts_with(worktree) {
            "which goes when its worktree is removed"
        } else if target.is_absolute() || leaves_top(path, target) {
            "outside the repository, which other machines may not have"
        } else {
            continue;
        };
        remarks.push(format!(
            "{} is a link to {}, {why}",
            change.path,
            target.display()
        ));
    }
    Ok(remarks)
}

/// Returns `true` if the relative target of a link leads above the top of the worktree.
fn leaves_top(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count() as i64 - 1;
    target.components().any(|part| {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
        depth < 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_above_the_top_leave_it() {
        let leaves = |link: &str, target: &str| leaves_top(Path::new(link), Path::new(target));
        assert!(leaves("a", "../b") && leaves("x/a", "../../b") && leaves("a", "b/../../c"));
        assert!(!leaves("a", "b") && !leaves("x/a", "../b") && !leaves("x/a", "./b/../../c"));
    }
}
