//! Gives the worker of an attempt a git folder of its own, and takes over what it committed there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::spec::confinement::has_private_folder;
use crate::git::private_folder::{PrivateFolder, SeenReferences};
use crate::git::refs::branch_ref;
use crate::git::worktree::Worktree;
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;

/// The file in an attempt's folder which tells that its worker has a stash of its own.
const OWN_STASH: &str = "own-stash";

/// Returns `true` if the worker of the attempt in this folder has a stash of its own.
pub(super) fn has_own_stash(attempt_folder: &Path) -> bool {
    own_stash_file(attempt_folder).exists()
}

fn own_stash_file(attempt_folder: &Path) -> PathBuf {
    attempt_folder.join(OWN_STASH)
}

/// Gives the worker a git folder of its own if it needs one. The worktree uses it from then on.
///
/// # Errors
/// When it cannot be made.
pub(super) fn give(execution: &Execution, worktree: &Worktree) -> Result<(), EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    let repo = &context.repo;
    if !has_private_folder(context, spec) {
        // That of an earlier attempt in the same worktree.
        let removed = PrivateFolder::of(repo, worktree).remove_all_but_way_to_objects(repo);
        return removed.map_err(|error| failed(worktree, error));
    }
    let mark = own_stash_file(&execution.folder());
    fs::write(&mark, "").map_err(|error| EngineError::File(mark.display().to_string(), error))?;
    let of_user = context.copied_references()?;
    let of_run = repo.with_store(|store| branches_of_run(execution, store))?;
    let seen = SeenReferences {
        of_user: &of_user,
        of_run: &of_run,
    };
    repo.give_private_folder(worktree, seen)?;
    Ok(())
}

/// Lists the branches of the run that the worker may read: its own, those that it builds on, and the
/// integration branch.
fn branches_of_run(execution: &Execution, store: &Store) -> Result<Vec<(String, Oid)>, StoreError> {
    let (context, spec) = (&execution.context, &execution.spec);
    let dependencies = spec.dependencies.iter();
    let mut branches: Vec<(String, Oid)> = dependencies
        .map(|(task, candidate)| (context.branch(*task), *candidate))
        .collect();
    for branch in [
        context.attempt_branch(spec.of()),
        context.integration_branch(),
    ] {
        if let Some(commit) = store.reference(&branch_ref(&branch))? {
            branches.push((branch, commit));
        }
    }
    Ok(branches)
}

/// Takes over what the worker committed in its own git folder, if it had one.
///
/// # Errors
/// When git refuses it; it stays where it is then.
pub(super) fn take_over(execution: &Execution, worktree: &Worktree) -> Result<(), EngineError> {
    if !worktree.has_private_folder() {
        return Ok(());
    }
    let (context, spec) = (&execution.context, &execution.spec);
    let of_user = context.copied_references()?;
    let branch = context.attempt_branch(spec.of());
    let left = context
        .repo
        .with_store(|store| Ok::<_, EngineError>(store.take_over(worktree, &branch, &of_user)?))?;
    execution.note_left(left);
    Ok(())
}

/// Removes the objects that were taken over, once the attempt is judged.
pub(super) fn remove_objects(execution: &Execution) {
    if execution.left().is_some_and(|left| !left.has_objects) {
        return;
    }
    let repo = &execution.context.repo;
    let found = repo.find_worktree(&execution.spec.worktree);
    if let Some(worktree) = found.filter(|worktree| !worktree.has_private_folder()) {
        // Those that stay are removed with the worktree.
        let _ = PrivateFolder::of(repo, &worktree).remove_objects(repo);
    }
}

fn failed(worktree: &Worktree, error: std::io::Error) -> EngineError {
    EngineError::File(worktree.path.display().to_string(), error)
}
