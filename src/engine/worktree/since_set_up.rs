//! Finds the work in a submodule or another repository of a worktree that was not there when set-up had
//! ended.

use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::GitError;
use crate::git::submodules::{Submodule, UncommittedFile};
use crate::merge::oid::Oid;

/// Lists the tips of the repository's own commits, or nothing if no reference was written since set-up.
///
/// # Errors
/// When git cannot read it.
pub fn own_tips_since(
    repository: &Submodule,
    start: Option<&StartingTree>,
) -> Result<Vec<Oid>, GitError> {
    match has_references_since(repository, start) {
        true => repository.own_tips(),
        false => Ok(Vec::new()),
    }
}

/// Returns `true` if HEAD or a reference of the repository was written since set-up.
pub fn has_references_since(repository: &Submodule, start: Option<&StartingTree>) -> bool {
    let is_written = |start: &StartingTree| {
        let places = ["HEAD", "refs", "packed-refs", "reftable"];
        let places = places.map(|name| repository.git_dir.join(name));
        let mut places = places.iter().filter(|path| path.symlink_metadata().is_ok());
        places.any(|path| start.is_written_since(path))
    };
    start.is_none_or(is_written)
}

/// Lists the files with changes in no commit that were written since set-up.
///
/// # Errors
/// When git cannot read it.
pub fn changes_since(
    repository: &Submodule,
    start: Option<&StartingTree>,
) -> Result<Vec<UncommittedFile>, GitError> {
    let folder = repository.folder.as_deref();
    let mut changed = repository.uncommitted()?;
    changed.retain(|file| {
        let path = folder.map(|folder| folder.join(&file.path));
        path.is_none_or(|path| start.is_none_or(|start| start.is_written_since(&path)))
    });
    Ok(changed)
}
